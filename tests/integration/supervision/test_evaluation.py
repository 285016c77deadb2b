"""The indicators against the same recounted from the timeline by plain SQL, and each figure against its cases."""

from datetime import datetime, timedelta
from typing import get_args

import psycopg
import pytest

from chengnao.incident import service as incidents
from chengnao.incident.importing.history import Case as Taken
from chengnao.incident.importing.history import incident_of_case, timeline_of_case
from chengnao.incident.importing.model import ReportRow, Spot, Status
from chengnao.incident.measures import Anchor, By, Case, Span, Subject
from chengnao.incident.model import Action, Actor, Source
from chengnao.incident.moves import Move
from chengnao.incident.reports.model import Channel
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import Opening
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database, UnitOfWork, plain_url
from chengnao.kernel.paging import PageRequest
from chengnao.supervision.evaluation.model import Count, Group, Indicator, Part, Rate, Time, indicators
from chengnao.supervision.evaluation.replay import check_log
from chengnao.supervision.evaluation.service import cases_behind, evaluate
from tests.support.loop import (
    CITY,
    DISPATCHER,
    START,
    WANZHOU,
    WATER,
    WORKER,
    YUZHONG,
    YUZHONG_STREETS,
    make_city,
    person,
)
from tests.support.recount import TOTAL, Recounted, recount
from tests.support.wandering import AUTHORITY, Wanderer

pytestmark = pytest.mark.engines

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ALL = PageRequest(1, 100_000)
BYS: tuple[By, ...] = get_args(By)
PARTS: tuple[Part, ...] = get_args(Part)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def lived(database: Database, clock: FixedClock) -> Database:
    """A city in which incidents took random ways over some days, slowly enough for many to be late."""
    await live(database, clock, 900)
    return database


async def live(database: Database, clock: FixedClock, steps: int) -> None:
    await make_city(database)
    async with database.unit_of_work() as uow:
        await take_over(uow, "h1", START - 3 * DAY, START - 2 * DAY, START - DAY)
        await take_over(uow, "h2", START - 3 * DAY, START - DAY, START - 2 * DAY)
        await take_over(uow, "h3", START - 3 * DAY, START - 4 * DAY, START - 2 * DAY)
        await take_over(uow, "h4", START - 3 * DAY, START - 2 * DAY, None)
        await take_over(uow, "h5", START - 3 * DAY, None, START - 2 * DAY)
        await uow.commit()
    wanderer = Wanderer(database, clock, 20261125)
    await wanderer.live(steps)
    assert wanderer.refused.total() < steps / 5, wanderer.refused


async def take_over(
    uow: UnitOfWork, name: str, opened: datetime, closed: datetime | None, due: datetime | None
) -> None:
    """A case of an earlier system, with the times that it states."""
    row = ReportRow(
        spot=Spot("f.csv", "", 2),
        cells={},
        content="路面破损",
        created_at=opened,
        closed_at=closed,
        due_at=due,
        status=Status.CLOSED if closed else Status.OPEN,
    )
    now = uow.clock.now()
    case = Taken(row, "road_damage", WANZHOU, Channel.IMPORT, now, now + HOUR, now + DAY)
    incident = incident_of_case(case, name, name)
    repository = IncidentRepository(uow.session)
    await repository.add(incident, None)
    for entry in timeline_of_case(case, incident, Actor("user", "u", "u")):
        await repository.add_entry(entry)


def spans(clock: FixedClock) -> list[Span]:
    """The whole, a part, and nothing."""
    now = clock.now()
    bounds = [(START - 9 * DAY, now + DAY), (START + 2 * DAY, START + 5 * DAY), (START - DAY, START)]
    return [Span(since, until, now) for since, until in bounds]


def compare(group: Group, other: Recounted) -> None:
    for each in indicators().all:
        match each:
            case Count():
                assert group.value(each) == other.count(each.key), each.key
            case Rate():
                assert group.value(each) == other.rate(each.key), each.key
            case Time():
                spread = group.spread(each)
                times = other.seconds[each.key]
                assert (spread.count, spread.odd) == (len(times) - other.odd(each.key), other.odd(each.key)), each.key
                assert spread.median == pytest.approx(other.quantile(each.key, 0.5), abs=1e-6), each.key
                assert spread.p90 == pytest.approx(other.quantile(each.key, 0.9), abs=1e-6), each.key


async def test_columns_and_timeline_differ_by_nothing(lived: Database, clock: FixedClock, database_url: str) -> None:
    for span in spans(clock):
        told = recount(plain_url(database_url), span.since, span.until, span.now)
        for by in BYS:
            async with lived.unit_of_work() as uow:
                found = await evaluate(uow, Scope(), by, span)
            assert {group.key for group in found.groups} == set(told[by])
            for group in found.groups:
                compare(group, told[by][group.key])
            compare(found.total, told[TOTAL][TOTAL])
    await leaves_no_figure_untried(lived, spans(clock)[0])


async def leaves_no_figure_untried(lived: Database, span: Span) -> None:
    """The history is rich enough for each figure to be wrong."""
    async with lived.unit_of_work() as uow:
        total = (await evaluate(uow, Scope(), "day", span)).total
    # Merging has a test of its own.
    assert [each.key for each in indicators().counts if each.key != "merged" and not total.value(each)] == []
    assert [each.key for each in indicators().times if total.value(each) is None] == []
    for rate in indicators().rates:
        value = total.value(rate)
        assert value is not None
        assert 0 < value < 1, rate.key
    assert total.times["time_source"].odd == 1


async def test_every_figure_is_the_number_of_its_cases(lived: Database, clock: FixedClock, database_url: str) -> None:
    span = spans(clock)[0]
    told = recount(plain_url(database_url), span.since, span.until, span.now)
    async with lived.unit_of_work() as uow:
        for by in ("unit", "tier", "category", "channel", "week"):
            found = await evaluate(uow, Scope(), by, span)
            for each in indicators().all:
                behind = {
                    group.key: {part: await subjects(uow, each, part, span, by, group.key) for part in parts(each)}
                    for group in found.groups
                }
                for group in found.groups:
                    agree(each, group, behind[group.key], told[by][group.key])
                whole = {part: await subjects(uow, each, part, span) for part in parts(each)}
                agree(each, found.total, whole, told[TOTAL][TOTAL])
                for part, all_together in whole.items():
                    apart = [subject for its in behind.values() for subject in its[part]]
                    assert sorted(apart) == sorted(all_together), (by, each.key, part)


def parts(indicator: Indicator) -> tuple[Part, ...]:
    return ("numerator",) if isinstance(indicator, Count) else PARTS


async def subjects(
    uow: UnitOfWork, indicator: Indicator, part: Part, span: Span, by: By | None = None, key: str = ""
) -> set[str]:
    page = await cases_behind(uow, Scope(), indicator, part, span, ALL, by=by, key=key)
    found = {named(indicator.subject, case) for case in page.items}
    assert page.total == len(page.items) == len(found)
    return found


def named(subject: Subject, case: Case) -> str:
    match subject:
        case Subject.INCIDENT:
            return case.incident.id
        case Subject.TASK:
            assert case.task is not None
            return f"{case.incident.id}/{case.task.seq}"
        case Subject.REPORT:
            assert case.tracking_number is not None
            return case.tracking_number


def agree(indicator: Indicator, group: Group, behind: dict[Part, set[str]], told: Recounted) -> None:
    """The figure is the number of its cases, and they are those that the timeline tells of."""
    match indicator:
        case Count():
            assert len(behind["numerator"]) == group.value(indicator)
            assert behind["numerator"] == told.subjects[indicator.key]
        case Rate():
            assert behind["numerator"] <= behind["denominator"], indicator.key
            assert behind["missed"] == behind["denominator"] - behind["numerator"]
            assert behind["numerator"] == told.subjects[indicator.numerator.key]
            assert behind["denominator"] == told.subjects[indicator.denominator.key]
        case Time():
            spread = group.spread(indicator)
            assert (len(behind["numerator"]), len(behind["missed"])) == (spread.count, spread.odd)
            assert behind["denominator"] == behind["numerator"] | behind["missed"] == told.subjects[indicator.key]


async def test_columns_and_log_are_compared_and_a_difference_is_named(
    lived: Database, clock: FixedClock, database_url: str
) -> None:
    span = spans(clock)[0]
    async with lived.unit_of_work() as uow:
        checked = await check_log(uow, Scope(), span)
    assert (checked.differing, checked.differences) == (0, [])
    with psycopg.connect(plain_url(database_url)) as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM incidents), (SELECT count(*) FROM incident_timeline)"
        ).fetchone()
        assert counts == (checked.incidents, checked.entries)
        spoilt = connection.execute(
            "UPDATE incident_tasks SET handled_at = handle_by WHERE id = (SELECT id FROM incident_tasks"
            " WHERE handled_at > handle_by LIMIT 1) RETURNING incident_id, seq"
        ).fetchone()
        assert spoilt is not None
        connection.execute("UPDATE incidents SET urged = urged + 1 WHERE id = 'h1'")
        connection.execute("DELETE FROM incident_timeline WHERE incident_id = 'h2' AND seq = 2")
    async with lived.unit_of_work() as uow:
        checked = await check_log(uow, Scope(), span)
        elsewhere = await check_log(uow, Scope(YUZHONG), span)
    named = {(each.incident_id, each.field) for each in checked.differences}
    assert {(spoilt[0], f"task {spoilt[1]} handled_at"), ("h1", "urged"), ("h2", "state")} <= named
    assert {incident for incident, _ in named} == {spoilt[0], "h1", "h2"}
    assert checked.differing == len(named)
    assert elsewhere.incidents < checked.incidents
    assert "h1" not in {each.incident_id for each in elsewhere.differences}


async def test_a_scope_counts_its_own_only(database: Database, clock: FixedClock) -> None:
    await live(database, clock, 200)
    span = spans(clock)[0]
    async with database.unit_of_work() as uow:
        everything = {group.key: group for group in (await evaluate(uow, Scope(), "division", span)).groups}
        assert set(everything) == {YUZHONG, WANZHOU}
        for district, whole in everything.items():
            [group] = (await evaluate(uow, Scope(district), "division", span)).groups
            assert group == whole
        own = await evaluate(uow, Scope(CITY, WATER), "unit", span)
        assert {group.key for group in own.groups} == {WATER}
        assert [group.name for group in own.groups] == ["市水务集团"]
        one = await evaluate(uow, Scope(), "category", span, category="noise")
        assert {group.key for group in one.groups} == {"noise"}
        assert all(one.total.value(each) == one.groups[0].value(each) for each in indicators().all)


async def opened(uow: UnitOfWork, category: str = "noise", grade: int = 1) -> str:
    return (
        await incidents.open_incident(uow, DISPATCHER, Opening(Source.MANUAL, "t", category, YUZHONG, grade=grade))
    ).id


async def do(uow: UnitOfWork, who: Principal, incident_id: str, action: Action, **given: object) -> None:
    incident = await incidents.require_incident(uow, Scope(), incident_id)
    move = Move(action, incident.version, reason="r", result="r", **given)  # type: ignore[arg-type]
    await incidents.act(uow, AUTHORITY, who, incident_id, move)


async def figures(database: Database, clock: FixedClock, by: By = "unit") -> dict[str, Group]:
    now = clock.now()
    async with database.unit_of_work() as uow:
        found = await evaluate(uow, Scope(), by, Span(START, now + DAY, now))
    return {group.key: group for group in found.groups} | {"total": found.total}


async def test_an_order_that_bounces_shows_whose_clock_ran(database: Database, clock: FixedClock) -> None:
    """Complaint about hotlines: orders bounce between units before any clock starts."""
    streets = person(Role.HANDLER, YUZHONG, YUZHONG_STREETS)
    await make_city(database)
    async with database.unit_of_work() as uow:
        incident = await opened(uow)
        await do(uow, DISPATCHER, incident, Action.DISPATCH, unit_id=YUZHONG_STREETS)
        clock.advance(3600)  # longer than a grave incident may wait to be accepted
        await do(uow, streets, incident, Action.RETURN, reason_code="duty")
        await do(uow, DISPATCHER, incident, Action.DISPATCH, unit_id=WATER)
        clock.advance(60)
        await do(uow, WORKER, incident, Action.ACCEPT)
        await do(uow, WORKER, incident, Action.HANDLE)
        await uow.commit()
    found = await figures(database, clock)
    late, good = found[YUZHONG_STREETS].counts, found[WATER].counts
    # A return does not stop a clock that had run out, and the return is no acceptance.
    assert (late["accept_due"], late["accepted_on_time"], late["returned"], late["misdispatched"]) == (1, 0, 1, 1)
    assert (good["accept_due"], good["accepted_on_time"], good["misdispatched"]) == (1, 1, 0)
    assert (found["total"].counts["misdispatched"], found["total"].counts["led"]) == (1, 2)


async def test_a_return_in_time_is_no_late_acceptance(database: Database, clock: FixedClock) -> None:
    await make_city(database)
    async with database.unit_of_work() as uow:
        incident = await opened(uow)
        await do(uow, DISPATCHER, incident, Action.DISPATCH, unit_id=YUZHONG_STREETS)
        clock.advance(60)
        await do(uow, person(Role.HANDLER, YUZHONG, YUZHONG_STREETS), incident, Action.RETURN, reason_code="unclear")
        await uow.commit()
    clock.advance(9 * 86400)
    counts = (await figures(database, clock))[YUZHONG_STREETS].counts
    assert (counts["accept_due"], counts["returned"], counts["misdispatched"]) == (0, 1, 0)


async def test_whoever_gave_up_was_the_wrong_unit_once_another_finished(database: Database, clock: FixedClock) -> None:
    await make_city(database)
    async with database.unit_of_work() as uow:
        incident = await opened(uow)
        await do(uow, DISPATCHER, incident, Action.DISPATCH, unit_id=YUZHONG_STREETS)
        await do(uow, DISPATCHER, incident, Action.RECATEGORISE, category="water_pressure")
        await do(uow, WORKER, incident, Action.ACCEPT)
        await uow.commit()
    assert (await figures(database, clock))["total"].counts["misdispatched"] == 0
    async with database.unit_of_work() as uow:
        await do(uow, WORKER, incident, Action.HANDLE)
        await uow.commit()
    found = await figures(database, clock)
    assert (found[YUZHONG_STREETS].counts["misdispatched"], found[WATER].counts["misdispatched"]) == (1, 0)


async def test_answers_at_intake_do_not_adorn_the_closing_rate(database: Database, clock: FixedClock) -> None:
    await make_city(database)
    async with database.unit_of_work() as uow:
        for _ in range(3):
            await do(uow, DISPATCHER, await opened(uow), Action.ANSWER)
        await opened(uow)
        await uow.commit()
    total = (await figures(database, clock))["total"]
    counts = total.counts
    assert (counts["opened"], counts["answered_at_intake"], counts["closable"], counts["closed"]) == (4, 3, 1, 0)
    assert (total.value(indicators().get("close_rate")), counts["completed"]) == (0.0, 0)
    assert total.times["time_whole"].count == 0


async def test_negative_times_are_counted_apart_and_never_averaged(database: Database, clock: FixedClock) -> None:
    await make_city(database)
    async with database.unit_of_work() as uow:
        await take_over(uow, "a", START, START + 2 * HOUR, START + HOUR)
        await take_over(uow, "b", START, START + 4 * HOUR, START + 5 * HOUR)
        await take_over(uow, "c", START, START - 900 * DAY, START + HOUR)
        await uow.commit()
    clock.advance(86400)
    found = await figures(database, clock, "channel")
    spread, counts = found["import"].times["time_source"], found["import"].counts
    assert (spread.count, spread.odd, spread.median) == (2, 1, 3 * 3600)
    # On time as the source states it; the case that was closed before it was opened is not on time either.
    assert (counts["imported"], counts["source_due"], counts["source_on_time"]) == (3, 2, 1)
    # What an earlier system did says nothing of the own rates.
    assert (counts["closable"], counts["close_due"], found["import"].times["time_whole"].count) == (0, 0, 0)


async def test_a_period_takes_in_its_beginning_and_leaves_out_its_end(database: Database, clock: FixedClock) -> None:
    await make_city(database)
    async with database.unit_of_work() as uow:
        await opened(uow)
        await uow.commit()
    async with database.unit_of_work() as uow:
        for since, until, count in ((START, START + HOUR, 1), (START - HOUR, START, 0)):
            found = await evaluate(uow, Scope(), "day", Span(since, until, START))
            assert found.total.counts["opened"] == count
            assert [group.key for group in found.groups] == ["2026-11-25"] * count


def test_each_subject_has_its_own_anchors() -> None:
    anchors = {
        Subject.INCIDENT: {Anchor.OPENED, Anchor.CLOSED},
        Subject.TASK: {Anchor.DISPATCHED},
        Subject.REPORT: {Anchor.RECEIVED, Anchor.RATED},
    }
    for each in indicators().all:
        assert each.anchor in anchors[each.subject]
