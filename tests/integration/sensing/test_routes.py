"""Devices, their readings and the quarantine over HTTP, on real engines."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chengnao.api.app import create_app
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Role
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import Context
from chengnao.sensing.devices.service import clear_fault, note_fault, note_presence, put_all
from chengnao.sensing.readings.model import Quality, Reading, to_table
from chengnao.sensing.readings.store import ReadingsStore
from tests.support.world import World, make_world

from .conftest import device

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def readings(settings: Settings, store: str) -> ReadingsStore:
    made = ReadingsStore.create(settings, load_secrets(settings.home))
    await made.ensure_schema()
    return made


@pytest.fixture
async def app(settings: Settings, database: Database, bus: Bus, readings: ReadingsStore) -> FastAPI:
    return create_app(Context(settings, database.clock, database, bus, Authority.load()), readings)


@pytest.fixture
async def world(database: Database, settings: Settings) -> World:
    return await make_world(database, settings)


@pytest.fixture
async def steward(app: FastAPI, world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with world.client(app, Role.STEWARD) as client:
        yield client


def new(**more: Any) -> dict[str, Any]:
    return {"id": "gauge-1", "name": "解放碑雨量站", "class_code": "rain_station", "division_code": "500103"} | more


async def test_a_device_is_registered_found_and_changed(steward: httpx.AsyncClient) -> None:
    made = await steward.post("/api/devices", json=new(lon=106.58, lat=29.56, protocol="hj212", address="MN001"))
    assert made.status_code == 201, made.text
    assert made.json()["class_name"] == "雨量站"
    assert made.json()["division_name"] == "渝中区"
    assert made.json()["interval_seconds"] == 300
    assert made.json()["status"] == "offline"
    found = (await steward.get("/api/devices", params={"q": "解放碑"})).json()
    assert [each["id"] for each in found["items"]] == ["gauge-1"]
    changed = await steward.patch("/api/devices/gauge-1", json={"name": "改名站", "interval_seconds": 60})
    assert (changed.json()["name"], changed.json()["interval_seconds"], changed.json()["address"]) == (
        "改名站",
        60,
        "MN001",
    )
    assert (await steward.get("/api/devices/gauge-1")).json()["name"] == "改名站"
    assert (await steward.get("/api/devices/nothing")).status_code == 404


async def test_a_coordinate_of_another_system_is_converted_at_the_edge(steward: httpx.AsyncClient) -> None:
    made = (await steward.post("/api/devices", json=new(lon=106.58, lat=29.56, crs="gcj02"))).json()
    assert made["place_ok"]
    assert 0.001 < abs(made["lon"] - 106.58) < 0.01


@pytest.mark.parametrize(("lon", "lat"), [(1065.8, 29.5), ("east", "north"), (0, 0), (None, None)])
async def test_a_broken_coordinate_is_listed_and_not_drawn(steward: httpx.AsyncClient, lon: Any, lat: Any) -> None:
    made = await steward.post("/api/devices", json=new(lon=lon, lat=lat))
    assert made.status_code == 201
    assert made.json()["place_ok"] is False
    listed = (await steward.get("/api/devices", params={"q": "gauge-1"})).json()
    assert listed["total"] == 1
    drawn = (await steward.get("/api/devices/map", params={"bbox": "-180,-90,180,90", "zoom": 3})).json()
    assert "gauge-1" not in [each["id"] for each in drawn["devices"]]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"id": "a b"}, 400),
        ({"class_code": "toaster"}, 400),
        ({"division_code": "509999"}, 403),
        ({"division_code": "500108"}, 403),
        ({"division_code": "x"}, 422),
        ({"unit_id": "no-unit"}, 404),
        ({"interval_seconds": 0}, 422),
        ({"id": "device-500103"}, 409),
        ({"name": "\x00"}, 422),
    ],
)
async def test_nonsense_names_field_and_remedy(steward: httpx.AsyncClient, change: dict[str, Any], status: int) -> None:
    answer = await steward.post("/api/devices", json=new(**change))
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert answer.json()["error"]["message_en"]


async def test_an_address_has_one_device(steward: httpx.AsyncClient) -> None:
    await steward.post("/api/devices", json=new(address="MN001"))
    second = new(id="gauge-2", address="MN001")
    assert (await steward.post("/api/devices", json=second)).status_code == 409
    await steward.post("/api/devices", json=second | {"address": None})
    assert (await steward.patch("/api/devices/gauge-2", json={"address": "MN001"})).status_code == 409
    assert (await steward.patch("/api/devices/gauge-2", json={"name": None})).status_code == 400


async def insert(store: ReadingsStore, rows: list[tuple[str, str, datetime, float]]) -> None:
    now = datetime.now(UTC)
    await store.insert(to_table([Reading(name, metric, at, value, now) for name, metric, at, value in rows]))


async def test_status_follows_readings_the_clock_and_faults(
    steward: httpx.AsyncClient, database: Database, readings: ReadingsStore
) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    async with database.unit_of_work() as uow:
        await put_all(uow, [device(f"s-{number}") for number in range(3)])
        await note_fault(uow, "s-2", "", "missing", now)
        await note_presence(uow, ["s-0"], [])
        await uow.commit()
    await insert(readings, [("s-0", "pressure", now, 1), ("s-1", "pressure", now - timedelta(hours=1), 1)])

    async def listed(status: str) -> list[str]:
        answer = await steward.get("/api/devices", params={"status": status, "q": "s-", "size": 200})
        return [each["id"] for each in answer.json()["items"] if each["id"].startswith("s-")]

    assert await listed("online") == ["s-0"]
    assert await listed("offline") == ["s-1"]
    assert await listed("faulty") == ["s-2"]
    shown = (await steward.get("/api/devices/s-1")).json()
    assert datetime.fromisoformat(shown["last_seen"]) == now - timedelta(hours=1)
    faulty = (await steward.get("/api/devices/s-2")).json()
    assert [(fault["metric"], fault["kind"]) for fault in faulty["faults"]] == [("", "missing")]
    async with database.unit_of_work() as uow:
        await note_fault(uow, "s-2", "", "missing", now)
        await clear_fault(uow, "s-2", "", "missing")
        await uow.commit()
    assert (await steward.get("/api/devices/s-2")).json()["faults"] == []


async def test_latest_and_series(steward: httpx.AsyncClient, readings: ReadingsStore) -> None:
    await steward.post("/api/devices", json=new(id="series-1"))
    rows = [("series-1", "rain_1h", NOW - timedelta(minutes=number), float(number)) for number in range(300)]
    await insert(readings, [*rows, ("series-1", "odd.metric", NOW, 5.0)])
    latest = (await steward.get("/api/devices/series-1/latest")).json()
    assert [(each["metric"], each["unit"], each["value"]) for each in latest] == [
        ("odd.metric", "", 5.0),
        ("rain_1h", "mm", 0.0),
    ]
    path = "/api/devices/series-1/readings"
    span = {"metric": "rain_1h", "to": (NOW + timedelta(seconds=1)).isoformat()}
    series = (await steward.get(path, params=span)).json()
    assert series["unit"] == "mm"
    assert len(series["points"]) == 300
    assert series["points"][-1][1:] == [0.0, "good"]
    thinned = (await steward.get(path, params=span | {"points": 20})).json()
    assert 2 <= len(thinned["points"]) <= 20
    assert (await steward.get(path, params=span | {"from": span["to"]})).status_code == 400
    assert (await steward.get(path, params={"metric": "Bad"})).status_code == 422
    for beyond in (
        {"to": "0001-01-01T00:00:00Z"},
        {"from": "9999-12-31T23:59:59-12:00"},
        {"from": "1800-01-01T00:00:00Z"},
    ):
        assert (await steward.get(path, params={"metric": "rain_1h"} | beyond)).status_code == 400


async def test_map_gives_devices_or_clusters(steward: httpx.AsyncClient, database: Database) -> None:
    async with database.unit_of_work() as uow:
        await put_all(
            uow,
            [
                device(f"m-{number}", lon=106.5 + number % 40 * 0.01, lat=29.5 + number // 40 * 0.01)
                for number in range(600)
            ],
        )
        await note_fault(uow, "m-7", "pressure", "stuck", NOW)
        await uow.commit()
    wide = (await steward.get("/api/devices/map", params={"bbox": "106,29,107.5,30", "zoom": 8})).json()
    assert wide["devices"] == []
    assert 1 < len(wide["clusters"]) < 100
    assert sum(each["count"] for each in wide["clusters"]) >= 600
    assert {each["worst"] for each in wide["clusters"]} == {"faulty", "online"}
    near = (await steward.get("/api/devices/map", params={"bbox": "106.495,29.495,106.515,29.515", "zoom": 15})).json()
    assert near["clusters"] == []
    assert sorted(each["id"] for each in near["devices"]) == ["m-0", "m-1", "m-40", "m-41"]
    assert (await steward.get("/api/devices/map", params={"bbox": "1,2,nan,x"})).status_code == 400


async def test_classes_are_told(steward: httpx.AsyncClient) -> None:
    classes = {each["code"]: each for each in (await steward.get("/api/device-classes")).json()}
    assert classes["river_station"]["metrics"][0]["unit"] == "m"


async def test_held_pieces_are_looked_at_replayed_and_given_up(
    steward: httpx.AsyncClient, world: World, app: FastAPI
) -> None:
    held_id = world.own.ids["quarantine"]
    listed = (await steward.get("/api/quarantine", params={"state": "waiting"})).json()
    assert [each["id"] for each in listed["items"]] == [held_id]
    assert listed["items"][0]["size"] > 0
    shown = (await steward.get(f"/api/quarantine/{held_id}")).json()
    assert bytes.fromhex(shown["hex"]).decode() == shown["text"]
    assert "CRC" in shown["reason_text"]
    asked = await steward.post(f"/api/quarantine/{held_id}/replay")
    assert asked.json()["state"] == "replay_requested"
    assert (await steward.post(f"/api/quarantine/{held_id}/replay")).status_code == 409
    assert (await steward.post(f"/api/quarantine/{held_id}/discard", json={"reason": "x"})).status_code == 409
    foreign = world.foreign.ids["quarantine"]
    assert (await steward.get(f"/api/quarantine/{foreign}")).status_code == 404
    async with world.client(app, Role.AUDITOR) as auditor:
        assert (await auditor.get(f"/api/quarantine/{held_id}")).status_code == 200
        assert (await auditor.post(f"/api/quarantine/{held_id}/replay")).status_code == 403


async def test_giving_up_needs_a_reason(steward: httpx.AsyncClient, world: World) -> None:
    path = f"/api/quarantine/{world.own.ids['quarantine']}/discard"
    assert (await steward.post(path, json={"reason": ""})).status_code == 422
    assert (await steward.post(path, json={"reason": "  "})).status_code == 400
    done = (await steward.post(path, json={"reason": "测试报文"})).json()
    assert (done["state"], done["outcome"]) == ("discarded", {"reason": "测试报文"})
    assert done["handled_by"] == "本区steward"


async def test_changes_are_told_as_events(steward: httpx.AsyncClient, database: Database) -> None:
    await steward.post("/api/devices", json=new())
    await steward.patch("/api/devices/gauge-1", json={"name": "新名"})
    await asyncio.sleep(0)
    async with database.engine.connect() as connection:
        rows = (await connection.exec_driver_sql("select envelope from outbox order by sequence")).all()
    told = [(row[0]["type"], row[0]["subject"]) for row in rows if row[0]["type"].startswith("device.")]
    assert told == [("device.registered", "gauge-1"), ("device.changed", "gauge-1")]
    assert rows[-1][0]["data"]["fields"] == ["name"]


async def test_quality_is_shown_in_the_series(steward: httpx.AsyncClient, readings: ReadingsStore) -> None:
    await steward.post("/api/devices", json=new(id="quality-1"))
    await readings.insert(to_table([Reading("quality-1", "rain_1h", NOW, 900.0, NOW, Quality.OUT_OF_RANGE)]))
    span = {"metric": "rain_1h", "to": (NOW + timedelta(seconds=1)).isoformat()}
    series = (await steward.get("/api/devices/quality-1/readings", params=span)).json()
    assert [point[2] for point in series["points"]] == ["out_of_range"]
