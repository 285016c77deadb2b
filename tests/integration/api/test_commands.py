"""Commands and subscriptions over HTTP: asked once, approved by another, private addresses refused."""

import httpx
import pytest
from fastapi import FastAPI

from chengnao.kernel.access.model import Role
from chengnao.kernel.database import Database
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.devices.service import put_all
from tests.support.world import OWN, World

pytestmark = pytest.mark.engines


@pytest.fixture
async def station(database: Database, world: World) -> str:
    async with database.unit_of_work() as uow:
        values = (OWN, None, Protocol.HJ212, None, 106.5, 29.5, True, 60)
        await put_all(uow, [Device("air-9", "空气站", "air_station", *values)])
        await uow.commit()
    return "air-9"


async def ask(client: httpx.AsyncClient, device: str, key: str | None = None, **body: object) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post(f"/api/devices/{device}/commands", json=body, headers=headers)


async def test_a_command_sent_again_is_asked_once(app: FastAPI, world: World, station: str) -> None:
    async with world.client(app, Role.STEWARD) as steward:
        first = await ask(steward, station, "key-0001", name="set_clock")
        again = await ask(steward, station, "key-0001", name="set_clock")
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert (await ask(steward, station, "key-0001", name="calibrate")).status_code == 409
        listed = (await steward.get(f"/api/devices/{station}/commands")).json()
        assert [each["id"] for each in listed["items"]] == [first.json()["id"]]


async def test_another_person_approves(app: FastAPI, world: World, station: str) -> None:
    async with world.client(app, Role.STEWARD) as steward, world.client(app, Role.DUTY_OFFICER) as officer:
        asked = (await ask(steward, station, name="calibrate", arguments={"factor": "a34004"}, reason="季度")).json()
        assert (asked["state"], asked["effect"]) == ("asked", "act")
        path = f"/api/commands/{asked['id']}/decision"
        own = await steward.post(path, json={"approve": True})
        assert (own.status_code, own.json()["error"]["code"]) == (403, "command_own")
        assert (await officer.post(path, json={"approve": True, "reason": "同意"})).json()["state"] == "approved"
        assert (await officer.post(path, json={"approve": False})).status_code == 409
        record = (await officer.get(f"/api/commands/{asked['id']}")).json()
        assert [step["state"] for step in record["steps"]] == ["asked", "approved"]
        assert (await steward.post(f"/api/commands/{asked['id']}/withdraw")).json()["state"] == "withdrawn"


async def test_a_device_that_no_command_reaches(app: FastAPI, world: World) -> None:
    async with world.client(app, Role.STEWARD) as steward:
        refused = await ask(steward, world.own.ids["device"], name="set_clock")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "command_no_line")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://127.0.0.1/hook", "webhook_private"),
        ("https://169.254.169.254/latest/meta-data", "webhook_private"),
        ("https://[::ffff:10.0.0.1]/hook", "webhook_private"),
        ("http://1.1.1.1/hook", "webhook_plain"),
        ("ftp://1.1.1.1/hook", "webhook_url"),
    ],
)
async def test_where_events_are_not_sent(app: FastAPI, world: World, url: str, code: str) -> None:
    body = {"name": "x", "url": url, "types": ["warning.*"], "division_code": OWN}
    async with world.client(app, Role.OPERATOR) as operator:
        answer = await operator.post("/api/subscriptions", json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        unknown = await operator.post("/api/subscriptions", json=body | {"url": "https://1.1.1.1/", "types": ["no"]})
        assert unknown.json()["error"]["code"] == "event_type_unknown"
