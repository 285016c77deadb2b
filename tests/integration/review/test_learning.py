"""What the platform learns from returns, and from nothing less than returns."""

import asyncio
from collections.abc import Sequence

import pytest

from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.dispatch.service import put_responsibility
from chengnao.incident.model import Incident, Source
from chengnao.incident.service import Opening
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.review.proposals.changes import ResponsibilityChange
from chengnao.review.proposals.learning import learn_from_returns
from chengnao.review.proposals.model import Origin, Proposal, ProposalState
from chengnao.review.proposals.repository import ProposalRepository
from tests.integration.review.conftest import DISTRICT_STEWARD, STEWARD, STREETS, Api, Loop
from tests.integration.review.test_reviews import told
from tests.support.loop import CITY, DISPATCHER, WATER, WORKER, YUZHONG, YUZHONG_STREETS

pytestmark = pytest.mark.engines

LEAK = Opening(Source.MANUAL, "水管渗漏", "water_pressure", YUZHONG, grade=3)


async def came_back(loop: Loop, *, handled: bool = True, code: str = "duty", division: str = YUZHONG) -> Incident:
    incident = await loop.open(Opening(**LEAK.__dict__ | {"division_code": division}))
    incident = await loop.give_back(WORKER, incident, code)
    if handled:
        await loop.do(DISPATCHER, incident, "dispatch", unit_id=YUZHONG_STREETS)
        await loop.do(STREETS, incident, "accept")
        await loop.do(STREETS, incident, "handle", result="已修")
    return incident


async def drafts(database: Database) -> Sequence[Proposal]:
    await told(database)
    async with database.unit_of_work() as uow:
        page = await ProposalRepository(uow.session).proposals(Scope(), PageRequest(1, 50), origin=Origin.RETURNS)
        return page.items


async def test_three_returns_that_another_unit_handled_become_one_draft_with_its_replay(
    city: Database, loop: Loop, api: Api
) -> None:
    await came_back(loop)
    await came_back(loop, code="territory")
    assert await drafts(city) == []
    await came_back(loop, handled=False)
    loop.clock.advance(60)
    [draft] = await drafts(city)
    assert draft.change == ResponsibilityChange(
        division_code=YUZHONG, category="water_pressure", unit_id=YUZHONG_STREETS
    )
    assert (draft.state, draft.author.id) == (ProposalState.REPLAYED, "system")
    assert "退回（非本单位职责 2 件、属地不符 1 件），其中 2 件最终由渝中区城管局办理" in draft.reason
    assert draft.replay is not None
    assert draft.replay.counts == {"straight": 2, "unknown": 1, "returned_cases": 3, "returns_avoided": 2}
    await came_back(loop)
    assert [each.id for each in await drafts(city)] == [draft.id]

    listed = await api(DISTRICT_STEWARD, "GET", "proposals", origin="returns")
    assert listed["items"][0]["author_name"] == "系统"
    path = f"proposals/{draft.id}/decision"
    await api(DISTRICT_STEWARD, "POST", path, {"approve": True, "reason": "确实如此"})
    assert (await loop.open(LEAK)).unit_id == YUZHONG_STREETS


async def test_a_street_of_its_own_gets_a_row_of_its_own(city: Database, loop: Loop) -> None:
    for _ in range(3):
        await came_back(loop, division="500103003")
    [draft] = await drafts(city)
    assert isinstance(draft.change, ResponsibilityChange)
    assert draft.change.division_code == "500103003"


async def test_the_row_at_fault_is_changed_with_its_hours(city: Database, loop: Loop) -> None:
    async with city.unit_of_work() as uow:
        row = Responsibility(YUZHONG, "water_pressure", WATER, YUZHONG_STREETS, "08:00-20:00", "")
        await put_responsibility(uow, row)
        await uow.commit()
    for _ in range(3):
        await came_back(loop)
    [draft] = await drafts(city)
    assert draft.change == ResponsibilityChange(
        division_code=YUZHONG,
        category="water_pressure",
        hours="08:00-20:00",
        unit_id=YUZHONG_STREETS,
        deputy_unit_id=None,
    )


@pytest.mark.parametrize("what", ["no wrong unit", "handled by nobody", "long ago", "by hand"])
async def test_no_pattern_no_draft(city: Database, loop: Loop, clock: FixedClock, what: str) -> None:
    if what == "by hand":
        # The map names the streets already: it was a person who sent these elsewhere.
        async with city.unit_of_work() as uow:
            await put_responsibility(uow, Responsibility(YUZHONG, "water_pressure", YUZHONG_STREETS))
            await uow.commit()
    for _ in range(4):
        match what:
            case "no wrong unit":
                await came_back(loop, code="unclear")
            case "handled by nobody":
                await came_back(loop, handled=False)
            case "long ago":
                await came_back(loop)
                clock.advance(16 * 86400)
            case "by hand":
                incident = await loop.open(LEAK)
                await loop.give_back(STREETS, incident, "duty")
        assert await drafts(city) == []


async def test_what_was_refused_is_not_proposed_again_until_as_many_have_come_back_again(
    city: Database, loop: Loop, clock: FixedClock, api: Api
) -> None:
    for _ in range(3):
        await came_back(loop)
    [draft] = await drafts(city)
    clock.advance(60)
    no = {"approve": False, "reason": "水务正在接管"}
    await api(STEWARD, "POST", f"proposals/{draft.id}/decision", no)
    for _ in range(2):
        await came_back(loop)
        assert len(await drafts(city)) == 1
    await came_back(loop)
    assert len(await drafts(city)) == 2


async def test_two_returns_at_once_make_one_draft(city: Database, loop: Loop) -> None:
    incidents = [await came_back(loop) for _ in range(3)]

    async def learn(incident: Incident) -> int:
        async with city.unit_of_work() as uow:
            made = await learn_from_returns(uow, incident.id)
            await uow.commit()
            return len(made)

    assert sum(await asyncio.gather(*(learn(each) for each in incidents))) == 1
    async with city.unit_of_work() as uow:
        page = await ProposalRepository(uow.session).proposals(Scope(CITY), PageRequest(1, 50))
        assert page.total == 1
