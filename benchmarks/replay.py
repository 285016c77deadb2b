"""Real reports of two cities through the platform: as they would be told now, and as the history of an old system.

Starts the platform in a data folder of its own and replays the Baltimore and New York samples beside the checkout:

    python -m benchmarks.replay [--live 2000]

Live, each report is one POST /api/reports, eight connections at a time. As history, the files go through
POST /api/reports/import with their own times; the rate of cases closed by their due date is then computed here from
the rows and asked of the evaluation, and must not differ. Where the samples are absent it says "not run: no data".

Both cities lie elsewhere: a district of Chongqing stands in for each neighbourhood and community board, chosen by a
hash of its name, so that rights, responsibilities and evaluation by division have something to work on. Their words
are English, which the classifier for Chinese does not read; coordinates of New York are kept and reported as odd.
"""

import argparse
import asyncio
import gzip
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Role
from chengnao.kernel.clock import CST, SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.organisation.model import CITY
from tests.support.platform import Client, Platform, running_platform
from tests.support.shared import SHARED

CONNECTIONS = 8
SPAN = {"from": "2010-01-01T00:00:00+08:00", "to": "2026-01-01T00:00:00+08:00"}
"""A period that holds all cases of both samples."""
DISTRICTS = ("500101", "500102", "500103", "500104", "500106", "500107", "500108", "500110", "500111", "500113")
err = Console(stderr=True)

Row = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """One city's rows, and what its own columns are called."""

    name: str
    file: str
    area: str
    kind: str
    words: str
    created: str
    closed: str
    due: str
    place: str

    def rows(self) -> list[Row]:
        with gzip.open(SHARED / "data" / self.file, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    def stand_in(self, row: Row) -> str:
        digest = hashlib.sha256(str(row.get(self.area) or "-").encode()).digest()
        return DISTRICTS[digest[0] % len(DISTRICTS)]

    def report(self, row: Row) -> Row:
        """The row as somebody would report it now."""
        text = " ".join(dict.fromkeys(str(row[name]) for name in (self.kind, self.words) if row.get(name)))
        report = {"content": text, "division_code": self.stand_in(row), "channel": "machine", "external_id": row["id"]}
        return report | {"address": str(row.get(self.place) or "")}


SAMPLES = (
    Sample(
        "Baltimore", "baltimore311.jsonl.gz", "neighborhood", "sr_type", "sr_type", "created", "closed", "due", "block"
    ),
    Sample(
        "New York", "nyc311_sample.jsonl.gz", "community_board", "complaint_type", "descriptor", "created_date",
        "closed_date", "due_date", "street_name",
    ),
)  # fmt: skip


def moment(text: str | None) -> datetime | None:
    """The time as the source writes it; no code of the platform is asked."""
    if not text:
        return None
    form = "%m/%d/%Y %I:%M:%S %p" if "/" in text else "%Y-%m-%dT%H:%M:%S.%f"
    return datetime.strptime(text, form).replace(tzinfo=CST)


@dataclass
class Source:
    """What the rows themselves say."""

    due: int = 0
    on_time: int = 0
    duplicates: int = 0
    transferred: int = 0
    odd: Counter[str] = field(default_factory=Counter)


def source_of(sample: Sample, rows: Iterable[Row]) -> Source:
    """Counted from the rows, without the platform: a case counts where it was closed, not before it was created."""
    found = Source()
    for row in rows:
        created, closed, due = (moment(row.get(name)) for name in (sample.created, sample.closed, sample.due))
        assert created is not None
        status = str(row["status"])
        over = status.startswith("Closed")
        if over and closed is not None and due is not None and closed >= created:
            found.due += 1
            found.on_time += closed <= due
        found.duplicates += over and "Duplicate" in status
        found.transferred += "Transferred" in status
        found.odd["closed_before_created"] += closed is not None and closed < created
        found.odd["no_place"] += not row.get(sample.place) and row.get("lat") is None
        found.odd["open_with_closed_date"] += not over and closed is not None
    return found


@dataclass(frozen=True)
class Line:
    what: str
    figure: str
    note: str = ""


async def live(platform: Platform, reports: list[Row], token: str) -> list[Line]:
    """Reports one by one, as fast as eight senders get their answers."""
    waiting = iter(reports)
    seconds: list[float] = []
    incidents: set[str] = set()
    refused: Counter[int] = Counter()

    async def send(client: httpx.AsyncClient) -> None:
        for report in waiting:
            began = time.monotonic()
            answer = await client.post("/api/reports", json=report)
            seconds.append(time.monotonic() - began)
            if answer.status_code == 201:
                incidents.add(answer.json()["incident_id"])
            else:
                refused[answer.status_code] += 1

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=platform.address, headers=headers, timeout=60) as client:
        began = time.monotonic()
        await asyncio.gather(*(send(client) for _ in range(CONNECTIONS)))
        took = time.monotonic() - began
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    kept = len(reports) - sum(refused.values())
    return [
        Line("live reports/s", f"{kept / took:,.1f}", f"{kept:,} in {took:.0f} s, {CONNECTIONS} connections"),
        Line("live report, p50 / p95", f"{p50:.0f} / {p95:.0f} ms", f"refused: {dict(refused) or 'none'}"),
        Line("live incidents", f"{len(incidents):,}", f"{kept - len(incidents):,} reports joined one that was open"),
    ]


def history(client: Client, sample: Sample, rows: list[Row]) -> list[Line]:
    """The whole file as cases of an earlier system; then what the platform says of them beside what the rows say."""
    source, before = source_of(sample, rows), client.read("/api/evaluation", **SPAN)["total"]
    body = "\n".join(json.dumps(row | {"division_code": sample.stand_in(row)}) for row in rows).encode()
    began = time.monotonic()
    answer = client.post("/api/reports/import", files={"file": (f"{sample.name}.jsonl", body)})
    answer.raise_for_status()
    job = answer.json()
    while job["state"] not in ("done", "failed"):
        time.sleep(0.5)
        job = client.read(f"/api/imports/{job['id']}")
    took = time.monotonic() - began
    assert job["state"] == "done", job["error"]
    kept = list(imported(client, job["id"]))
    after = client.read("/api/evaluation", **SPAN)["total"]
    gained = {name: after[name] - before[name] for name in ("source_due", "source_on_time", "imported")}
    codes = Counter(odd["code"] for row in kept for odd in row["odd"])
    wrong = {code: (count, codes[code]) for code, count in source.odd.items() if count != codes[code]}
    lost = len(rows) - job["accepted"] - job["rejected"] - job["known"]
    name, rate = sample.name, gained["source_on_time"] / gained["source_due"] if gained["source_due"] else 0.0
    stated = source.on_time / source.due if source.due else 0.0
    differs = abs(gained["source_due"] - source.due) + abs(gained["source_on_time"] - source.on_time)
    answered = ended(client, kept, "duplicate"), ended(client, kept, "transferred")
    return [
        Line(f"{name}: rows/s taken over", f"{len(rows) / took:,.0f}", f"{len(rows):,} rows in {took:.0f} s"),
        Line(f"{name}: lost", str(lost), f"{job['accepted']:,} accepted, {job['rejected']} rejected"),
        Line(f"{name}: on time, by the rows", f"{stated:.2%}", f"{source.on_time:,} of {source.due:,}"),
        Line(f"{name}: on time, by the evaluation", f"{rate:.2%}", f"difference {differs}"),
        Line(f"{name}: duplicates answered", f"{answered[0]} of {source.duplicates}"),
        Line(f"{name}: transferred, answered", f"{answered[1]} of {source.transferred}"),
        Line(f"{name}: odd rows reported", f"{job['odd']:,}", ", ".join(f"{k} {v:,}" for k, v in codes.most_common())),
        Line(f"{name}: odd counts that differ from the rows'", f"{len(wrong)}", str(wrong or "")),
    ]  # fmt: skip


def imported(client: Client, import_id: str) -> Iterator[Row]:
    """All rows of an import."""
    page = 1
    while items := client.read(f"/api/imports/{import_id}/rows", page=page, size=200)["items"]:
        yield from items
        page += 1


def ended(client: Client, kept: list[Row], word: str) -> int:
    """How many of the rows that the source closed with the word have an answer."""
    rows = [row for row in kept if f"closed ({word})" == row["cells"].get("status", "").lower()]
    reports = (client.read(f"/api/reports/{row['report_id']}") for row in rows)
    return sum(report["answered_at"] is not None and bool(report["answer"]) for report in reports)


async def token_for(platform: Platform) -> str:
    database = Database.connect(database_url(platform.settings), SystemClock())
    try:
        async with database.unit_of_work() as uow:
            _, token = await access.create_token(
                uow, name="replay", role=Role.REPORTER, division_code=CITY, unit_id=None
            )
            await uow.commit()
            return token
    finally:
        await database.close()


def measure(platform: Platform, samples: dict[Sample, list[Row]], at_most: int | None) -> list[Line]:
    platform.run("user", "add", "chief", "--role", "dispatcher", "--role", "duty_officer", "--role", "auditor")
    reports = [sample.report(row) for sample, rows in samples.items() for row in rows][:at_most]
    err.print(f"{len(reports):,} reports, one by one ...")
    lines = asyncio.run(live(platform, reports, asyncio.run(token_for(platform))))
    client = platform.client("chief")
    client.timeout = httpx.Timeout(300)
    for sample, rows in samples.items():
        err.print(f"{sample.name}: {len(rows):,} cases as history ...")
        lines += history(client, sample, rows)
    checked = client.read("/api/evaluation/check", **SPAN)
    log = f"{checked['incidents']:,} incidents, {checked['entries']:,} entries"
    lines.append(Line("columns that differ from the event log", str(checked["differing"]), log))
    client.close()
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--live", type=int, default=None, help="at most so many reports one by one (default: all)")
    at_most = parser.parse_args().live
    absent = [sample.file for sample in SAMPLES if not Path(SHARED / "data" / sample.file).exists()]
    if absent:
        print(f"not run: no data ({', '.join(absent)})")
        return
    samples = {sample: sample.rows() for sample in SAMPLES}
    err.print("starting the platform ...")
    with running_platform(demonstration=False) as platform:
        lines = measure(platform, samples, at_most)
    table = Table("", "", "", title=f"Replay of two cities, {os.cpu_count()} cores, senders on the same machine")
    for line in lines:
        table.add_row(line.what, line.figure, line.note)
    Console().print(table)


if __name__ == "__main__":
    main()
