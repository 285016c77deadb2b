"""What the centre's gateway takes from edges: each record once, nothing acknowledged refused, nonsense told."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.sensing.edge.records import Kind, Record, pack
from chengnao.sensing.edge.serving import EdgeService
from chengnao.sensing.gateways.http import HttpGateway
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.registry import TokenCache
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository
from chengnao.sensing.readings.model import Quality, Reading, encode, to_table
from tests.support.edge import registered

from .conftest import token
from .logged import keys, logged

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def client(city: Database, intake: Intake) -> AsyncIterator[httpx.AsyncClient]:
    tokens = TokenCache(city)
    gateway = HttpGateway(intake, tokens, EdgeService(intake, tokens, city).routes())
    _, secret = await registered(city)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(gateway.app),
        base_url="http://centre",
        headers={"Authorization": f"Bearer {secret}", "X-Edge-Epoch": "one"},
    ) as made:
        yield made


def record(sequence: int, *readings: Reading) -> bytes:
    return pack(Record(sequence, 0, Kind.READINGS, len(readings), encode(to_table(readings))))


def reading(value: float, device: str = "p-1", waited: int = 0, ahead: int = 0, **more: Any) -> Reading:
    at = NOW - timedelta(seconds=waited) + timedelta(seconds=ahead)
    return Reading(device, "pressure", at, value, NOW - timedelta(seconds=waited), **more)


async def send(client: httpx.AsyncClient, *parts: bytes, **headers: str) -> httpx.Response:
    return await client.post("/edge/records", content=b"".join(parts), headers=headers)


async def test_each_number_is_taken_once_whatever_comes_around_it(client: httpx.AsyncClient, bus: Bus) -> None:
    one, two, three = (record(number, reading(number, waited=number)) for number in (1, 2, 3))
    assert (await send(client, one, two)).json() == {"through": 2, "accepted": 2, "held": 0, "repeated": 0}
    assert (await send(client, one, two)).json() == {"through": 2, "accepted": 0, "held": 0, "repeated": 2}
    assert (await send(client, two, three)).json() == {"through": 3, "accepted": 1, "held": 0, "repeated": 1}
    other = await client.post("/edge/records", content=one, headers={"X-Edge-Epoch": "two"})
    assert other.json()["accepted"] == 1
    assert [key[3] for key in keys(await logged(bus))] == [3, 2, 1, 1]


async def test_what_cannot_be_stored_is_held_and_the_rest_is_stored(
    client: httpx.AsyncClient, bus: Bus, city: Database
) -> None:
    rows = [
        reading(1),
        reading(2, "p-2", waited=7200),
        reading(3, "p-2", waited=7201, quality=Quality.SENTINEL),
        reading(4, "nobody"),
        reading(5, "south-1"),
        reading(6, ahead=3600),
    ]
    answer = await send(client, record(1, *rows))
    assert answer.json() == {"through": 1, "accepted": 3, "held": 3, "repeated": 0}
    assert {key[3]: key[4] for key in keys(await logged(bus))} == {1: "good", 2: "late", 3: "sentinel"}
    async with city.unit_of_work() as uow:
        page = await QuarantineRepository(uow.session).pieces(Scope("500103"), HeldFilter(), PageRequest(1, 10))
    assert {piece.reason for piece in page.items} == {"unknown_device", "device_not_yours", "reading_time_window"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        record(1, reading(1))[:-1],
        record(2, reading(1)) + record(1, reading(1)),
        pack(Record(1, 0, Kind.READINGS, 1, b"no Arrow")),
        pack(Record(1, 0, Kind.HELD, 1, b'{"pieces": [{"id": 1}], "more": {}}')),
        pack(Record(1, 0, Kind.HELD, 1, b"[]")),
        record(1, reading(float("nan"))),
    ],
)
async def test_nonsense_is_told_and_changes_nothing(client: httpx.AsyncClient, bus: Bus, body: bytes) -> None:
    answer = await send(client, body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"] in {"edge_records_invalid", "readings_unreadable"}
    assert (await send(client, record(1, reading(1)))).json()["accepted"] == 1
    assert len(await logged(bus)) == 1


async def test_only_edges_are_served(client: httpx.AsyncClient, city: Database) -> None:
    stranger = {"Authorization": f"Bearer {await token(city)}"}
    for method, path in (("POST", "/edge/hello"), ("POST", "/edge/records"), ("GET", "/edge/registry")):
        answer = await client.request(method, path, headers=stranger)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "edge_unknown")
        assert (await client.request(method, path, headers={"Authorization": ""})).status_code == 401
    told = await client.post("/edge/hello", json={"epoch": "one", "at": "yesterday", "status": {}})
    assert told.json()["error"]["code"] == "invalid_request"
    devices = (await client.get("/edge/registry")).json()
    assert {each["id"] for each in devices["devices"]} == {"p-1", "p-2", "air-1", "river-1"}
    again = await client.get("/edge/registry", headers={"If-None-Match": devices["mark"]})
    assert again.status_code == 304
