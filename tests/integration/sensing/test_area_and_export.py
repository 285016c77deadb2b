"""The newest readings of an area and readings in bulk, over HTTP."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI

from chengnao.api.app import create_app
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Role
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import Context
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.readings import export
from chengnao.sensing.readings.model import Reading, to_table
from chengnao.sensing.readings.rollups import RollUps
from chengnao.sensing.readings.store import ReadingsStore
from tests.support.world import World, make_world

from .conftest import device
from .recomputed import wipe

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)
SPAN = {"from": (NOW - timedelta(days=2)).isoformat(), "to": (NOW + timedelta(minutes=1)).isoformat()}


@pytest.fixture
async def readings(settings: Settings, store: str) -> AsyncIterator[ReadingsStore]:
    made = ReadingsStore.create(settings, load_secrets(settings.home))
    await made.ensure_schema()
    await wipe(made)
    yield made
    await wipe(made)
    await made.close()


@pytest.fixture
async def app(settings: Settings, database: Database, bus: Bus, readings: ReadingsStore) -> FastAPI:
    return create_app(Context(settings, database.clock, database, bus, Authority.load()), readings)


@pytest.fixture
async def world(database: Database, settings: Settings) -> World:
    made = await make_world(database, settings)
    async with database.unit_of_work() as uow:
        here = [device(f"here-{number:02}", lon=106.5 + number / 100) for number in range(20)]
        away = [device(f"away-{number}", "rain_station", division="500108") for number in range(5)]
        await put_all(uow, [*here, *away])
        await uow.commit()
    return made


@pytest.fixture
async def steward(app: FastAPI, world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(app, Role.STEWARD) as client:
        yield client


async def fill(readings: ReadingsStore) -> None:
    rows = []
    for number in range(20):
        for minutes in range(90):
            at = NOW - timedelta(minutes=minutes)
            rows.append(Reading(f"here-{number:02}", "pressure", at, float(number * 1000 + minutes), at))
    at = NOW - timedelta(hours=1)
    rows.append(Reading("here-03", "flow", at, 7.0, at))
    rows.append(Reading("away-1", "rain_1h", at, 8.0, at))
    await readings.insert(to_table(rows))


async def latest(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await client.get("/api/readings/latest", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_latest_of_a_division_a_box_a_class(steward: httpx.AsyncClient, readings: ReadingsStore) -> None:
    await fill(readings)
    first = await latest(steward, division="500103", class_code="water_pressure", limit=8)
    assert len(first["items"]) == 8
    pages = [first]
    while pages[-1]["next"]:
        pages.append(
            await latest(steward, division="500103", class_code="water_pressure", limit=8, after=pages[-1]["next"])
        )
    items = [item for page in pages for item in page["items"] if item["device"].startswith("here-")]
    assert [item["device"] for item in items] == [f"here-{number:02}" for number in range(20)]
    third = {each["metric"]: each for each in items[3]["readings"]}
    assert third["pressure"]["value"] == 3000.0
    assert datetime.fromisoformat(third["pressure"]["time"]) == NOW
    assert third["flow"]["value"] == 7.0
    boxed = await latest(steward, bbox="106.495,29,106.525,30", metric="flow", class_code="water_pressure")
    mine = {item["device"]: item["readings"] for item in boxed["items"] if item["device"].startswith("here-")}
    assert set(mine) == {"here-00", "here-01", "here-02"}
    assert mine["here-01"] == []
    # The steward of one district sees nothing of the other.
    assert (await latest(steward, division="500108"))["items"] == []
    assert (await steward.get("/api/readings/latest", params={"bbox": "x"})).status_code == 400


async def exported(client: httpx.AsyncClient, **params: Any) -> list[dict[str, Any]]:
    answer = await client.get("/api/readings/export", params=SPAN | params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(answer.content)).to_pylist()
    return rows


async def test_export_is_a_parquet_file_of_what_may_be_seen(
    steward: httpx.AsyncClient, readings: ReadingsStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "DEVICES_AT_ONCE", 7)
    monkeypatch.setattr(export, "ROWS_IN_GROUP", 500)
    await fill(readings)
    rows = await exported(steward)
    assert len(rows) == 20 * 90 + 1
    assert [(row["device"], row["metric"], row["time"]) for row in rows] == sorted(
        (row["device"], row["metric"], row["time"]) for row in rows
    )
    assert {row["quality"] for row in rows} == {"good"}
    assert len(await exported(steward, metric="flow")) == 1
    assert len(await exported(steward, device=["here-01", "here-02", "away-1"])) == 180
    assert await exported(steward, division="500108") == []
    assert await exported(steward, class_code="rain_station") == []
    await RollUps(readings, FixedClock(NOW)).step()
    hours = await exported(steward, tier="hour", device="here-01")
    assert sum(row["count"] for row in hours) in range(1, 90)
    backwards = await steward.get("/api/readings/export", params={"from": SPAN["to"], "to": SPAN["from"]})
    assert backwards.status_code == 400


async def test_export_from_the_command_line(
    world: World, readings: ReadingsStore, settings: Settings, database_url: str, tmp_path: Path
) -> None:
    await fill(readings)
    file = tmp_path / "out.parquet"
    environment = os.environ | {"CHENGNAO_HOME": str(settings.home), "CHENGNAO_DATABASE_URL": database_url}
    day = (NOW - timedelta(days=1)).date().isoformat()

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from chengnao.app.cli import main; main()", "readings", "export", str(file)]
        return subprocess.run([*command, *more], env=environment, capture_output=True, text=True, check=False)

    done = await asyncio.to_thread(
        run, "--from", day, "--to", "2199-12-31", "--device", "here-01", "--metric", "pressure"
    )
    assert done.returncode == 0, done.stderr
    assert pq.read_table(file).num_rows == 90
    wrong = await asyncio.to_thread(run, "--from", "yesterday", "--to", day)
    assert wrong.returncode != 0
    assert "2026-11-25" in wrong.stderr + wrong.stdout


async def test_one_export_at_a_time_for_a_person(steward: httpx.AsyncClient, app: FastAPI, world: World) -> None:
    person = (await steward.get("/api/session")).json()
    app.state.exports.begin(person["id"])
    refused = await steward.get("/api/readings/export", params=SPAN)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "export_running")
    app.state.exports.end(person["id"])
    for _ in range(2):
        assert (await steward.get("/api/readings/export", params=SPAN)).status_code == 200
