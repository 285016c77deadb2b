"""What comes before the leader on duty, and why; urges and answers; the weekly letter; limits that the city sets."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from chengnao.incident import routes as incident_routes
from chengnao.incident import service
from chengnao.incident.limits import routes as limit_routes
from chengnao.incident.model import Action, Incident, Source, State
from chengnao.incident.moves import Move
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.requests import service as requests
from chengnao.incident.requests.model import Kind
from chengnao.incident.service import Opening
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.places import Place
from chengnao.kernel.settings import Settings
from chengnao.kernel.web import Context, _principal, install_error_handlers
from chengnao.supervision.duty import routes as duty_routes
from chengnao.supervision.duty.model import duty_rules
from chengnao.supervision.escalation import escalate
from chengnao.supervision.letters import routes as letter_routes
from tests.support.loop import CITY, START, WANZHOU, WATER, YUZHONG, YUZHONG_STREETS, make_city, person

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
LEADER, DISTRICT_LEADER = person(Role.DUTY_OFFICER), person(Role.DUTY_OFFICER, YUZHONG)
ELSEWHERE = person(Role.DUTY_OFFICER, WANZHOU)
DESK = person(Role.DISPATCHER, YUZHONG)
WORKER = person(Role.HANDLER, CITY, WATER, name="水务值班员")
STREETS = person(Role.HANDLER, YUZHONG, YUZHONG_STREETS)
VERIFIER = person(Role.VERIFIER)
STEWARD = person(Role.STEWARD)
OPERATOR = person(Role.OPERATOR)
PEOPLE = {
    each.id: each for each in (LEADER, DISTRICT_LEADER, ELSEWHERE, DESK, WORKER, STREETS, VERIFIER, STEWARD, OPERATOR)
}
HOUR = timedelta(hours=1)
_ALL = PageRequest(1, 200)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


@pytest.fixture
async def api(settings: Settings, city: Database, bus: Bus) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.context = Context(settings, city.clock, city, bus, AUTHORITY)
    install_error_handlers(app)
    for routes in (incident_routes, limit_routes, duty_routes, letter_routes):
        app.include_router(routes.router)

    async def asking(request: Request) -> Principal:
        return PEOPLE[request.headers["x-person"]]

    app.dependency_overrides[_principal] = asking
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def opened(
    city: Database,
    *,
    grade: int = 3,
    category: str = "water_pressure",
    place: Place | None = None,
    by: Principal = DESK,
    title: str = "爆管",
) -> Incident:
    async with city.unit_of_work() as uow:
        opening = Opening(Source.MANUAL, title, category, YUZHONG, grade=grade, place=place)
        incident = await service.open_incident(uow, by, opening)
        await uow.commit()
    return incident


async def act(city: Database, who: Principal, incident: Incident, action: Action, **given: Any) -> Incident:
    async with city.unit_of_work() as uow:
        now = await service.require_incident(uow, Scope(), incident.id)
        after = await service.act(uow, AUTHORITY, who, incident.id, Move(action, now.version, **given))
        await uow.commit()
    return after


async def escalated(city: Database, clock: FixedClock, incident: Incident, *levels: int) -> None:
    assert incident.due_at is not None
    for level in levels:
        clock.at = incident.due_at + (incident.due_at - incident.entered_at) * (level - 1) / 2
        async with city.unit_of_work() as uow:
            await escalate(uow, incident.id, incident.entry, level)
            await uow.commit()


async def get(api: httpx.AsyncClient, who: Principal, path: str, **params: Any) -> Any:
    answer = await api.get(path, params=params, headers={"x-person": who.id})
    assert answer.status_code == 200, answer.text
    return answer.json() if path != "/print/weekly-letter" else answer.text


async def listed(api: httpx.AsyncClient, who: Principal, **params: Any) -> dict[str, list[str]]:
    """The reasons of each case on somebody's list."""
    found = await get(api, who, "/supervision/duty-list", **params)
    for item in found["items"]:
        for reason in item["reasons"]:
            assert "{" not in reason["why"] + reason["do"]
    return {item["incident"]["id"]: [each["code"] for each in item["reasons"]] for item in found["items"]}


async def test_what_goes_well_is_not_on_the_list(city: Database, api: httpx.AsyncClient) -> None:
    await opened(city)
    found = await get(api, LEADER, "/supervision/duty-list")
    assert (found["items"], found["total"]) == ([], 0)
    assert {each["code"]: each["count"] for each in found["counts"]} == dict.fromkeys(duty_rules().reasons, 0)


async def test_grave_and_urged_in_vain(city: Database, api: httpx.AsyncClient, clock: FixedClock) -> None:
    grave = await opened(city, grade=1)
    late = await opened(city, grade=4)
    assert await listed(api, LEADER) == {grave.id: ["grave"]}
    await escalated(city, clock, late, 1)
    assert (await listed(api, LEADER)).get(late.id) is None
    await escalated(city, clock, late, 2)
    assert (await listed(api, LEADER))[late.id] == ["overdue"]
    item = (await get(api, LEADER, "/supervision/duty-list", reason="overdue"))["items"][0]
    [reason] = item["reasons"]
    assert "待签收已超时" in reason["why"]
    assert "市水务集团" in reason["do"]
    # It goes on: what was late before is none of today's.
    await act(city, WORKER, late, Action.ACCEPT)
    assert late.id not in await listed(api, LEADER)


async def test_the_whole_case_overdue(city: Database, api: httpx.AsyncClient, clock: FixedClock) -> None:
    incident = await opened(city)
    assert incident.close_by is not None
    clock.at = incident.close_by
    assert "whole" not in (await listed(api, LEADER)).get(incident.id, [])
    clock.advance(60)
    assert (await listed(api, LEADER))[incident.id] == ["whole"]


async def test_returned_disputed_settled(city: Database, api: httpx.AsyncClient) -> None:
    incident = await opened(city)
    await act(city, WORKER, incident, Action.RETURN, reason="不归我管", reason_code="duty")
    assert await listed(api, LEADER) == {}
    await act(city, DESK, incident, Action.DISPATCH, unit_id=YUZHONG_STREETS)
    disputed = await act(city, STREETS, incident, Action.RETURN, reason="也不归我管", reason_code="ownership")
    assert disputed.state is State.DISPUTED
    # The tier above the desk settles: it is the city's leader's, not the district's.
    assert await listed(api, LEADER) == {incident.id: ["dispute", "returned"]}
    assert await listed(api, DISTRICT_LEADER) == {incident.id: ["returned"]}
    assert await listed(api, ELSEWHERE) == {}
    await act(city, LEADER, incident, Action.SETTLE, unit_id=WATER, reason="管网归水务")
    assert await listed(api, LEADER) == {}


async def test_a_request_waits_for_its_decider(city: Database, api: httpx.AsyncClient, clock: FixedClock) -> None:
    incident = await act(city, WORKER, await opened(city), Action.ACCEPT)
    assert incident.due_at is not None
    async with city.unit_of_work() as uow:
        until = incident.due_at + HOUR
        request = await requests.ask(uow, AUTHORITY, WORKER, incident.id, Kind.EXTENSION, until, "等配件")
        await uow.commit()
    assert await listed(api, DISTRICT_LEADER) == {incident.id: ["request"]}
    [item] = (await get(api, DISTRICT_LEADER, "/supervision/duty-list"))["items"]
    assert item["request_id"] == request.id
    assert "等配件" in item["reasons"][0]["why"]
    # The district decides; only when it does not, the city hears of it.
    assert await listed(api, LEADER) == {}
    clock.at = request.decide_by + timedelta(seconds=1)
    assert await listed(api, LEADER) == {incident.id: ["request"]}


async def closed(city: Database, incident: Incident) -> Incident:
    await act(city, WORKER, incident, Action.ACCEPT)
    await act(city, WORKER, incident, Action.HANDLE, result="已修复")
    await act(city, VERIFIER, incident, Action.VERIFY, result="现场已看")
    return await act(city, LEADER, incident, Action.CLOSE)


async def test_reopened(city: Database, api: httpx.AsyncClient) -> None:
    incident = await closed(city, await opened(city))
    assert await listed(api, LEADER) == {}
    await act(city, LEADER, incident, Action.REOPEN, reason="又漏了")
    assert await listed(api, LEADER) == {incident.id: ["reopened"]}


async def test_repeated_within_300_metres_and_30_days(
    city: Database, api: httpx.AsyncClient, clock: FixedClock
) -> None:
    here = Place(106.5700, 29.5600)
    first = await closed(city, await opened(city, place=here))
    second = await opened(city, place=Place(106.5700, 29.5624))  # 267 m north
    await opened(city, place=Place(106.5734, 29.5600))  # 329 m east of the first
    await opened(city, place=here, category="noise")
    await opened(city)  # nobody knows where
    assert await listed(api, LEADER) == {}
    third = await opened(city, place=Place(106.5710, 29.5612))
    # The third has all of its category near it; the one to the east has only the third.
    assert await listed(api, LEADER) == {second.id: ["repeated"], third.id: ["repeated"]}
    assert first.id not in await listed(api, LEADER), "what is closed counts, but is not on the list"
    [why] = {
        item["reasons"][0]["why"]
        for item in (await get(api, LEADER, "/supervision/duty-list"))["items"]
        if item["incident"]["id"] == third.id
    }
    assert why == "300 米内 30 天里同类事件 4 件"
    assert await listed(api, ELSEWHERE) == {}
    clock.advance(31 * 86400)
    assert "repeated" not in [code for codes in (await listed(api, LEADER)).values() for code in codes]


async def test_the_list_is_paged_and_counted(city: Database, api: httpx.AsyncClient) -> None:
    for number in range(5):
        await opened(city, grade=1, title=f"第{number}件")
    pages = [await get(api, LEADER, "/supervision/duty-list", page=page, size=2) for page in (1, 2, 3)]
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert len({item["incident"]["id"] for page in pages for item in page["items"]}) == 5
    assert {page["total"] for page in pages} == {5}
    assert next(each["count"] for each in pages[0]["counts"] if each["code"] == "grave") == 5
    assert (await get(api, LEADER, "/supervision/duty-list", reason="dispute"))["total"] == 0
    answer = await api.get("/supervision/duty-list?reason=luck", headers={"x-person": LEADER.id})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value")


async def test_an_urge_wants_an_answer(city: Database, api: httpx.AsyncClient, clock: FixedClock) -> None:
    incident = await opened(city)  # grade 3: an answer within 4 working hours
    urged = await act(city, LEADER, incident, Action.URGE, reason="群众反映强烈")
    assert urged.urged == 1
    [urge] = (await get(api, LEADER, "/supervision/urges", waiting=True))["items"]
    assert (urge["by"], urge["reason"], urge["unit_name"]) == (LEADER.name, "群众反映强烈", "市水务集团")
    assert (urge["answered_at"], urge["late"]) == (None, False)
    # START is 10:00 in Chongqing: two hours before noon, two from 14:00 on.
    assert datetime.fromisoformat(urge["answer_by"]) == START + 6 * HOUR
    clock.advance(6 * 3600 + 60)
    [urge] = (await get(api, LEADER, "/supervision/urges"))["items"]
    assert urge["late"] is True
    await act(city, LEADER, incident, Action.NOTE, reason="等回复")
    assert (await get(api, LEADER, "/supervision/urges", waiting=True))["total"] == 1, "one cannot answer oneself"
    await act(city, WORKER, incident, Action.NOTE, reason="抢修队已在路上")
    assert (await get(api, LEADER, "/supervision/urges", waiting=True))["total"] == 0
    [urge] = (await get(api, LEADER, "/supervision/urges", waiting=False))["items"]
    assert (urge["answered_by"], urge["answer"], urge["late"]) == ("水务值班员", "备注：抢修队已在路上", True)
    assert (await get(api, ELSEWHERE, "/supervision/urges"))["total"] == 0


async def test_the_letter_of_a_week(city: Database, api: httpx.AsyncClient, clock: FixedClock) -> None:
    late = await opened(city, title="<b>爆管</b>")  # accepted late, handled late
    good = await closed(city, await opened(city, title="好办的"))
    await escalated(city, clock, late, 1)
    clock.advance(60)
    accepted = await act(city, WORKER, late, Action.ACCEPT)
    back = await opened(city, title="要退的")
    await act(city, WORKER, back, Action.RETURN, reason="地址不在管网范围", reason_code="territory")
    assert accepted.due_at is not None
    clock.at = accepted.due_at + HOUR
    again = await act(city, WORKER, late, Action.HANDLE, result="已修复")
    await act(city, VERIFIER, again, Action.REWORK, reason="还在漏")
    await act(city, LEADER, good, Action.REOPEN, reason="复发")
    clock.advance(1)
    now = await get(api, LEADER, "/print/weekly-letter", unit=WATER)
    clock.at = datetime.fromisoformat("2026-12-02T10:00+08:00")
    shown = await get(api, LEADER, "/print/weekly-letter", week="2026-W48", unit=WATER)
    for text in (now, shown):
        assert "&lt;b&gt;爆管" in text
        assert "<b>" not in text
        assert "市水务集团" in text
        for part in ("派发 3 件", "签收超时 1 件", "退单 1 件", "返工 1 件", "办结后重启 1 件", "被催办 1 件"):
            assert part in text, part
        assert "地址不在管网范围" in text
    assert "本周尚未结束" in now
    assert "本周尚未结束" not in shown
    # Reworked, its time for handling began anew, and is over since.
    assert "周末超期未结 1 件" in shown
    whole = await get(api, DISTRICT_LEADER, "/print/weekly-letter", week="2026-W48")
    assert "渝中区各有关单位" in whole
    assert late.number in whole
    assert late.number not in await get(api, ELSEWHERE, "/print/weekly-letter", week="2026-W48")
    assert late.number not in await get(api, LEADER, "/print/weekly-letter", week="2026-W47")
    streets = await get(api, LEADER, "/print/weekly-letter", week="2026-W48", unit=YUZHONG_STREETS)
    assert "没有派发" in streets
    for params, status, code in (
        ({"week": "2026-W60"}, 400, "invalid_value"),
        ({"week": "2027-W02"}, 400, "invalid_value"),
        ({"unit": "nobody"}, 404, "unit_unknown"),
    ):
        answer = await api.get("/print/weekly-letter", params=params, headers={"x-person": LEADER.id})
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_the_numbers_of_a_letter_are_those_of_the_tasks(
    city: Database, api: httpx.AsyncClient, clock: FixedClock
) -> None:
    """Each number stands once in the summary and is followed by that many cases."""
    for number in range(12):
        incident = await opened(city, grade=1 + number % 4)
        clock.advance(3600 * (number % 5))
        if number % 3:
            await act(city, WORKER, incident, Action.ACCEPT)
        if number % 3 == 2:
            await act(city, WORKER, incident, Action.HANDLE, result="好了")
    async with city.unit_of_work() as uow:
        page = await IncidentRepository(uow.session).unit_tasks(Scope(), WATER, True, _ALL)
        done = await IncidentRepository(uow.session).unit_tasks(Scope(), WATER, False, _ALL)
    tasks = [task for task, _ in [*page.items, *done.items]]
    now = clock.now()
    wanted = {
        "派发": len(tasks),
        "签收超时": sum((each.accepted_at or now) > each.accept_by for each in tasks),
        "办理超时": sum(each.handle_by is not None and (each.handled_at or now) > each.handle_by for each in tasks),
    }
    assert min(wanted.values()) > 0
    text = await get(api, LEADER, "/print/weekly-letter", unit=WATER)
    for name, number in wanted.items():
        assert f"<h3>{name} {number} 件" in text, (name, number)


async def test_limits_are_set_by_the_city(city: Database, api: httpx.AsyncClient) -> None:
    async def put(who: Principal, **body: Any) -> httpx.Response:
        return await api.put("/limits", json=body, headers={"x-person": who.id})

    rows = await get(api, LEADER, "/limits")
    assert len(rows) == 32
    row = next(each for each in rows if (each["grade"], each["step"]) == (4, "handle"))
    assert (row["amount"], row["amount_name"], row["own"], row["category"]) == ("3 wd", "3 个工作日", False, "*")
    wish = {"category": "*", "grade": 3, "step": "accept", "amount": "20 min"}
    for who, status in ((OPERATOR, 403), (DISTRICT_LEADER, 403), (DESK, 403), (LEADER, 200), (STEWARD, 200)):
        assert (await put(who, **wish)).status_code == status, who
    assert (await put(STEWARD, **wish | {"category": "water_pressure", "amount": "10 min"})).json()["own"] is True
    incident = await opened(city)
    assert incident.due_at is not None
    assert incident.due_at - incident.entered_at == timedelta(minutes=10)
    query = "/limits?category=water_pressure&grade=3&step=accept"
    assert (await api.delete(query, headers={"x-person": LEADER.id})).status_code == 204
    assert (await api.delete(query, headers={"x-person": LEADER.id})).status_code == 404
    incident = await opened(city)
    assert incident.due_at is not None
    assert incident.due_at - incident.entered_at == timedelta(minutes=20)
    for wrong, status, code in (
        ({"amount": "soon"}, 400, "invalid_value"),
        ({"amount": "3 weeks"}, 400, "invalid_value"),
        ({"category": "dragon"}, 400, "category_unknown"),
        ({"step": "dance"}, 422, "invalid_request"),
        ({"grade": 9}, 422, "invalid_request"),
    ):
        answer = await put(LEADER, **wish | wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
