"""The ways of an incident beside the straight one: tiers, disputes, joint handling, more time, answers, reopening."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chengnao.incident import joint, service
from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.dispatch.service import put_responsibility, suggest
from chengnao.incident.joint import AssistAction, Step
from chengnao.incident.model import Action, Incident, Source, State, Task
from chengnao.incident.moves import Move
from chengnao.incident.reports.desk import desk_at
from chengnao.incident.reports.model import Report
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import ReportIn, rate, read_contact, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.requests import service as requests
from chengnao.incident.requests.model import Kind, RequestState, TimeRequest
from chengnao.incident.service import Opening
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role, Scope, User
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError, Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.service import add_duty, put_unit
from chengnao.kernel.places import Place
from tests.support.loop import (
    CITY,
    DISPATCHER,
    DUTY_OFFICER,
    START,
    VERIFIER,
    WANZHOU,
    WATER,
    WORKER,
    YUZHONG,
    YUZHONG_STREETS,
    make_city,
    person,
)

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
LEAK = Opening(Source.MANUAL, "水管爆裂", "water_pressure", YUZHONG)
DISTRICT_DESK = person(Role.DISPATCHER, YUZHONG, name="渝中分拨员")
STREET_WORKER = person(Role.HANDLER, YUZHONG, YUZHONG_STREETS)
WRONG: dict[str, Any] = {"reason": "不是我们的", "reason_code": "duty"}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


async def opened(database: Database, opening: Opening = LEAK, actor: Principal = DISPATCHER) -> Incident:
    async with database.unit_of_work() as uow:
        incident = await service.open_incident(uow, actor, opening)
        await uow.commit()
        return incident


async def do(database: Database, actor: Principal, incident: Incident, action: str, **given: Any) -> Incident:
    async with database.unit_of_work() as uow:
        move = Move(Action(action), incident.version, **given)
        after = await service.act(uow, AUTHORITY, actor, incident.id, move)
        await uow.commit()
        return after


async def tasks(database: Database, incident: Incident) -> list[Task]:
    async with database.unit_of_work() as uow:
        return await IncidentRepository(uow.session).tasks_of(incident.id)


async def now_is(database: Database, incident: Incident) -> Incident:
    async with database.unit_of_work() as uow:
        return await service.require_incident(uow, Scope(), incident.id)


async def step(database: Database, actor: Principal, task: Task, action: str, **given: Any) -> Task:
    async with database.unit_of_work() as uow:
        after = await joint.act_on_task(uow, AUTHORITY, actor, task.id, Step(AssistAction(action), **given))
        await uow.commit()
        return after


# --- tiers and disputes ------------------------------------------------------------------------------------------


async def test_what_a_district_opens_its_own_desk_dispatches_and_hands_up_and_gets_back(city: Database) -> None:
    quiet = Opening(Source.MANUAL, "夜间噪声", "noise", "500103003")
    incident = await opened(city, quiet, DISTRICT_DESK)
    assert (incident.state, incident.desk_code) == (State.NEW, YUZHONG)
    incident = await do(city, DISTRICT_DESK, incident, "hand_up", reason="跨区问题")
    assert (incident.state, incident.desk_code, incident.entry) == (State.NEW, CITY, 2)
    with pytest.raises(Forbidden):
        await do(city, DISTRICT_DESK, incident, "dispatch", unit_id=YUZHONG_STREETS)
    with pytest.raises(Invalid, match=r"万州区"):
        await do(city, DISPATCHER, incident, "hand_down", division_code=WANZHOU)
    with pytest.raises(Conflict):
        await do(city, DISPATCHER, incident, "hand_up", reason="再上报")
    incident = await do(city, DISPATCHER, incident, "hand_down", division_code=YUZHONG)
    assert (incident.desk_code, incident.division_code) == (YUZHONG, "500103003")
    incident = await do(city, DISTRICT_DESK, incident, "dispatch", unit_id=YUZHONG_STREETS)
    assert incident.state is State.DISPATCHED


async def test_a_matter_of_the_whole_city_becomes_the_districts_when_it_is_handed_down(city: Database) -> None:
    incident = await opened(city, Opening(Source.MANUAL, "不知在何处", "noise", CITY))
    with pytest.raises(NotFound):
        await do(city, DISTRICT_DESK, incident, "note", reason="看不到")
    incident = await do(city, DISPATCHER, incident, "hand_down", division_code=YUZHONG)
    assert (incident.desk_code, incident.division_code) == (YUZHONG, YUZHONG)
    assert (await do(city, DISTRICT_DESK, incident, "note", reason="已收到")).version == incident.version + 1


async def test_what_is_returned_twice_is_settled_above_and_then_binding(city: Database) -> None:
    incident = await opened(city, LEAK, DISTRICT_DESK)
    incident = await do(city, WORKER, incident, "return", **WRONG)
    assert (incident.state, incident.returns) == (State.RETURNED, 1)
    incident = await do(city, DISTRICT_DESK, incident, "dispatch", unit_id=YUZHONG_STREETS)
    incident = await do(city, STREET_WORKER, incident, "return", **WRONG)
    assert (incident.state, incident.returns) == (State.DISPUTED, 2)
    with pytest.raises(Forbidden):
        await do(city, DISTRICT_DESK, incident, "settle", unit_id=WATER, reason="还是你们")
    incident = await do(city, DISPATCHER, incident, "settle", unit_id=WATER, reason="管网属水务集团")
    assert (incident.state, incident.unit_id, incident.binding) == (State.DISPATCHED, WATER, True)
    with pytest.raises(Conflict, match="裁定"):
        await do(city, WORKER, incident, "return", **WRONG)
    assert (await do(city, WORKER, incident, "accept")).state is State.ACCEPTED


async def test_a_return_needs_a_reason_of_the_list(city: Database) -> None:
    incident = await opened(city)
    for code, field in ((None, "reason_code"), ("because", "reason_code")):
        with pytest.raises(Invalid) as error:
            await do(city, WORKER, incident, "return", reason="x", reason_code=code)
        assert error.value.params["field"] == field


async def test_another_category_goes_to_another_unit_at_once(city: Database) -> None:
    async with city.unit_of_work() as uow:
        await put_responsibility(uow, Responsibility(YUZHONG, "noise", YUZHONG_STREETS))
        await uow.commit()
    incident = await opened(city)
    [first] = await tasks(city, incident)
    with pytest.raises(Invalid):
        await do(city, DISPATCHER, incident, "recategorise", category="water_pressure", reason="同类")
    incident = await do(city, DISPATCHER, incident, "recategorise", category="noise", reason="实为噪声")
    assert (incident.category, incident.unit_id, incident.state) == ("noise", YUZHONG_STREETS, State.DISPATCHED)
    withdrawn, second = await tasks(city, incident)
    assert (withdrawn.id, withdrawn.withdrawn_at, second.open) == (first.id, START, True)


# --- joint handling ----------------------------------------------------------------------------------------------


async def test_the_lead_finishes_after_those_who_assist(city: Database) -> None:
    incident = await opened(city, Opening(Source.MANUAL, "路面塌陷", "noise", YUZHONG))
    with pytest.raises(Invalid, match="协办"):
        await do(city, DISPATCHER, incident, "dispatch", unit_id=WATER, assist_unit_ids=[WATER])
    incident = await do(city, DISPATCHER, incident, "dispatch", unit_id=WATER, assist_unit_ids=[YUZHONG_STREETS])
    lead, assist = await tasks(city, incident)
    incident = await do(city, WORKER, incident, "accept")
    with pytest.raises(Conflict, match="渝中区城管局"):
        await do(city, WORKER, incident, "handle", result="已修")
    with pytest.raises(NotFound):  # the task in the lead moves with the incident alone
        await step(city, WORKER, lead, "accept")
    with pytest.raises(Forbidden):
        await step(city, DISPATCHER, assist, "accept")
    with pytest.raises(Conflict):
        await step(city, STREET_WORKER, assist, "handle", result="太早")
    accepted = await step(city, STREET_WORKER, assist, "accept")
    assert accepted.assignee_name == STREET_WORKER.name
    await step(city, STREET_WORKER, assist, "handle", result="已围挡")
    incident = await do(city, WORKER, await now_is(city, incident), "handle", result="已修")
    assert incident.state is State.HANDLED
    async with city.unit_of_work() as uow:  # who assists sees the incident, others of the handlers do not
        seen = await service.require_incident(uow, Scope.of(STREET_WORKER), incident.id)
        assert seen.id == incident.id
        with pytest.raises(NotFound):
            await service.require_incident(uow, Scope.of(person(Role.HANDLER, YUZHONG, "gas")), incident.id)


async def test_the_desk_withdraws_a_unit_that_is_not_needed(city: Database) -> None:
    incident = await opened(city, Opening(Source.MANUAL, "路面塌陷", "noise", YUZHONG))
    incident = await do(city, DISPATCHER, incident, "dispatch", unit_id=WATER, assist_unit_ids=[YUZHONG_STREETS])
    _, assist = await tasks(city, incident)
    incident = await do(city, WORKER, incident, "accept")
    with pytest.raises(Invalid) as error:
        await step(city, DISPATCHER, assist, "withdraw")
    assert error.value.params["field"] == "reason"
    await step(city, DISPATCHER, assist, "withdraw", reason="不需要围挡")
    with pytest.raises(NotFound):  # it does not see the incident any more
        await step(city, STREET_WORKER, assist, "accept")
    assert (await do(city, WORKER, await now_is(city, incident), "handle", result="已修")).state is State.HANDLED


# --- more time ---------------------------------------------------------------------------------------------------


async def ask(database: Database, incident: Incident, kind: Kind, hours: float, who: Principal = WORKER) -> TimeRequest:
    async with database.unit_of_work() as uow:
        until = uow.clock.now() + timedelta(hours=hours)
        made = await requests.ask(uow, AUTHORITY, who, incident.id, kind, until, "等待配件")
        await uow.commit()
        return made


async def decide(database: Database, request: TimeRequest, grant: bool, who: Principal = DISPATCHER) -> TimeRequest:
    async with database.unit_of_work() as uow:
        made = await requests.decide(uow, AUTHORITY, who, request.id, grant=grant, reason="情况属实")
        await uow.commit()
        return made


async def in_work(database: Database) -> Incident:
    return await do(database, WORKER, await opened(database, LEAK, DISTRICT_DESK), "accept")


async def test_an_extension_moves_the_deadlines_and_a_second_one_is_decided_above(city: Database) -> None:
    incident = await in_work(city)
    with pytest.raises(Invalid, match="更晚"):
        await ask(city, incident, Kind.EXTENSION, 23)
    request = await ask(city, incident, Kind.EXTENSION, 48)
    with pytest.raises(Conflict):
        await ask(city, incident, Kind.EXTENSION, 72)
    assert request.decider_code == YUZHONG
    decided = await decide(city, request, True, DISTRICT_DESK)
    assert decided.state is RequestState.GRANTED
    after = await now_is(city, incident)
    assert after.due_at == after.handle_by == START + timedelta(hours=48)
    assert after.close_by is not None
    assert incident.close_by is not None
    assert after.close_by - incident.close_by == timedelta(hours=24)
    assert after.entry > incident.entry  # a new stay, with a deadline that is watched anew
    assert (await tasks(city, incident))[0].handle_by == after.handle_by
    again = await ask(city, incident, Kind.EXTENSION, 96)
    assert again.decider_code == CITY
    with pytest.raises(Forbidden):
        await decide(city, again, True, DISTRICT_DESK)
    with pytest.raises(Conflict):
        await decide(city, request, True)
    assert (await decide(city, again, False)).state is RequestState.REFUSED
    assert (await now_is(city, incident)).due_at == after.due_at


async def test_a_suspension_keeps_the_time_that_was_left(city: Database, clock: FixedClock) -> None:
    incident = await in_work(city)  # 24 hours on the natural clock
    clock.advance(4 * 3600)
    request = await ask(city, incident, Kind.SUSPENSION, 72)
    await decide(city, request, True)
    waiting = await now_is(city, incident)
    assert (waiting.state, waiting.due_at, waiting.left_seconds) == (State.SUSPENDED, request.until, 20 * 3600)
    assert (await tasks(city, incident))[0].state is State.SUSPENDED
    clock.advance(10 * 3600)
    on = await do(city, WORKER, waiting, "resume")
    assert (on.state, on.due_at, on.left_seconds) == (State.ACCEPTED, clock.now() + timedelta(hours=20), None)
    assert on.close_by is not None
    assert incident.close_by is not None
    assert on.close_by - incident.close_by == timedelta(hours=10)


async def test_a_request_lapses_when_the_incident_has_gone_on(city: Database) -> None:
    incident = await in_work(city)
    request = await ask(city, incident, Kind.EXTENSION, 48)
    await do(city, WORKER, await now_is(city, incident), "handle", result="修好了")
    assert (await decide(city, request, True)).state is RequestState.LAPSED
    assert (await now_is(city, incident)).state is State.HANDLED


@pytest.mark.parametrize("who", [DISPATCHER, person(Role.HANDLER, CITY, "gas"), VERIFIER], ids=lambda who: str(who.id))
async def test_only_the_unit_that_handles_asks_for_time(city: Database, who: Principal) -> None:
    incident = await in_work(city)
    with pytest.raises((Forbidden, NotFound)):
        await ask(city, incident, Kind.EXTENSION, 48, who)


# --- reports and answers -----------------------------------------------------------------------------------------


async def report(database: Database, home: Path, content: str = "水管爆了", **given: Any) -> tuple[Report, Incident]:
    async with database.unit_of_work() as uow:
        values: dict[str, Any] = {"place": Place(106.5707, 29.5628), "category": "water_pressure", **given}
        taken = await take_report(uow, desk_at(home), DISPATCHER, ReportIn(content, **values))
        await uow.commit()
        return taken.report, taken.incident


async def reports_of(database: Database, incident: Incident) -> Sequence[Report]:
    async with database.unit_of_work() as uow:
        return await ReportRepository(uow.session).of_incident(incident.id)


async def finish(database: Database, incident: Incident) -> Incident:
    incident = await do(database, WORKER, incident, "accept")
    incident = await do(database, WORKER, incident, "handle", result="更换管段，已通水")
    incident = await do(database, VERIFIER, incident, "verify", result="现场核实")
    return await do(database, DUTY_OFFICER, incident, "close")


async def test_whoever_reported_is_answered_and_reopens_what_is_not_solved_once(
    city: Database, tmp_path: Path, clock: FixedClock
) -> None:
    made, incident = await report(city, tmp_path)
    async with city.unit_of_work() as uow:
        with pytest.raises(Conflict):
            await rate(uow, made, solved=True, satisfaction=5, comment="")
    for number, expected in ((1, State.NEW), (2, State.CLOSED)):
        if number == 2:
            incident = await do(city, DISPATCHER, incident, "dispatch", unit_id=WATER)
        incident = await finish(city, incident)
        [answered] = await reports_of(city, incident)
        assert (answered.answer, answered.answered_at) == ("更换管段，已通水", clock.now())
        async with city.unit_of_work() as uow:
            await rate(uow, answered, solved=False, satisfaction=1, comment="还在漏，电话13812345678")
            await uow.commit()
        incident = await now_is(city, incident)
        assert (incident.state, incident.reopened) == (expected, 1)
    [rated] = await reports_of(city, incident)
    assert rated.satisfaction == 1
    assert rated.comment is not None
    assert "13812345678" not in rated.comment


async def test_a_late_complaint_does_not_reopen_by_itself(city: Database, tmp_path: Path, clock: FixedClock) -> None:
    _, incident = await report(city, tmp_path)
    incident = await finish(city, incident)
    clock.advance(31 * 86400)
    [answered] = await reports_of(city, incident)
    async with city.unit_of_work() as uow:
        assert await rate(uow, answered, solved=False, satisfaction=2, comment="又漏了") is None
        await uow.commit()
    incident = await now_is(city, incident)
    assert incident.state is State.CLOSED
    assert (await do(city, DUTY_OFFICER, incident, "reopen", reason="诉求人反映复发")).state is State.NEW


async def test_a_question_is_answered_at_intake_and_counted_apart(city: Database, tmp_path: Path) -> None:
    _, incident = await report(city, tmp_path, "水费怎么交？", category="other")
    incident = await do(city, DISPATCHER, incident, "answer", result="可在营业厅缴纳")
    assert (incident.state, incident.closed_at_intake) == (State.CLOSED, True)
    [answered] = await reports_of(city, incident)
    assert answered.answer == "可在营业厅缴纳"


async def test_who_reported_is_sealed_and_its_reading_is_on_record(city: Database, tmp_path: Path) -> None:
    words = "我叫张伟，住在民权路28号，电话13812345678，水管爆了"
    made, incident = await report(city, tmp_path, words, reporter_name="张伟", reporter_phone="13812345678")
    for text in (made.content, incident.description, incident.title):
        assert "13812345678" not in text
        assert "张伟" not in text
    async with city.unit_of_work() as uow:
        contact = await read_contact(uow, desk_at(tmp_path).vault, DISPATCHER, made, "回访")
        await uow.commit()
        assert (contact.name, contact.phone, contact.content) == ("张伟", "13812345678", words)
        sealed = await ReportRepository(uow.session).contact(made.id)
    assert sealed is not None
    assert b"138" not in sealed


async def test_nobody_verifies_the_own_work(city: Database) -> None:
    both = Principal("both", "身兼二职", "user", frozenset({Role.HANDLER, Role.VERIFIER}), CITY, WATER)
    incident = await do(city, both, await opened(city), "accept")
    incident = await do(city, both, incident, "handle", result="修好了")
    with pytest.raises(Conflict, match="另一人"):
        await do(city, both, incident, "verify", result="我看没问题")
    with pytest.raises(Invalid) as error:
        await do(city, VERIFIER, incident, "verify")
    assert error.value.params["field"] == "result"
    assert (await do(city, VERIFIER, incident, "verify", result="已看")).state is State.VERIFIED


# --- the unit that is chosen -------------------------------------------------------------------------------------


async def test_a_full_unit_and_an_empty_roster_give_way_to_the_deputy(city: Database, clock: FixedClock) -> None:
    async with city.unit_of_work() as uow:
        await put_unit(uow, Unit(WATER, "市水务集团", CITY, capacity=1))
        await put_responsibility(uow, Responsibility(YUZHONG, "water_pressure", WATER, YUZHONG_STREETS))
        await uow.commit()
    assert (await opened(city)).unit_id == WATER
    second = await opened(city)
    assert second.unit_id == YUZHONG_STREETS
    async with city.unit_of_work() as uow:
        entry = (await IncidentRepository(uow.session).timeline_of(second.id))[-1]
        assert "已满" in "".join(entry.data["routing"])
        await put_unit(uow, Unit(WATER, "市水务集团", CITY))
        user = User(new_id(), "zhang", "张三", frozenset({Role.HANDLER}), CITY, WATER)
        await AccessRepository(uow.session).add_user(user, "none")
        await add_duty(uow, WATER, user.id, START + timedelta(hours=1), START + timedelta(hours=9))
        await uow.commit()
    assert (await opened(city)).unit_id == YUZHONG_STREETS  # it keeps a roster and nobody is on duty
    clock.advance(2 * 3600)
    async with city.unit_of_work() as uow:
        choice = await suggest(uow, YUZHONG, "water_pressure")
    assert choice is not None
    assert (choice.unit_id, list(choice.on_duty)) == (WATER, ["张三"])


async def test_many_at_once_lose_and_double_nothing(city: Database) -> None:
    made = await asyncio.gather(*(opened(city) for _ in range(12)))
    assert len({incident.number for incident in made}) == 12

    async def accept(incident: Incident) -> Incident | ChengnaoError:
        try:
            return await do(city, WORKER, incident, "accept")
        except ChengnaoError as error:
            return error

    outcomes = await asyncio.gather(*(accept(incident) for incident in made for _ in range(3)))
    assert sum(isinstance(outcome, Incident) for outcome in outcomes) == 12
