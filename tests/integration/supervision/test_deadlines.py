"""Deadlines as durable workflows: they urge once, outlast the database, and a stale one ends silently."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from chengnao.app.engines.postgres import STOP_SIGNAL, Postgres
from chengnao.app.spec import Spec
from chengnao.incident import service
from chengnao.incident.model import Action, Incident, Source
from chengnao.incident.moves import Move
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import Opening
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings
from chengnao.supervision.deadlines import Deadlines
from chengnao.supervision.escalation import escalate
from tests.support.loop import DISPATCHER, WORKER, YUZHONG, make_city
from tests.support.stack import Stack

pytestmark = pytest.mark.engines


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


@pytest.fixture
async def deadlines(city: Database) -> AsyncIterator[Deadlines]:
    running = Deadlines(city, SystemClock())
    await running.launch()
    yield running
    await running.close()


async def late_at(database: Database, seconds: float, limit: float = 2.0) -> Incident:
    """An incident that waits to be accepted, since so long that it is late in `seconds`."""
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    async with database.unit_of_work() as uow:
        incident = await service.open_incident(
            uow, DISPATCHER, Opening(Source.MANUAL, "爆管", "water_pressure", YUZHONG)
        )
        incident = replace(incident, entered_at=due - timedelta(seconds=limit), due_at=due)
        await IncidentRepository(uow.session).save(incident)
        await uow.commit()
    return incident


async def urges(database: Database, incident: Incident) -> list[tuple[int, str, str]]:
    """(escalation, who, which division was told) of the urges in the timeline."""
    async with database.unit_of_work() as uow:
        entries = await IncidentRepository(uow.session).timeline_of(incident.id)
    return [
        (entry.data["escalation"], entry.actor.kind, entry.data["told_division"])
        for entry in entries
        if entry.action == "urge"
    ]


async def reached(database: Database, incident: Incident, escalation: int, seconds: float = 30) -> Incident:
    for _ in range(int(seconds / 0.1)):
        async with database.unit_of_work() as uow:
            now = await service.require_incident(uow, Scope(), incident.id)
        if now.escalation >= escalation:
            return now
        await asyncio.sleep(0.1)
    raise AssertionError(f"escalation {escalation} is not reached after {seconds} s")


BOTH = [(1, "system", YUZHONG), (2, "system", "500000")]


async def test_a_late_step_is_urged_and_then_told_above(city: Database, deadlines: Deadlines) -> None:
    incident = await late_at(city, 1.0)
    for _ in range(3):
        await deadlines.watch(incident.id, incident.entry)
    after = await reached(city, incident, 1)
    assert after.version == incident.version + 1
    assert datetime.now(UTC) >= incident.due_at  # type: ignore[operator]
    await reached(city, incident, 2)
    await asyncio.sleep(0.5)
    assert await urges(city, incident) == BOTH


async def test_a_stay_that_has_ended_is_not_urged(city: Database, deadlines: Deadlines) -> None:
    incident = await late_at(city, 1.0)
    await deadlines.watch(incident.id, incident.entry)
    async with city.unit_of_work() as uow:
        await service.act(uow, Authority.load(), WORKER, incident.id, Move(Action.ACCEPT, incident.version))
        await uow.commit()
    await asyncio.sleep(2.5)
    assert await urges(city, incident) == []
    async with city.unit_of_work() as uow:
        status = await uow.session.scalar(text("SELECT status FROM dbos.workflow_status"))
    assert status == "SUCCESS"


async def test_ended_workflows_are_forgotten_and_sleeping_ones_kept(city: Database, deadlines: Deadlines) -> None:
    ended, sleeping = await late_at(city, -9.0), await late_at(city, 60.0)
    for incident in (ended, sleeping):
        await deadlines.watch(incident.id, incident.entry)
    await reached(city, ended, 2)
    await asyncio.sleep(0.5)
    assert await deadlines.forget(days=1) == 0
    assert await deadlines.forget(days=0) == 1
    async with city.unit_of_work() as uow:
        left = (await uow.session.scalars(text("SELECT workflow_uuid FROM dbos.workflow_status"))).all()
    assert left == [f"{sleeping.id}:{sleeping.entry}"]


async def test_escalating_twice_urges_once(city: Database) -> None:
    incident = await late_at(city, -1.0)
    for _ in range(2):
        async with city.unit_of_work() as uow:
            verdict = await escalate(uow, incident.id, incident.entry, 1)
            await uow.commit()
        assert (verdict.over, verdict.wait_until) == (False, None)
    assert await urges(city, incident) == BOTH[:1]


async def test_what_nobody_watches_is_found_at_the_start(city: Database, deadlines: Deadlines) -> None:
    incident = await late_at(city, 0.5)
    assert await deadlines.watch_all() == 1
    await reached(city, incident, 1)


async def test_deadlines_outlast_a_database_that_is_away(
    city: Database, deadlines: Deadlines, stack: Stack, settings: Settings
) -> None:
    incidents = [await late_at(city, 3.0, limit=3.0) for _ in range(10)]
    for incident in incidents:
        await deadlines.watch(incident.id, incident.entry)
    server = Postgres(settings.home)
    await asyncio.to_thread(stack.stop, "postgres")
    await asyncio.sleep(5)
    spec = Spec("postgres", server.prepare, server.check, stop_signal=STOP_SIGNAL)
    await asyncio.to_thread(stack.start, spec)
    for incident in incidents:
        await reached(city, incident, 2, seconds=60)
    for incident in incidents:
        assert await urges(city, incident) == BOTH
