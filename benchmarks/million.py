"""A city's worth of devices: a reading a minute of each, the newest values of an area, a start with all of them.

    python -m benchmarks.million [--devices 1000000] [--minutes 30] [--gateways 1] [--writers 1]

Starts the platform in a data folder of its own, registers the devices, ends and starts the platform, and sends every
minute one reading of each device through the real gateways, evenly over the minute. Meanwhile it asks for the newest
readings of streets and of boxes of the map over HTTP, one question after another, and for single readings that it has
just sent until they are there. Everything runs on this machine, the senders too.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import psutil
import psycopg
import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.platform import ARROW, arrow_body
from chengnao.kernel.access.model import Role
from chengnao.kernel.access.service import create_token
from chengnao.kernel.bus import READING_CONSUMERS, READINGS, Bus
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.settings import load_secrets
from chengnao.kernel.status import read_status
from chengnao.sensing.readings.store import ReadingsStore
from tests.support.platform import Client, Platform, running_platform

BATCH = 5_000
AREA_LIMIT = 5_000
err = Console(stderr=True)

REGISTER = """
WITH places AS (
    SELECT code, row_number() OVER (ORDER BY code) - 1 AS number, count(*) OVER () AS count
    FROM divisions WHERE length(code) = %(length)s AND valid_to IS NULL
)
INSERT INTO devices (id, name, class_code, division_code, unit_id, protocol, address, lon, lat, place_ok,
    interval_seconds, faults, settings, points, life, owner, vendor, model, serial)
SELECT 'dev-' || lpad(n::text, 7, '0'), '设备' || n, 'water_flow', code, NULL, 'http', NULL,
    106 + (n * 7919 %% 1000) / 1000.0, 29 + (n * 104729 %% 1000) / 1000.0, true,
    60, '[]', '{}', '{}', 'in_service', '', '', '', ''
FROM generate_series(0::bigint, %(devices)s - 1) AS n JOIN places ON places.number = n * 31 %% places.count"""
PRESENCE = "INSERT INTO device_presence (device_id, online) SELECT id, false FROM devices ON CONFLICT DO NOTHING"


@dataclass
class Figures:
    """What was measured; times in seconds."""

    accepted: int = 0
    refused: int = 0
    acknowledged: list[float] = field(default_factory=list)
    to_latest: list[float] = field(default_factory=list)
    to_store: list[float] = field(default_factory=list)
    streets: list[float] = field(default_factory=list)
    boxes: list[float] = field(default_factory=list)
    street_rows: list[int] = field(default_factory=list)
    box_rows: list[int] = field(default_factory=list)
    most_behind: int = 0
    memory: dict[str, float] = field(default_factory=dict)


def register(platform: Platform, devices: int) -> list[str]:
    """All devices by plain SQL, as an import of another registry would bring them; returns the divisions' codes."""
    url = database_url(platform.settings).replace("postgresql+psycopg", "postgresql")
    with psycopg.connect(url, autocommit=True) as connection:
        (streets,) = connection.execute("SELECT count(*) FROM divisions WHERE length(code) = 9").fetchone() or (0,)
        connection.execute(REGISTER, {"devices": devices, "length": 9 if streets else 6})
        connection.execute(PRESENCE)
        connection.execute("ANALYZE devices")
        rows = connection.execute("SELECT DISTINCT division_code FROM devices WHERE id LIKE 'dev-%'").fetchall()
    return [code for (code,) in rows]


def watch_memory(platform: Platform, figures: Figures) -> None:
    """The peak of each process, children included: proportional set size, so shared pages count once."""
    status = read_status(platform.home)
    for each in status.processes if status else ():
        total = 0
        try:
            process = psutil.Process(each.pid)
            for one in [process, *process.children(recursive=True)]:
                total += one.memory_full_info().pss
        except (psutil.Error, TypeError):
            continue
        figures.memory[each.name] = max(figures.memory.get(each.name, 0.0), total / 2**20)


class Field:
    """All devices, sending."""

    def __init__(self, platform: Platform, devices: int, secret: str, figures: Figures) -> None:
        self._url = f"http://127.0.0.1:{platform.settings.port('gateway')}/readings"
        self._headers = {"Authorization": f"Bearer {secret}", "Content-Type": ARROW}
        self._ids = [f"dev-{number:07}" for number in range(devices)]
        self._figures = figures
        self.devices = devices
        self.sent: asyncio.Queue[tuple[int, datetime, float]] = asyncio.Queue()

    async def minute(self, client: httpx.AsyncClient, began: float) -> None:
        """One reading of each device, spread evenly over the minute that began then."""
        batches = range(0, self.devices, BATCH)
        sending = set()
        for number, first in enumerate(batches):
            await asyncio.sleep(max(0.0, began + 60 * number / len(batches) - time.monotonic()))
            task = asyncio.create_task(self._send(client, first))
            sending.add(task)
            task.add_done_callback(sending.discard)
        await asyncio.gather(*sending)

    async def _send(self, client: httpx.AsyncClient, first: int) -> None:
        at = datetime.now(UTC).replace(microsecond=0)
        ids = self._ids[first : first + BATCH]
        body = await asyncio.to_thread(
            arrow_body, pa.array(ids), at, np.random.default_rng(first).normal(1, 0.1, len(ids))
        )
        began = time.monotonic()
        self.sent.put_nowait((first + len(ids) // 2, at, began))
        while True:
            answer = await client.post(self._url, content=body, headers=self._headers)
            if answer.status_code not in (429, 503):
                break
            await asyncio.sleep(0.5)
        self._figures.acknowledged.append(time.monotonic() - began)
        self._figures.accepted += answer.json()["accepted"]
        self._figures.refused += len(answer.json()["rejected"])


class City:
    """People who look at the map, and one who waits for single readings."""

    def __init__(self, platform: Platform, codes: list[str], figures: Figures) -> None:
        signed_in = Client(platform.address, "admin")
        headers = {"Accept-Encoding": "identity", "X-CSRF-Token": signed_in.headers["X-CSRF-Token"]}
        self.client = httpx.AsyncClient(
            base_url=platform.address, cookies=signed_in.cookies, headers=headers, timeout=60.0
        )
        self._codes = codes
        self._figures = figures
        self._chance = np.random.default_rng(1)

    async def look(self) -> None:
        while True:
            code = self._codes[int(self._chance.integers(len(self._codes)))]
            west, south = 106 + self._chance.random() * 0.9, 29 + self._chance.random() * 0.9
            box = f"{west},{south},{west + 0.05},{south + 0.05}"
            figures = self._figures
            for params, times, rows in (
                ({"division": code}, figures.streets, figures.street_rows),
                ({"bbox": box}, figures.boxes, figures.box_rows),
            ):
                began = time.perf_counter()
                answer = await self.client.get("/api/readings/latest", params=params | {"limit": str(AREA_LIMIT)})
                times.append(time.perf_counter() - began)
                rows.append(len(answer.json()["items"]))
            await asyncio.sleep(0.5)

    async def wait_for_readings(self, field_: Field, store: ReadingsStore) -> None:
        while True:
            number, at, began = await field_.sent.get()
            while not field_.sent.empty():
                number, at, began = field_.sent.get_nowait()
            device = f"dev-{number:07}"
            params = {"after": f"dev-{number - 1:07}", "limit": "1"}
            while True:
                (item,) = (await self.client.get("/api/readings/latest", params=params)).json()["items"]
                if item["readings"] and datetime.fromisoformat(item["readings"][0]["time"]) >= at:
                    break
                await asyncio.sleep(0.01)
            self._figures.to_latest.append(time.monotonic() - began)
            while not any(row["time"] >= at for row in (await store.latest([device])).to_pylist()):
                await asyncio.sleep(0.05)
            self._figures.to_store.append(time.monotonic() - began)
            await asyncio.sleep(0.5)


async def send_minutes(platform: Platform, devices: int, minutes: int, secret: str, codes: list[str]) -> Figures:
    figures = Figures()
    field_, city = Field(platform, devices, secret, figures), City(platform, codes, figures)
    store = ReadingsStore.create(platform.settings, load_secrets(platform.home))
    bus = await Bus.connect(platform.settings, "benchmark")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("readings", total=devices * minutes)

        async def watch() -> None:
            while True:
                lags = [await bus.lag(READINGS, durable) for durable in READING_CONSUMERS]
                figures.most_behind = max(figures.most_behind, *lags)
                progress.update(task, completed=figures.accepted, description=f"readings, {max(lags)} messages behind")
                await asyncio.to_thread(watch_memory, platform, figures)
                await asyncio.sleep(2)

        others = [asyncio.create_task(work) for work in (watch(), city.look(), city.wait_for_readings(field_, store))]
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=120) as client:
            for minute in range(minutes):
                await field_.minute(client, max(began + 60 * minute, time.monotonic()))
                for other in others:
                    if other.done():
                        await other
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for durable in READING_CONSUMERS:
            while await bus.lag(READINGS, durable):
                await asyncio.sleep(0.1)
        progress.update(task, completed=figures.accepted)
    took = time.monotonic() - began
    stored = await store.count()
    err.print(f"{stored:,} stored of {figures.accepted:,} accepted in {took:.1f} s")
    assert stored == figures.accepted, "readings were lost or doubled"
    figures.accepted = round(stored / max(took, 60 * minutes))
    await bus.close()
    await store.close()
    return figures


def restart(platform: Platform) -> float:
    platform.run("down")
    began = time.monotonic()
    # Longer than any other command may take: this is what is measured.
    command = Path(sys.executable).with_name("chengnao")
    subprocess.run([command, "up"], env=platform.environment, check=True, capture_output=True, timeout=900)
    return time.monotonic() - began


def at(values: list[float], percent: float, factor: float = 1.0) -> str:
    return f"{np.percentile(values, percent) * factor:,.2f}" if values else "-"


def shown(devices: int, minutes: int, restarted: tuple[float, float], figures: Figures) -> Table:
    title = f"{devices:,} devices, a reading a minute for {minutes} minutes; {os.cpu_count()} cores"
    table = Table("", "", "", title=title)
    table.add_row(
        "readings stored a second", f"{figures.accepted:,}", f"wanted {devices / 60:,.0f}; none lost, none twice"
    )
    table.add_row("readings refused", f"{figures.refused:,}", "")
    table.add_row(
        "batch acknowledged, p50 / p99", f"{at(figures.acknowledged, 50)} / {at(figures.acknowledged, 99)} s", ""
    )
    table.add_row(
        "reading to map, p50 / p99",
        f"{at(figures.to_latest, 50)} / {at(figures.to_latest, 99)} s",
        f"{len(figures.to_latest)} tried",
    )
    table.add_row("reading to store, p50 / p99", f"{at(figures.to_store, 50)} / {at(figures.to_store, 99)} s", "")
    for what, times, rows in (
        ("latest of a division", figures.streets, figures.street_rows),
        ("latest of a box", figures.boxes, figures.box_rows),
    ):
        each = f"{np.mean(rows):,.0f} devices each, {len(times)} asked" if rows else ""
        table.add_row(f"{what}, p50 / p95", f"{at(times, 50, 1000)} / {at(times, 95, 1000)} ms", each)
    table.add_row("most messages behind", f"{figures.most_behind:,}", "")
    table.add_row(
        "start with no readings / with all of them", f"{restarted[0]:.1f} / {restarted[1]:.1f} s", "`chengnao up`"
    )
    table.add_section()
    for name, megabytes in sorted(figures.memory.items()):
        table.add_row(f"memory of {name}", f"{megabytes:,.0f} MB", "peak")
    table.add_row("memory of all", f"{sum(figures.memory.values()):,.0f} MB", "")
    return table


async def make_token(platform: Platform) -> str:
    database = Database.connect(database_url(platform.settings), SystemClock())
    async with database.unit_of_work() as uow:
        _, secret = await create_token(uow, name="field", role=Role.GATEWAY, division_code=CITY, unit_id=None)
        await uow.commit()
    await database.close()
    return secret


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=int, default=30)
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--writers", type=int, default=1)
    wanted = parser.parse_args()
    err.print("starting the platform ...")
    processes = {"gateways": str(wanted.gateways), "writers": str(wanted.writers)}
    with running_platform(demonstration=False, **processes) as platform:
        platform.run("user", "add", "admin", "--role", "operator")
        secret = asyncio.run(make_token(platform))
        err.print(f"registering {wanted.devices:,} devices ...")
        codes = register(platform, wanted.devices)
        err.print("ending and starting the platform ...")
        empty = restart(platform)
        figures = asyncio.run(send_minutes(platform, wanted.devices, wanted.minutes, secret, codes))
        err.print("ending and starting the platform ...")
        restarted = empty, restart(platform)
    Console().print(shown(wanted.devices, wanted.minutes, restarted, figures))


if __name__ == "__main__":
    main()
