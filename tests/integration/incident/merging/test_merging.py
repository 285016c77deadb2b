"""Merging on the real database: candidates, reports that join, incidents merged and taken apart, races."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chengnao.incident import service
from chengnao.incident.merging.matching import Match, candidates
from chengnao.incident.merging.merges import Merge
from chengnao.incident.merging.repository import MergeRepository
from chengnao.incident.merging.service import Undone, merge_incident, undo
from chengnao.incident.model import Action, Incident, Source, State
from chengnao.incident.moves import Move
from chengnao.incident.photo_repository import PhotoRepository
from chengnao.incident.photos import keep_photo
from chengnao.incident.reports.model import Report
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import Desk, ReportIn, Taken, Understood, nothing_understood, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import Opening
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM, Principal, Role, Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.places import Place
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings
from tests.support.loop import DISPATCHER, START, WANZHOU, WATER, YUZHONG, make_city, person
from tests.support.world import PNG

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
HERE = Place(106.5701, 29.5602)
NEXT_DOOR = Place(106.5702, 29.56025)
LAMP = Opening(Source.MANUAL, "路灯不亮", "street_light", YUZHONG, description="民权路路灯不亮", place=HERE)
DISTRICT_DESK = person(Role.DISPATCHER, YUZHONG)
ELSEWHERE_DESK = person(Role.DISPATCHER, WANZHOU)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


def desk(grade: int | None = None) -> Desk:
    async def understand(uow: UnitOfWork, *_: Any) -> Understood:
        return Understood(grade=grade)

    return Desk(Vault({"00000001": "11" * 32}), understand if grade else nothing_understood)


async def opened(database: Database, opening: Opening = LAMP) -> Incident:
    async with database.unit_of_work() as uow:
        incident = await service.open_incident(uow, DISPATCHER, opening)
        await uow.commit()
        return incident


async def reported(database: Database, content: str, grade: int | None = None, **more: Any) -> Taken:
    values: dict[str, Any] = {"content": content, "place": NEXT_DOOR, "category": "street_light"} | more
    given = ReportIn(**values)
    async with database.unit_of_work() as uow:
        taken = await take_report(uow, desk(grade), DISPATCHER, replace(given, division_code=YUZHONG))
        await uow.commit()
        return taken


async def merged(database: Database, part: Incident, whole: Incident, actor: Principal = DISPATCHER) -> Merge:
    async with database.unit_of_work() as uow:
        merge = await merge_incident(uow, AUTHORITY, actor, part.id, whole.id, part.version, "同一盏灯")
        await uow.commit()
        return merge


async def undone(database: Database, merge_id: str, actor: Principal = DISPATCHER) -> Undone:
    async with database.unit_of_work() as uow:
        found = await undo(uow, AUTHORITY, actor, merge_id)
        await uow.commit()
        return found


async def moved(database: Database, incident: Incident, action: Action, **given: Any) -> Incident:
    async with database.unit_of_work() as uow:
        now = await service.require_incident(uow, Scope(), incident.id, lock=True)
        after = await service.by_platform(uow, now, Move(action, now.version, **given))
        await uow.commit()
        return after


async def closed(database: Database, incident: Incident, clock: FixedClock) -> Incident:
    """Through all of its steps; the platform stands in for everybody."""
    async with database.unit_of_work() as uow:
        now = await service.require_incident(uow, Scope(), incident.id, lock=True)
        after = replace(
            now, state=State.CLOSED, version=now.version + 1, entry=now.version + 1, due_at=None, closed_at=clock.now()
        )
        move = Move(Action.CLOSE, now.version, result="已修复")
        await service.record(uow, SYSTEM, now, after, Action.CLOSE, move)
        await uow.commit()
        return after


async def now_is(database: Database, incident: Incident) -> Incident:
    async with database.unit_of_work() as uow:
        return await service.require_incident(uow, Scope(), incident.id)


async def reports_of(database: Database, incident: Incident) -> list[Report]:
    async with database.unit_of_work() as uow:
        return await ReportRepository(uow.session).of_incident(incident.id)


async def offered(database: Database, incident: Incident, scope: Scope | None = None) -> list[Match]:
    async with database.unit_of_work() as uow:
        return await candidates(uow, scope or Scope(), incident)


async def snapshot(database: Database, incident: Incident) -> tuple[Any, ...]:
    """All that an undo must bring back."""
    async with database.unit_of_work() as uow:
        found = await service.require_incident(uow, Scope(), incident.id)
        tasks = await IncidentRepository(uow.session).tasks_of(incident.id)
        photos = await PhotoRepository(uow.session).of_incident(incident.id)
        reports = await ReportRepository(uow.session).of_incident(incident.id)
    return replace(found, version=0, entry=0), tasks, photos, reports


# --- reports that join -------------------------------------------------------------------------------------------


async def test_several_people_one_incident_and_each_is_answered(city: Database, clock: FixedClock) -> None:
    first = await reported(city, "民权路路灯不亮，晚上黑漆漆的")
    clock.advance(600)
    second = await reported(city, "民权路的街灯坏了，路上好黑")
    clock.advance(600)
    third = await reported(city, "民权路照明灯没亮")
    assert second.incident.id == third.incident.id == first.incident.id
    entry = (await _timeline(city, first.incident))[-1]
    assert third.report.tracking_number in entry.reason
    assert "相距" in entry.reason
    await closed(city, first.incident, clock)
    answers = {report.tracking_number: report.answer for report in await reports_of(city, first.incident)}
    assert answers == dict.fromkeys([each.report.tracking_number for each in (first, second, third)], "已修复")


async def _timeline(database: Database, incident: Incident) -> list[Any]:
    async with database.unit_of_work() as uow:
        return await IncidentRepository(uow.session).timeline_of(incident.id)


@pytest.mark.parametrize(
    ("content", "more"),
    [
        pytest.param("民权路垃圾堆了三天没人清运", {"category": "rubbish"}, id="another matter in the same street"),
        pytest.param("路灯不亮，晚上黑漆漆的", {"place": Place(106.5790, 29.5602)}, id="the same matter 900 m away"),
        pytest.param("路灯不亮，晚上黑漆漆的", {"place": None}, id="no place told"),
    ],
)
async def test_what_is_not_surely_the_same_opens_its_own(city: Database, content: str, more: dict[str, Any]) -> None:
    first = await reported(city, "民权路路灯不亮，晚上黑漆漆的")
    assert (await reported(city, content, **more)).incident.id != first.incident.id


async def test_a_closed_incident_never_swallows_a_new_matter_in_silence(city: Database, clock: FixedClock) -> None:
    """Keep's issue 2481: a resolved incident still took in alerts."""
    first = await reported(city, "民权路路灯不亮，晚上黑漆漆的")
    await closed(city, first.incident, clock)
    clock.advance(3600)
    again = await reported(city, "民权路路灯又不亮了")
    assert again.incident.id != first.incident.id
    assert again.incident.repeat_of == first.incident.id
    assert await offered(city, again.incident) == []
    clock.advance(timedelta(days=40).total_seconds())
    assert (await reported(city, "民权路路灯不亮", category="street_light")).incident.repeat_of is None


async def test_what_is_told_after_the_work_is_finished_is_news(city: Database, clock: FixedClock) -> None:
    first = await reported(city, "民权路路灯不亮，晚上黑漆漆的")
    await moved(city, first.incident, Action.DISPATCH, unit_id=WATER)
    await moved(city, first.incident, Action.ACCEPT)
    await moved(city, first.incident, Action.HANDLE, result="已修复")
    clock.advance(600)
    again = await reported(city, "民权路路灯不亮，晚上黑漆漆的")
    assert again.incident.id != first.incident.id


async def test_a_graver_report_is_not_hidden_in_a_lesser_incident(city: Database) -> None:
    first = await reported(city, "民权路路灯不亮，晚上黑漆漆的")
    graver = await reported(city, "民权路路灯不亮，晚上黑漆漆的", grade=1)
    assert (graver.incident.id != first.incident.id, graver.incident.grade) == (True, 1)
    assert [match.incident.id for match in await offered(city, graver.incident)] == [first.incident.id]


async def test_another_category_for_the_same_matter_is_still_found(city: Database) -> None:
    """FixMyStreet's issue 871: duplicates were looked for among the pins of one category only."""
    first = await reported(city, "民权路12号水管爆了，水到处流", category="water_leak")
    second = await reported(city, "民权路12号水管爆裂，水冲得老高", category="waterlogging")
    found = [match.incident.id for match in await offered(city, second.incident)]
    assert second.incident.id == first.incident.id or found == [first.incident.id]


async def test_a_wrong_join_is_undone_into_an_incident_of_its_own(
    city: Database, clock: FixedClock, settings: Settings
) -> None:
    first = await reported(city, "民权路路灯不亮，晚上黑漆漆的")
    async with city.unit_of_work() as uow:
        photo = await keep_photo(uow, settings.home, DISPATCHER, None, PNG)
        await uow.commit()
    second = await reported(city, "民权路的街灯坏了，路上好黑", photo_ids=[photo.id])
    async with city.unit_of_work() as uow:
        [merge] = await MergeRepository(uow.session).of_incident(first.incident.id)
    await closed(city, first.incident, clock)
    found = await undone(city, merge.id)
    assert found.incident.id != first.incident.id
    assert found.incident.category == "street_light"
    [report] = await reports_of(city, found.incident)
    assert (report.tracking_number, report.answer) == (second.report.tracking_number, None)
    async with city.unit_of_work() as uow:
        assert [each.id for each in await PhotoRepository(uow.session).of_incident(found.incident.id)] == [photo.id]
    [kept] = await reports_of(city, first.incident)
    assert kept.answer == "已修复"
    with pytest.raises(Conflict):
        await undone(city, merge.id)


# --- candidates --------------------------------------------------------------------------------------------------


async def test_candidates_tell_why_and_end_at_the_scope(city: Database) -> None:
    one = await opened(city)
    two = await opened(city, replace(LAMP, title="街灯坏了", description="街灯坏了，路上好黑", place=NEXT_DOOR))
    [match] = await offered(city, two)
    assert match.incident.id == one.id
    assert match.score.probability > 0.5
    assert any("米" in reason.zh for reason in match.score.reasons)
    assert any("m apart" in reason.en for reason in match.score.reasons)
    assert await offered(city, two, Scope.of(ELSEWHERE_DESK)) == []


# --- merging and undoing -----------------------------------------------------------------------------------------


async def test_a_merge_moves_what_belongs_to_it_and_its_undo_restores_exactly(
    city: Database, clock: FixedClock, settings: Settings
) -> None:
    whole = (await reported(city, "民权路路灯不亮")).incident
    taken = await reported(city, "水压低得洗不了澡", category="water_pressure", place=Place(106.60, 29.60))
    part = taken.incident
    assert part.state is State.DISPATCHED
    await moved(city, part, Action.ACCEPT)
    async with city.unit_of_work() as uow:
        await keep_photo(uow, settings.home, DISPATCHER, part, PNG)
        await uow.commit()
    before = await snapshot(city, part)
    part = await now_is(city, part)
    merge = await merged(city, part, whole)
    now = await now_is(city, part)
    assert (now.state, now.merged_into, now.due_at) == (State.MERGED, whole.id, None)
    _, tasks, photos, reports = await snapshot(city, part)
    assert [task.open for task in tasks] == [False]
    assert (photos, reports) == ([], [])
    assert len((await snapshot(city, whole))[3]) == 2
    assert len((await snapshot(city, whole))[2]) == 1
    clock.advance(3600)
    later = await reported(city, "民权路的路灯还是不亮")
    assert later.incident.id == whole.id
    await closed(city, whole, clock)
    assert all(report.answer == "已修复" for report in await reports_of(city, whole))
    found = await undone(city, merge.id)
    assert await snapshot(city, part) == before
    assert found.stayed == [later.report.tracking_number]
    assert later.report.tracking_number in (await _timeline(city, part))[-1].reason
    assert (await now_is(city, whole)).state is State.CLOSED
    with pytest.raises(Conflict):
        await undone(city, merge.id)


async def test_a_chain_moves_along_and_comes_apart_in_any_order(city: Database) -> None:
    a, b, c = [await opened(city, replace(LAMP, place=None, title=name)) for name in "ABC"]
    first = await merged(city, c, b)
    second = await merged(city, await now_is(city, b), a)
    assert (await now_is(city, c)).merged_into == a.id
    await undone(city, first.id)
    assert (await now_is(city, c)).state is State.NEW
    await undone(city, second.id)
    assert (await now_is(city, b)).state is State.NEW
    assert (await now_is(city, c)).merged_into is None


async def test_what_came_out_and_went_elsewhere_is_left_alone_by_an_older_undo(city: Database) -> None:
    """C into B, B into A, C out and into A: taking B out must not carry C's report off."""
    places = {name: Place(106.50 + 0.02 * number, 29.5) for number, name in enumerate("ABC")}
    a, b, c = [(await reported(city, "路灯不亮", place=places[name])).incident for name in "ABC"]
    first = await merged(city, await now_is(city, c), b)
    second = await merged(city, await now_is(city, b), a)
    await undone(city, first.id)
    third = await merged(city, await now_is(city, c), a)
    await undone(city, second.id)
    assert len(await reports_of(city, a)) == 2
    assert len(await reports_of(city, b)) == 1
    assert (await now_is(city, c)).merged_into == a.id
    await undone(city, third.id)
    assert [len(await reports_of(city, each)) for each in (a, b, c)] == [1, 1, 1]


async def test_what_cannot_be_merged(city: Database, clock: FixedClock) -> None:
    one, two, ended = [await opened(city, replace(LAMP, place=None, title=name)) for name in "ABC"]
    await closed(city, ended, clock)
    with pytest.raises(Invalid):
        await merged(city, one, one)
    with pytest.raises(Conflict):
        await merged(city, one, ended)
    with pytest.raises(Conflict):
        await merged(city, await now_is(city, ended), one)
    await merged(city, one, two)
    with pytest.raises(Conflict):  # a circle
        await merged(city, two, one)
    three = await opened(city, replace(LAMP, place=None))
    await moved(city, three, Action.DISPATCH, unit_id=WATER)
    with pytest.raises(Conflict):  # it has moved on since it was seen
        await merged(city, three, two)


async def test_a_desk_merges_what_is_its_own(city: Database) -> None:
    one, two = [await opened(city, replace(LAMP, place=None, title=name)) for name in "AB"]  # of the city's desk
    with pytest.raises(Forbidden):
        await merged(city, one, two, DISTRICT_DESK)
    with pytest.raises(NotFound):
        await merged(city, one, two, ELSEWHERE_DESK)
    merge = await merged(city, one, two)
    with pytest.raises(NotFound):
        await undone(city, merge.id, ELSEWHERE_DESK)
    with pytest.raises(Forbidden):
        await undone(city, merge.id, person(Role.VERIFIER))


async def test_two_merges_at_once_and_two_undos_at_once(city: Database) -> None:
    one, two = [await opened(city, replace(LAMP, place=None, title=name)) for name in "AB"]
    found = await asyncio.gather(merged(city, one, two), merged(city, two, one), return_exceptions=True)
    [merge] = [each for each in found if isinstance(each, Merge)]
    assert [type(each) for each in found if not isinstance(each, Merge)] == [Conflict]
    undos = await asyncio.gather(undone(city, merge.id), undone(city, merge.id), return_exceptions=True)
    assert sorted(type(each).__name__ for each in undos) == ["Conflict", "Undone"]
    assert {(await now_is(city, each)).state for each in (one, two)} == {State.NEW}
