"""The evaluation's SQL against the same indicators recomputed from the raw timelines, over a random city."""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from chengnao.incident import service
from chengnao.incident.model import Incident, Need, Source, Tally, TimelineEntry, total_of
from chengnao.incident.repository import IncidentFilter, IncidentRepository
from chengnao.incident.service import Move, Opening, possible
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Role, Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.paging import PageRequest
from chengnao.supervision.service import By, evaluate_period
from tests.support.loop import (
    CITY,
    DISPATCHER,
    DUTY_OFFICER,
    START,
    VERIFIER,
    WANZHOU,
    WANZHOU_WORKS,
    WATER,
    WORKER,
    YUZHONG,
    YUZHONG_STREETS,
    make_city,
    person,
)

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
PEOPLE = [
    WORKER,
    person(Role.HANDLER, YUZHONG, YUZHONG_STREETS),
    person(Role.HANDLER, WANZHOU, WANZHOU_WORKS),
    DISPATCHER,
    VERIFIER,
    DUTY_OFFICER,
]
TIERS = {WATER: "city", YUZHONG_STREETS: "district", WANZHOU_WORKS: "district", "": ""}
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def lived(database: Database, clock: FixedClock) -> Database:
    """A city in which incidents took random ways over three days, slowly enough for many to be late."""
    await make_city(database)
    rng = random.Random(20261125)
    incidents: list[str] = []
    for _ in range(450):
        clock.advance(rng.expovariate(1 / 600))
        async with database.unit_of_work() as uow:
            if len(incidents) < 70 and rng.random() < 0.2:
                incidents.append(await new_incident(uow, rng))
            elif incidents:
                await random_step(uow, rng, rng.choice(incidents))
            await uow.commit()
    return database


async def new_incident(uow: UnitOfWork, rng: random.Random) -> str:
    category = rng.choice(["water_pressure", "noise"])
    division = rng.choice([YUZHONG, WANZHOU, "500103001"])
    opening = Opening(Source.MANUAL, "t", category, division, grade=rng.choice([1, 1, 2, 3]))
    return (await service.open_incident(uow, DISPATCHER, opening)).id


async def random_step(uow: UnitOfWork, rng: random.Random, incident_id: str) -> None:
    incident = await service.require_incident(uow, Scope(), incident_id)
    choices = [(who, row) for who in PEOPLE for row in possible(AUTHORITY, who, incident)]
    choices = [(who, row) for who, row in choices if row.target is not row.source or rng.random() < 0.05]
    if not choices:
        return
    who, row = rng.choice(choices)
    local = WANZHOU_WORKS if incident.division_code == WANZHOU else YUZHONG_STREETS
    unit = rng.choice([WATER, local]) if Need.UNIT in row.needs else None
    await service.act(
        uow, AUTHORITY, who, incident_id, Move(row.action, incident.version, reason="r", unit_id=unit, result="r")
    )


@dataclass
class Work:
    """A task as the timeline tells it."""

    unit: str
    given: datetime
    accept_by: datetime
    accepted: datetime | None = None
    handle_by: datetime | None = None
    handled: datetime | None = None
    returned: bool = False
    reworks: int = 0


@dataclass
class Story:
    """An incident as the timeline tells it."""

    district: str
    opened: datetime
    unit: str = ""
    state: str = "new"
    due: datetime | None = None
    works: list[Work] = field(default_factory=list)


def read(incident: Incident, entries: list[TimelineEntry]) -> Story:
    story = Story(incident.division_code[:6], entries[0].at)
    for entry in entries:
        due = datetime.fromisoformat(entry.data["due_at"]) if "due_at" in entry.data else None
        if entry.action == "dispatch":
            assert due is not None
            story.unit = entry.data["unit_id"]
            story.works.append(Work(story.unit, entry.at, due))
        elif entry.action == "accept":
            story.works[-1].accepted, story.works[-1].handle_by = entry.at, due
        elif entry.action == "handle":
            story.works[-1].handled = entry.at
        elif entry.action == "rework":
            story.works[-1].handled, story.works[-1].handle_by = None, due
            story.works[-1].reworks += 1
        elif entry.action == "return":
            story.works[-1].returned = True
            story.unit = ""
        if entry.from_state != entry.to_state:
            story.state, story.due = entry.to_state.value, due
    return story


def recomputed(stories: list[Story], by: By, since: datetime, until: datetime, now: datetime) -> dict[str, Tally]:
    def key(story: Story, unit: str) -> str:
        return {"division": story.district, "unit": unit, "tier": TIERS[unit]}[by]

    counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for story in stories:
        if since <= story.opened < until:
            mine = counts[key(story, story.unit)]
            mine["opened"] += 1
            mine["dismissed"] += story.state == "dismissed"
            mine["closed"] += story.state == "closed"
            mine["overdue_open"] += story.due is not None and story.due < now
        for work in story.works:
            if not since <= work.given < until:
                continue
            mine = counts[key(story, work.unit)]
            mine["dispatched"] += 1
            mine["returned"] += work.returned
            mine["reworked"] += work.reworks > 0
            if work.accepted:
                mine["accept_due"] += 1
                mine["accepted_on_time"] += work.accepted <= work.accept_by
                assert work.handle_by is not None
                if not work.returned:
                    mine["handle_due"] += work.handled is not None or work.handle_by < now
                    mine["handled_on_time"] += work.handled is not None and work.handled <= work.handle_by
            elif not work.returned:
                mine["accept_due"] += work.accept_by < now
    return {group: Tally(**found) for group, found in counts.items()}


async def test_sql_and_timeline_agree(lived: Database, clock: FixedClock) -> None:
    async with lived.unit_of_work() as uow:
        repository = IncidentRepository(uow.session)
        page = await repository.incidents(Scope(), IncidentFilter(), clock.now(), PageRequest(1, 200))
        stories = [read(incident, await repository.timeline_of(incident.id)) for incident in page.items]
        whole = recomputed(stories, "division", START, clock.now() + DAY, clock.now())
        total = total_of(whole.values())
        assert all(getattr(total, name) > 0 for name in total.__dataclass_fields__), total
        assert total.accepted_on_time < total.accept_due
        assert total.handled_on_time < total.handle_due
        for since, until in ((START, clock.now() + DAY), (START + DAY, START + 2 * DAY), (START - DAY, START)):
            for by in ("unit", "tier", "division"):
                groups = await evaluate_period(uow, Scope(), by, since, until)
                found = {group.key: group.tally for group in groups}
                assert found == recomputed(stories, by, since, until, clock.now())


async def test_a_scope_counts_its_own_only(lived: Database, clock: FixedClock) -> None:
    async with lived.unit_of_work() as uow:
        span = (START, clock.now() + DAY)
        everything = {group.key: group.tally for group in await evaluate_period(uow, Scope(), "division", *span)}
        for district in (YUZHONG, WANZHOU):
            [group] = await evaluate_period(uow, Scope(district), "division", *span)
            assert (group.key, group.tally) == (district, everything[district])
        own = await evaluate_period(uow, Scope(CITY, WATER), "unit", *span)
        assert {group.key for group in own} == {WATER}
        assert [group.name for group in own] == ["市水务集团"]
