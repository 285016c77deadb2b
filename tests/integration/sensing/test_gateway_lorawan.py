"""LoRaWAN network servers over HTTP: `POST /lorawan` with a token."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.model import Point, Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.http import HttpGateway
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.registry import TokenCache

from .conftest import device, token
from .logged import keys, logged

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)
EUI = "24e124136b502217"


def uplink(eui: str = EUI, **more: Any) -> dict[str, Any]:
    event = {"time": NOW.isoformat(), "deviceInfo": {"devEui": eui}, "fPort": 2, "object": {"level": 1.5, "lat": 29.5}}
    return event | more


@pytest.fixture
async def client(intake: Intake, city: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with city.unit_of_work() as uow:
        points = {"level": Point("pressure", 10.0)}
        await put_all(
            uow,
            [
                device("lora-1", protocol=Protocol.LORAWAN, address=EUI, points=points),
                device("lora-2", protocol=Protocol.LORAWAN, address="00" * 8, settings={"codec": "morse"}),
                device("south-2", protocol=Protocol.LORAWAN, address="11" * 8, division="500108"),
            ],
        )
        await uow.commit()
    await intake.feed.refresh()
    app = HttpGateway(intake, TokenCache(city)).app
    headers = {"Authorization": f"Bearer {await token(city)}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as made:
        yield made


async def test_uplink_is_on_the_log_when_it_is_answered(client: httpx.AsyncClient, bus: Bus) -> None:
    answer = await client.post("/lorawan?event=up", json=uplink())
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": []})
    assert keys(await logged(bus)) == [("lora-1", "pressure", NOW, 15.0, "good")]


async def test_events_without_readings_are_taken(client: httpx.AsyncClient) -> None:
    answer = await client.post("/lorawan?event=join", json={"deviceInfo": {"devEui": EUI}})
    assert answer.json() == {"accepted": 0, "rejected": []}


async def test_what_cannot_be_taken_is_told(client: httpx.AsyncClient) -> None:
    for body, code in [
        (json.dumps(uplink("ab" * 8)), "unknown_device"),
        (json.dumps(uplink("11" * 8)), "device_not_yours"),
        (json.dumps(uplink("00" * 8)), "codec_unknown"),
        (json.dumps(uplink(data="AWc", object=None)), "bad_field"),
        (json.dumps(uplink(time="2070-01-01T00:00:00Z")), "reading_time_window"),
        ("{", "bad_field"),
    ]:
        answer = await client.post("/lorawan", content=body)
        assert answer.status_code == 200
        assert [each["code"] for each in answer.json()["rejected"]] == [code]
    assert (await client.post("/lorawan", json=uplink(), headers={"Authorization": "Bearer no"})).status_code == 403


async def test_no_success_while_the_log_is_away(client: httpx.AsyncClient, intake: Intake) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="away")

    kept, intake.committer._publish = intake.committer._publish, refuse
    assert (await client.post("/lorawan", json=uplink())).status_code == 503
    intake.committer._publish = kept
    assert (await client.post("/lorawan", json=uplink())).status_code == 200
