"""Devices that knock: told, guessed at, registered, let in; and what is odd about those that are in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from chengnao.api.app import create_app
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Role, Scope, User
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.access.service import digest
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.ids import new_id
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import SESSION_COOKIE, Context
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.gateways.replay import Replayer
from chengnao.sensing.protocols.hj212_dialogue import WIRE
from chengnao.sensing.quarantine.model import Form
from chengnao.sensing.readings.model import Quality, Reading, to_table
from chengnao.sensing.readings.store import ReadingsStore

from .logged import keys, logged
from .test_gateway_hj212 import NOW, Station, connect, data

pytestmark = pytest.mark.engines

STRANGER = "B220000_0009"


@pytest.fixture
async def readings(settings: Settings, store: str) -> ReadingsStore:
    made = ReadingsStore.create(settings, load_secrets(settings.home))
    await made.ensure_schema()
    return made


@pytest.fixture
async def client(
    settings: Settings, city: Database, bus: Bus, readings: ReadingsStore
) -> AsyncIterator[httpx.AsyncClient]:
    app: FastAPI = create_app(Context(settings, city.clock, city, bus, Authority.load()), readings)
    cookie, csrf = await _signed_in(city)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    own = {"headers": {"X-CSRF-Token": csrf}, "cookies": {SESSION_COOKIE: cookie}}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", **own) as made:  # type: ignore[arg-type]
        yield made


async def _signed_in(database: Database) -> tuple[str, str]:
    """A steward of the whole city: what nobody owns is for nobody else to see."""
    async with database.unit_of_work() as uow:
        person = User(new_id(), "city-steward", "全市管理员", frozenset({Role.STEWARD}), "500000", None)
        repository, now = AccessRepository(uow.session), datetime.now(UTC)
        await repository.add_user(person, "no password")
        await repository.add_session(digest("secret"), person.id, "csrf", now + timedelta(hours=1), now)
        await uow.commit()
    return "secret", "csrf"


@pytest.fixture
async def gateway(intake: Intake) -> AsyncIterator[LineGateway]:
    made = LineGateway(WIRE, intake)
    await made.start("127.0.0.1", 0)
    yield made
    await made.close()


async def knock(gateway: LineGateway, intake: Intake, times: int) -> Station:
    station = await connect(gateway)
    for number in range(times):
        station.send(data(STRANGER, at=NOW - timedelta(minutes=number), a34004=35 + number, a34002=60))
    for _ in range(50):
        await asyncio.sleep(0.05)
        if intake.desk.refused >= times:
            break
    await intake.desk.flush()
    return station


async def test_a_stranger_is_told_guessed_at_registered_and_all_that_it_brought_let_in(
    client: httpx.AsyncClient, gateway: LineGateway, intake: Intake, city: Database, bus: Bus
) -> None:
    station = await knock(gateway, intake, 3)
    sender = {"source": "hj212", "address": STRANGER}
    [found] = [each for each in (await client.get("/api/discovered")).json()["items"] if each["address"] == STRANGER]
    assert (found["source"], found["count"], found["device_id"]) == ("hj212", 3, None)
    assert (await client.get("/api/discovered", params={"q": "nobody"})).json()["total"] == 0
    guessed = (await client.get("/api/discovered/guess", params=sender)).json()
    assert guessed["points"] == {"a34002": 3, "a34004": 3}
    assert guessed["guesses"][0]["class_code"] == "air_station"
    assert (guessed["guesses"][0]["matched"], guessed["guesses"][0]["seen"]) == (2, 2)
    new = {"name": "新站", "class_code": "air_station", "division_code": "500103", "protocol": "hj212"}
    made = await client.post("/api/devices", json=new | {"id": "air-9", "address": STRANGER})
    assert made.status_code == 201, made.text
    assert (await client.get("/api/discovered")).json()["items"][0]["device_id"] == "air-9"
    assert (await client.post("/api/discovered/replay", json=sender)).json() == {"pieces": 3}
    while await Replayer(intake, city).replay_some():
        pass
    assert {key[0] for key in keys(await logged(bus))} == {"air-9"}
    assert (await client.get("/api/discovered")).json()["total"] == 0
    station.writer.close()


async def test_a_stranger_is_given_up_in_one_act(
    client: httpx.AsyncClient, gateway: LineGateway, intake: Intake
) -> None:
    station = await knock(gateway, intake, 2)
    sender = {"source": "hj212", "address": STRANGER}
    given_up = await client.post("/api/discovered/discard", json=sender | {"reason": "试验设备"})
    assert given_up.json() == {"pieces": 2}
    assert (await client.get("/api/discovered")).json()["total"] == 0
    station.writer.close()


async def test_a_date_of_2070_and_a_flood_stand_as_findings_on_the_device(
    client: httpx.AsyncClient, gateway: LineGateway, intake: Intake
) -> None:
    station = await connect(gateway)
    station.send(data(at=NOW.replace(year=2070), a34004=35))
    await asyncio.sleep(0.3)
    params = {"value": "A110000_0001", "limit": 100, "retry_after": 1}
    intake.desk.hold(Protocol.HJ212, "x", "A110000_0001", "rate_limited", params, b"", Form.FRAME, Scope())
    await intake.desk.flush()
    found = (await client.get("/api/devices/air-1/findings")).json()
    assert {each["reason"] for each in found} == {"reading_time_window", "rate_limited"}
    assert all(each["reason_text"] and each["reason_text_en"] for each in found)
    pieces = (await client.get("/api/quarantine", params={"device": "A110000_0001", "source": "hj212"})).json()
    assert pieces["total"] == 2
    station.writer.close()


async def test_health_tells_how_much_it_is_heard_its_clock_and_its_quality(
    client: httpx.AsyncClient, city: Database, readings: ReadingsStore
) -> None:
    now = city.clock.now()
    rows = [
        Reading("p-1", "pressure", at, 30.0, at + timedelta(seconds=40), quality)
        for number in range(144)  # every five minutes of the last half day
        for at in [now - timedelta(minutes=5 * number + 1)]
        for quality in [Quality.OUT_OF_RANGE if number < 4 else Quality.GOOD]
    ]
    await readings.insert(to_table(rows))
    health = (await client.get("/api/devices/p-1/health")).json()
    assert health["online_day"] == pytest.approx(0.5, abs=0.01)
    assert health["online_week"] == pytest.approx(0.5 / 7, abs=0.01)
    assert health["clock_offset"] == 40.0
    assert health["quality"] == {"good": 140, "out_of_range": 4}
    silent = (await client.get("/api/devices/p-2/health")).json()
    assert (silent["online_day"], silent["clock_offset"], silent["quality"]) == (0.0, None, {})
