"""The loop from a reading to a changed indicator: real log, database and workflows, over the API's routes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import httpx
import pyarrow as pa
import pytest
from fastapi import FastAPI, Request

from chengnao.incident import routes as incident_routes
from chengnao.incident.dispatch import routes as dispatch_routes
from chengnao.incident.reports import routes as report_routes
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.outbox import Relay
from chengnao.kernel.settings import Settings
from chengnao.kernel.web import Context, _principal, install_error_handlers
from chengnao.sensing.readings.model import encode
from chengnao.supervision import routes as supervision_routes
from chengnao.supervision.deadlines import Deadlines
from chengnao.supervision.evaluation import routes as evaluation_routes
from chengnao.supervision.handlers import CONSUMER, Handlers
from chengnao.warning import routes as warning_routes
from chengnao.warning import service as warnings
from chengnao.warning.watch import ThresholdWatch
from tests.support.loop import (
    DISPATCHER,
    DUTY_OFFICER,
    START,
    VERIFIER,
    WANZHOU,
    WORKER,
    YUZHONG,
    low_pressure,
    make_city,
    person,
    pressures,
)

pytestmark = pytest.mark.engines

STRANGER = person(Role.DUTY_OFFICER, WANZHOU)
STEWARD = person(Role.STEWARD)
PEOPLE = {who.id: who for who in (DISPATCHER, DUTY_OFFICER, VERIFIER, WORKER, STRANGER, STEWARD)}
ANSWERS = {"division_code": YUZHONG, "category": "noise"}
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


class Silent:
    """A readings store that has heard nobody."""

    async def latest_all(self) -> pa.Table:
        return pa.table({"device": pa.array([], pa.string()), "time": pa.array([], pa.timestamp("ms", tz="UTC"))})


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def worker(database: Database, bus: Bus, clock: FixedClock) -> AsyncIterator[None]:
    """What the worker process runs."""
    await make_city(database)
    async with database.unit_of_work() as uow:
        await warnings.add_rule(uow, low_pressure())
        await uow.commit()
    with suppress(Exception):
        await bus.jetstream.delete_consumer("EVENTS", CONSUMER)
    deadlines = Deadlines(database, clock)
    await deadlines.launch()
    watch = ThresholdWatch(database, bus, clock)
    await watch.load()
    tasks = [
        asyncio.create_task(work)
        for work in (
            Relay(database, bus).run(),
            watch.run(),
            bus.consume_events(CONSUMER, Handlers(database, deadlines).handle),
        )
    ]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await deadlines.close()


@pytest.fixture
async def api(settings: Settings, database: Database, bus: Bus, worker: None) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.context = Context(settings, database.clock, database, bus, Authority.load())
    app.state.readings = Silent()
    install_error_handlers(app)
    for routes in (
        warning_routes,
        incident_routes,
        dispatch_routes,
        report_routes,
        supervision_routes,
        evaluation_routes,
    ):
        app.include_router(routes.router)

    def asking(request: Request) -> Principal:
        return PEOPLE[request.headers["x-person"]]

    app.dependency_overrides[_principal] = asking
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


Answer = dict[str, Any]


async def get(api: httpx.AsyncClient, who: Principal, path: str, **params: Any) -> Answer:
    answer = await api.get(path, params=params, headers={"x-person": who.id})
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def send(api: httpx.AsyncClient, who: Principal, path: str, body: Answer, method: str = "POST") -> httpx.Response:
    return await api.request(method, path, json=body, headers={"x-person": who.id})


async def act(api: httpx.AsyncClient, who: Principal, incident: Answer, action: str, **body: Any) -> Answer:
    answer = await send(
        api, who, f"/incidents/{incident['id']}/actions/{action}", {"version": incident["version"], **body}
    )
    assert answer.status_code == 200, answer.text
    found: Answer = answer.json()
    return found


async def until(find: Callable[[], Awaitable[Any]], seconds: float = 15) -> Any:
    for _ in range(int(seconds / 0.05)):
        if found := await find():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"nothing found after {seconds} s")


async def test_from_a_reading_to_a_changed_indicator(api: httpx.AsyncClient, bus: Bus, clock: FixedClock) -> None:
    before = await get(api, DUTY_OFFICER, "/evaluation", by="unit", **period())
    assert before["rows"] == []
    await bus.publish_readings(encode(pressures([("g1", 0, 45), ("g2", 0, 45), ("g1", 60, 18)])))

    async def listed() -> Any:
        items = (await get(api, DUTY_OFFICER, "/incidents", state="open"))["items"]
        return items[0] if items and items[0]["state"] == "dispatched" else None

    incident = await until(listed)
    assert (incident["source"], incident["unit_name"], incident["grade"]) == ("warning", "市水务集团", 3)

    await bus.publish_readings(encode(pressures([("g2", 70, 12), ("g1", 70, 3)])))

    async def both_warnings() -> Any:
        detail = await get(api, DUTY_OFFICER, f"/incidents/{incident['id']}")
        return detail if len(detail["warnings"]) == 2 and len(detail["timeline"]) == 4 else None

    detail = await until(both_warnings)
    assert {warning["incident_id"] for warning in detail["warnings"]} == {incident["id"]}
    assert [action["action"] for action in detail["actions"]] == ["recategorise", "urge", "note"]
    situation = await get(api, DUTY_OFFICER, "/situation")
    assert situation["counts"]["open_warnings"] == {"1": 1, "2": 0, "3": 1, "4": 0}
    assert situation["districts"] == [{"code": YUZHONG, "incidents": 1, "warnings": 2, "worst_level": 1}]
    points = (await get(api, DUTY_OFFICER, "/situation/map"))["features"]
    assert sorted(point["properties"]["kind"] for point in points) == ["incident", "warning", "warning"]

    [task] = (await get(api, WORKER, "/tasks/mine"))["items"]
    assert [action["action"] for action in task["actions"]] == ["accept", "return", "note"]
    clock.advance(600)
    current = await act(api, WORKER, {**task, "id": task["incident_id"], "version": detail["version"]}, "accept")
    assert current["assignee_name"] == "handler"
    upload = await api.post(
        f"/incidents/{current['id']}/photos", files={"file": ("a.png", PNG)}, headers={"x-person": WORKER.id}
    )
    photo = upload.json()["id"]
    shown = await api.get(f"/photos/{photo}", headers={"x-person": WORKER.id})
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert (await api.get(f"/photos/{photo}", headers={"x-person": STRANGER.id})).status_code == 404

    await bus.publish_readings(encode(pressures([("g1", 900, 45), ("g2", 900, 45)])))

    async def cleared() -> Any:
        found = await get(api, DUTY_OFFICER, f"/incidents/{current['id']}")
        return found if sum("预警已解除" in entry["reason"] for entry in found["timeline"]) == 2 else None

    await until(cleared)
    clock.advance(600)
    # The notes that came in between do not stand in the way of the version that the worker saw.
    current = await act(api, WORKER, current, "handle", result="已修复", photo_ids=[photo], lon=106.57, lat=29.56)
    current = await act(api, VERIFIER, current, "verify", result="水压已恢复")
    current = await act(api, DUTY_OFFICER, current, "close", reason="现场核实")
    assert (current["state"], [each["action"] for each in current["actions"]]) == ("closed", ["reopen", "note"])
    assert [photo_["id"] for photo_ in current["photos"]] == [photo]
    who = [(entry["actor_kind"], entry["action"]) for entry in current["timeline"] if entry["action"] != "note"]
    assert who == [
        ("system", "open"),
        ("system", "dispatch"),
        ("user", "accept"),
        ("user", "handle"),
        ("user", "verify"),
        ("user", "close"),
    ]
    after = await get(api, DUTY_OFFICER, "/evaluation", by="tier", **period())
    [row] = after["rows"]
    assert (row["key"], row["opened"], row["closed"], row["accept_rate"], row["close_rate"]) == ("city", 1, 1, 1, 1)
    assert after["total"]["handle_rate"] == 1
    assert after["from"] == "2026-11-01T00:00:00Z"
    assert (await get(api, WORKER, "/tasks/mine"))["items"] == []
    assert (await get(api, WORKER, "/tasks/mine", state="done"))["total"] == 1


def period() -> dict[str, str]:
    return {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}


async def test_a_foreign_district_sees_and_moves_nothing(api: httpx.AsyncClient) -> None:
    made = await send(api, DISPATCHER, "/incidents", {"title": "t", "category": "noise", "division_code": YUZHONG})
    incident = made.json()
    assert (made.status_code, incident["state"], incident["unit_id"]) == (201, "new", None)
    assert (await get(api, STRANGER, "/incidents"))["total"] == 0
    for path in (f"/incidents/{incident['id']}",):
        assert (await api.get(path, headers={"x-person": STRANGER.id})).status_code == 404
    answer = await send(api, STRANGER, f"/incidents/{incident['id']}/actions/urge", {"version": 1})
    assert answer.status_code == 404
    made = await send(api, STRANGER, "/incidents", {"title": "t", "category": "noise", "division_code": YUZHONG})
    assert made.status_code == 403
    assert (await get(api, STRANGER, "/situation"))["counts"]["open_incidents"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/incidents", {"title": "t", "category": "dragon", "division_code": YUZHONG}, 400, "category_unknown"),
        ("POST", "/incidents", {"title": "", "category": "noise", "division_code": YUZHONG}, 422, "invalid_request"),
        ("POST", "/incidents", {"title": "t", "category": "noise"}, 400, "incident_place_division"),
        ("POST", "/incidents", {"title": "t", "category": "noise", "division_code": "500199"}, 404, "division_unknown"),
        ("POST", "/reports", {"content": "c", "lon": 500, "lat": 0}, 422, "invalid_request"),
        ("POST", "/reports", {"content": "c", "division_code": YUZHONG, "photo_ids": ["x"]}, 400, "photo_unknown"),
        ("POST", "/incidents/none/actions/urge", {"version": 1}, 404, "not_found"),
        ("POST", "/incidents/none/actions/dance", {"version": 1}, 422, "invalid_request"),
        (
            "PUT",
            "/responsibilities",
            {"division_code": YUZHONG, "category": "noise", "unit_id": "x"},
            404,
            "unit_unknown",
        ),
        ("GET", "/incidents?state=asleep", None, 400, "invalid_value"),
        ("GET", "/incidents?sort=luck", None, 400, "invalid_value"),
        ("GET", "/evaluation?from=2026-12-01T00:00:00Z&to=2026-11-01T00:00:00Z", None, 400, "invalid_value"),
        ("GET", "/evaluation?from=2026-12-01T00:00:00", None, 422, "invalid_request"),
    ],
)
async def test_nonsense_is_answered_with_an_error_that_helps(
    api: httpx.AsyncClient, method: str, path: str, body: Answer | None, status: int, code: str
) -> None:
    answer = await api.request(method, path, json=body, headers={"x-person": DISPATCHER.id})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"] != error["message_en"]


async def test_thresholds_are_changed_over_the_api(api: httpx.AsyncClient) -> None:
    rule = {
        "device_id": "g1",
        "metric": "pressure",
        "direction": "below",
        "levels": {"1": 1.0, "3": 2.5},
        "category": "water_pressure",
    }
    made = await send(api, STEWARD, "/thresholds", rule)
    assert made.status_code == 201, made.text
    assert (made.json()["division_code"], made.json()["levels"]) == (YUZHONG, {"1": 1.0, "3": 2.5})
    path = f"/thresholds/{made.json()['id']}"
    changed = await send(api, STEWARD, path, rule | {"hysteresis": 0.5}, "PUT")
    assert (changed.json()["hysteresis"], changed.json()["revision"]) == (0.5, 2)
    for body, code in (
        (rule, "threshold_exists"),
        (rule | {"metric": "colour"}, "threshold_metric_unknown"),
        (rule | {"device_class": "water_pressure"}, "threshold_target"),
        (rule | {"levels": {"1": 3.0, "3": 2.5}}, "threshold_levels_order"),
        (rule | {"device_id": "no-such"}, "not_found"),
    ):
        assert (await send(api, STEWARD, "/thresholds", body)).json()["error"]["code"] == code
    assert (await send(api, DISPATCHER, "/thresholds", rule)).status_code == 403
    assert (await get(api, STRANGER, "/thresholds"))["total"] == 1
    assert (await api.delete(path, headers={"x-person": STEWARD.id})).status_code == 204
    assert (await api.delete(path, headers={"x-person": STEWARD.id})).status_code == 404


async def test_times_are_utc(api: httpx.AsyncClient) -> None:
    made = await send(api, DISPATCHER, "/incidents", {"title": "t", "category": "noise", "division_code": YUZHONG})
    assert datetime.fromisoformat(made.json()["opened_at"]) == START
    assert made.json()["opened_at"].endswith("Z")
