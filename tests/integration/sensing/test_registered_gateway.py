"""What the registry says of a device, as gateways act upon it: its life, its faults, its secrets, its twins."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.organisation.model import CITY
from chengnao.sensing.devices.model import Life
from chengnao.sensing.devices.service import move, note_fault, require_device
from chengnao.sensing.devices.upkeep.service import make_credential, revoke_credential
from chengnao.sensing.gateways.credentials import CredentialCache
from chengnao.sensing.gateways.http import HttpGateway
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.gateways.registry import TokenCache
from chengnao.sensing.protocols.hj212_dialogue import WIRE

from .conftest import token
from .logged import logged
from .test_gateway_hj212 import connect, data
from .test_gateway_http import NOW, held, row

pytestmark = pytest.mark.engines

PERSON = Principal("u-1", "张三", "user", frozenset(), CITY)


@pytest.fixture
async def client(intake: Intake, city: Database) -> AsyncIterator[httpx.AsyncClient]:
    gateway = HttpGateway(intake, TokenCache(city), (), CredentialCache(city))
    transport = httpx.ASGITransport(gateway.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as made:
        yield made


async def lead(database: Database, intake: Intake, device: str, *lives: Life) -> None:
    async with database.unit_of_work() as uow:
        for life in lives:
            await move(uow, Scope(), device, life)
        await uow.commit()
    await intake.feed.refresh()


async def secret_of(database: Database, device: str) -> tuple[str, str]:
    async with database.unit_of_work() as uow:
        made, secret = await make_credential(uow, PERSON, await require_device(uow, Scope(), device))
        await uow.commit()
    return made.id, secret


def bearer(secret: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {secret}"}}


async def qualities(bus: Bus) -> dict[str, str]:
    return {each["device"]: each["quality"] for each in (await logged(bus)).to_pylist()}


async def test_readings_of_a_retired_device_are_refused_and_of_one_in_maintenance_marked(
    client: httpx.AsyncClient, city: Database, intake: Intake, bus: Bus
) -> None:
    await lead(city, intake, "p-1", Life.RETIRED)
    await lead(city, intake, "p-2", Life.MAINTENANCE)
    asked = bearer(await token(city))
    answer = (await client.post("/readings", json=[row("p-1"), row("p-2")], **asked)).json()
    assert answer["accepted"] == 1
    assert [each["code"] for each in answer["rejected"]] == ["device_retired"]
    assert await qualities(bus) == {"p-2": "calibrating"}
    await lead(city, intake, "p-2", Life.IN_SERVICE)
    await client.post("/readings", json=[row("p-2")], **asked)
    assert await qualities(bus) == {"p-2": "good"}


async def test_a_frame_of_a_retired_station_is_held(city: Database, intake: Intake, bus: Bus) -> None:
    await lead(city, intake, "air-1", Life.RETIRED)
    gateway = LineGateway(WIRE, intake)
    await gateway.start("127.0.0.1", 0)
    station = await connect(gateway)
    station.send(data(a34004=35))
    assert await station.hears_nothing()
    assert [piece.reason for piece in await held(city, intake)] == ["device_retired"]
    assert len(await logged(bus)) == 0
    station.writer.close()
    await gateway.close()


async def test_a_value_at_which_a_metric_is_stuck_is_marked_until_it_moves(
    client: httpx.AsyncClient, city: Database, intake: Intake, bus: Bus
) -> None:
    async with city.unit_of_work() as uow:
        await note_fault(uow, "p-1", "pressure", "stuck", NOW - timedelta(hours=7), 30.5)
        await uow.commit()
    await intake.feed.refresh()
    asked = bearer(await token(city))
    await client.post("/readings", json=[row("p-1")], **asked)
    assert await qualities(bus) == {"p-1": "stuck"}
    moved = row("p-1", value=30.6, time=(NOW + timedelta(seconds=1)).isoformat())
    await client.post("/readings", json=[moved, row("p-2", value=-9999)], **asked)
    assert await qualities(bus) == {"p-1": "good", "p-2": "sentinel"}
    await client.post("/readings", json=[moved | {"value": 31.0}], **asked)
    assert await qualities(bus) == {"p-1": "duplicate"}


async def test_a_device_sends_by_its_own_secret_for_itself_alone(
    client: httpx.AsyncClient, city: Database, bus: Bus
) -> None:
    made, secret = await secret_of(city, "p-1")
    answer = (await client.post("/readings", json=[row("p-1"), row("p-2")], **bearer(secret))).json()
    assert (answer["accepted"], [each["code"] for each in answer["rejected"]]) == (1, ["device_not_yours"])
    assert (await client.post("/readings", json=[row("p-1")], auth=("p-1", secret))).status_code == 200
    assert (await client.post("/readings", json=[row("p-1")], auth=("p-2", secret))).status_code == 403
    async with city.unit_of_work() as uow:
        await revoke_credential(uow, await require_device(uow, Scope(), "p-1"), made)
        await uow.commit()
    cache = CredentialCache(city)
    assert await cache.sender(secret) is None
    assert await cache.sender("cnd_wrong") is None


async def test_two_connections_that_claim_one_address_are_told(city: Database, intake: Intake, bus: Bus) -> None:
    gateway = LineGateway(WIRE, intake)
    await gateway.start("127.0.0.1", 0)
    one, two = await connect(gateway), await connect(gateway)
    for station in (one, two):
        station.send(data(a34004=35))
        await station.answer()
    assert await held(city, intake) == []  # a device may come again on a new connection
    one.send(data(a34004=35))
    await one.answer()
    pieces = await held(city, intake)
    assert [(piece.reason, piece.device_hint) for piece in pieces] == [("address_claimed_twice", "A110000_0001")]
    assert pieces[0].params["peer"] != pieces[0].params["other"]
    assert len(await logged(bus)) > 0
    for station in (one, two):
        station.writer.close()
    await asyncio.sleep(0)
    await gateway.close()
