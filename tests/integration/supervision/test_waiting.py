"""What waits for a decision or for a day does not wait for ever: suspensions end, requests and disputes escalate."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chengnao.incident import service
from chengnao.incident.model import Action, Incident, Source, State, TimelineEntry
from chengnao.incident.moves import Move
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.requests import service as requests
from chengnao.incident.requests.model import Kind, RequestState, TimeRequest
from chengnao.incident.requests.repository import RequestRepository
from chengnao.incident.service import Opening
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.clock import FixedClock, SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Forbidden
from chengnao.supervision.deadlines import Deadlines
from chengnao.supervision.escalation import escalate, escalate_request
from chengnao.supervision.handlers import Handlers
from tests.support.loop import CITY, START, WATER, YUZHONG, make_city, person

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
DESK = person(Role.DISPATCHER, YUZHONG)
CITY_DESK = person(Role.DISPATCHER, CITY)
WORKER = person(Role.HANDLER, CITY, WATER)
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


async def opened(city: Database) -> Incident:
    """An incident of Yuzhong's desk that the water works have accepted."""
    async with city.unit_of_work() as uow:
        opening = Opening(Source.MANUAL, "爆管", "water_pressure", YUZHONG)
        incident = await service.open_incident(uow, DESK, opening)
        incident = await service.act(uow, AUTHORITY, WORKER, incident.id, Move(Action.ACCEPT, incident.version))
        await uow.commit()
    return incident


async def act(city: Database, who: Principal, incident: Incident, action: Action, **given: Any) -> Incident:
    async with city.unit_of_work() as uow:
        now = await service.require_incident(uow, Scope(), incident.id)
        after = await service.act(uow, AUTHORITY, who, incident.id, Move(action, now.version, **given))
        await uow.commit()
    return after


async def ask(city: Database, incident: Incident, kind: Kind, until: datetime) -> TimeRequest:
    async with city.unit_of_work() as uow:
        request = await requests.ask(uow, AUTHORITY, WORKER, incident.id, kind, until, "等配件")
        await uow.commit()
    return request


async def decide(city: Database, request: TimeRequest, who: Principal = DESK, grant: bool = True) -> TimeRequest:
    async with city.unit_of_work() as uow:
        decided = await requests.decide(uow, AUTHORITY, who, request.id, grant=grant, reason="情况属实")
        await uow.commit()
    return decided


async def look(city: Database, incident: Incident, level: int = 1) -> datetime | str | None:
    """What a look says: `over`, or when to look again."""
    async with city.unit_of_work() as uow:
        verdict = await escalate(uow, incident.id, incident.entry, level)
        await uow.commit()
    return "over" if verdict.over else verdict.wait_until


async def look_at_request(city: Database, request: TimeRequest, level: int) -> datetime | str | None:
    async with city.unit_of_work() as uow:
        verdict = await escalate_request(uow, request.id, level)
        await uow.commit()
    return "over" if verdict.over else verdict.wait_until


async def state_of(city: Database, incident: Incident) -> Incident:
    async with city.unit_of_work() as uow:
        return await service.require_incident(uow, Scope(), incident.id)


async def told(city: Database, incident: Incident) -> list[TimelineEntry]:
    """What the platform itself said of the incident, the opening and the dispatch apart."""
    async with city.unit_of_work() as uow:
        timeline = await IncidentRepository(uow.session).timeline_of(incident.id)
    return [each for each in timeline if each.actor.kind == "system" and each.action not in ("open", "dispatch")]


async def request_now(city: Database, request: TimeRequest) -> TimeRequest:
    async with city.unit_of_work() as uow:
        found = await RequestRepository(uow.session).get(Scope(), request.id)
    assert found is not None
    return found


async def test_a_suspension_ends_by_itself_with_the_time_that_was_left(city: Database, clock: FixedClock) -> None:
    incident = await opened(city)
    assert incident.due_at is not None
    left = incident.due_at - clock.now() - HOUR
    clock.advance(3600)
    await decide(city, await ask(city, incident, Kind.SUSPENSION, clock.now() + 48 * HOUR))
    suspended = await state_of(city, incident)
    assert suspended.state is State.SUSPENDED
    until = suspended.due_at
    assert until is not None
    clock.advance(47 * 3600)
    assert await look(city, suspended) == until
    assert (await state_of(city, incident)).state is State.SUSPENDED
    clock.advance(3600)
    for _ in range(2):
        assert await look(city, suspended) == "over"
    resumed = await state_of(city, incident)
    assert resumed.state is State.ACCEPTED
    assert resumed.due_at is not None
    assert abs(resumed.due_at - clock.now() - left) < timedelta(seconds=1)
    assert [each.action for each in await told(city, incident)] == ["resume"]
    # The new stay has a deadline of its own, which escalates as any other.
    clock.advance(left.total_seconds() + 1)
    assert await look(city, resumed) is None
    assert (await state_of(city, incident)).escalation == 1


async def test_an_undecided_request_goes_to_the_tier_above(city: Database, clock: FixedClock) -> None:
    incident = await opened(city)
    assert incident.due_at is not None
    request = await ask(city, incident, Kind.EXTENSION, incident.due_at + HOUR)
    assert request.decider_code == YUZHONG
    assert await look_at_request(city, request, 1) == request.decide_by
    clock.at = request.decide_by
    for _ in range(2):
        assert await look_at_request(city, request, 1) is None
    assert (await request_now(city, request)).decider_code == YUZHONG
    second = request.decide_by + (request.decide_by - request.asked_at) / 2
    assert await look_at_request(city, request, 2) == second
    clock.at = second
    for _ in range(2):
        assert await look_at_request(city, request, 2) is None
    assert (await request_now(city, request)).decider_code == CITY
    notes = await told(city, incident)
    assert [each.data["told_division"] for each in notes] == [YUZHONG, CITY]
    assert "重庆市" in notes[1].reason
    # The desk has lost it: only the city decides now.
    with pytest.raises(Forbidden):
        await decide(city, request, DESK)
    assert (await decide(city, request, CITY_DESK)).state is RequestState.GRANTED
    assert await look_at_request(city, request, 2) == "over"


async def test_a_decided_request_is_left_alone(city: Database, clock: FixedClock) -> None:
    incident = await opened(city)
    assert incident.due_at is not None
    request = await ask(city, incident, Kind.EXTENSION, incident.due_at + HOUR)
    await decide(city, request, grant=False)
    clock.at = request.decide_by + HOUR
    assert await look_at_request(city, request, 1) == "over"
    assert await told(city, incident) == []


async def test_a_request_whose_incident_has_gone_on_lapses(city: Database, clock: FixedClock) -> None:
    incident = await opened(city)
    assert incident.due_at is not None
    request = await ask(city, incident, Kind.EXTENSION, incident.due_at + HOUR)
    await act(city, WORKER, incident, Action.HANDLE, result="已修复")
    clock.at = request.decide_by
    assert await look_at_request(city, request, 1) == "over"
    assert (await request_now(city, request)).state is RequestState.LAPSED


async def test_a_dispute_nobody_settles_is_urged_above_the_desk(city: Database, clock: FixedClock) -> None:
    incident = await opened(city)
    incident = await act(city, WORKER, incident, Action.RETURN, reason="非本单位管理", reason_code="duty")
    incident = await act(city, DESK, incident, Action.DISPUTE, reason="两家推诿")
    assert incident.state is State.DISPUTED
    due = incident.due_at
    assert due is not None
    assert await look(city, incident) == due
    clock.at = due
    assert await look(city, incident) is None
    clock.at = due + (due - incident.entered_at)
    assert await look(city, incident, level=2) is None
    urges = [each for each in await told(city, incident) if each.action == "urge"]
    assert [(each.data["escalation"], each.data["told_division"]) for each in urges] == [(1, CITY), (2, CITY)]


class TestForReal:
    """The same with the workflows that do it, in real time."""

    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()

    @pytest.fixture
    async def deadlines(self, city: Database) -> AsyncIterator[Deadlines]:
        running = Deadlines(city, SystemClock())
        await running.launch()
        yield running
        await running.close()

    async def test_what_was_told_of_a_request_watches_it(self, city: Database, deadlines: Deadlines) -> None:
        incident = await opened(city)
        assert incident.due_at is not None
        request = await ask(city, incident, Kind.EXTENSION, incident.due_at + HOUR)
        await self.due_in(city, request, 1.0)
        async with city.unit_of_work() as uow:
            told_of = (await uow.session.scalars(text("SELECT envelope FROM outbox ORDER BY sequence"))).all()
        handlers = Handlers(city, deadlines)
        for document in [*told_of, *told_of]:
            await handlers.handle(document)
        await self.decided_by(city, request, CITY)

    async def test_what_nobody_watches_is_found(self, city: Database, deadlines: Deadlines) -> None:
        incident = await opened(city)
        assert incident.due_at is not None
        request = await ask(city, incident, Kind.EXTENSION, incident.due_at + HOUR)
        await self.due_in(city, request, 1.0)
        assert await deadlines.watch_all() == 2
        assert await deadlines.watch_all() == 0
        await self.decided_by(city, request, CITY)

    async def test_a_deadline_that_failed_is_watched_anew(
        self, city: Database, deadlines: Deadlines, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        incident = await opened(city)

        async def broken(*_: object) -> float:
            raise ValueError("a fault of this release")

        with monkeypatch.context() as patch:
            patch.setattr(deadlines, "_look", broken)
            assert await deadlines.watch_all() == 1
            for _ in range(100):
                async with city.unit_of_work() as uow:
                    if await uow.session.scalar(text("SELECT status FROM dbos.workflow_status")) == "ERROR":
                        break
                await asyncio.sleep(0.1)
        async with city.unit_of_work() as uow:
            now = datetime.now(UTC)
            late = replace(incident, entered_at=now - timedelta(seconds=2), due_at=now)
            await IncidentRepository(uow.session).save(late)
            await uow.commit()
        assert await deadlines.watch_all() == 1
        for _ in range(100):
            if (await state_of(city, incident)).escalation == 2:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the deadline is stranded")

    async def due_in(self, city: Database, request: TimeRequest, seconds: float) -> None:
        due = datetime.now(UTC) + timedelta(seconds=seconds)
        sooner = replace(request, asked_at=due - timedelta(seconds=2), decide_by=due)
        async with city.unit_of_work() as uow:
            await RequestRepository(uow.session).save(sooner)
            await uow.commit()

    async def decided_by(self, city: Database, request: TimeRequest, division: str) -> None:
        for _ in range(150):
            if (await request_now(city, request)).decider_code == division:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the request did not go up")
