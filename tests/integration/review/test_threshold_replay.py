"""Threshold proposals over readings in the real store, and category rules over real reports."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chengnao.incident.model import Source, State
from chengnao.incident.reports.desk import desk_at
from chengnao.incident.reports.service import ReportIn, take_report
from chengnao.incident.service import Opening, require_incident
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.vocabulary import Level
from chengnao.review.proposals import service
from chengnao.review.proposals.changes import ThresholdChange
from chengnao.review.proposals.kinds import Tools
from chengnao.review.proposals.model import Case, Proposal, Span
from chengnao.review.proposals.repository import ProposalRepository
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.warning.repository import WarningRepository
from chengnao.warning.service import add_rule, change_rule, require_rule
from chengnao.warning.watch import ThresholdWatch
from tests.integration.review.conftest import OTHER_STEWARD, STEWARD, Api, Loop
from tests.support.loop import DISPATCHER, DUTY_OFFICER, START, WATER, WORKER, YUZHONG, low_pressure, pressures

pytestmark = pytest.mark.engines

# Metres of water, a reading a minute: a short dip and a long one at g1, a deep one at g2, and g3 is quiet.
READINGS = [
    *[("g1", minute * 60.0, {5: 28.0, 6: 28.0}.get(minute, 40.0)) for minute in range(60)],
    *[("g1", 3600 + minute * 60.0, 25.0 if 10 <= minute < 40 else 40.0) for minute in range(60)],
    *[("g2", minute * 60.0, 15.0 if 20 <= minute < 50 else 40.0) for minute in range(120)],
    *[("g3", minute * 60.0, 45.0) for minute in range(120)],
]
SPAN = Span(START, START + timedelta(hours=2))


@pytest.fixture
async def readings(settings: Settings, store: str, city: Database, clock: FixedClock) -> Any:
    made = ReadingsStore.create(settings, load_secrets(settings.home))
    await made.ensure_schema()
    await made.insert(pressures(READINGS))
    async with city.unit_of_work() as uow:
        await add_rule(uow, low_pressure())
        await uow.commit()
    clock.advance(3 * 3600)
    yield made
    await made.close()


async def replayed(city: Database, tools: Tools, **changes: Any) -> tuple[Proposal, Sequence[Case]]:
    async with city.unit_of_work() as uow:
        change = ThresholdChange(rule_id="low-pressure", **changes)
        made = await service.make(uow, STEWARD, change, "误报多")
        assert made is not None
        proposal = await service.replay(uow, STEWARD, made.id, SPAN, tools)
        page = await ProposalRepository(uow.session).cases(Scope(), made.id, None, PageRequest(1, 100))
        await uow.commit()
        return proposal, page.items


def seen(cases: Sequence[Case]) -> set[tuple[str, str]]:
    return {(case.outcome, case.detail["device"]) for case in cases}


async def test_a_longer_duration_drops_the_short_dip_alone(city: Database, readings: ReadingsStore) -> None:
    proposal, cases = await replayed(city, Tools(readings), duration_seconds=600)
    assert proposal.replay is not None
    counts = proposal.replay.counts
    assert (counts["was"], counts["would"], counts["gone"], counts["kept"]) == (3, 2, 1, 2)
    assert counts.get("new", 0) == 0
    [gone] = [case for case in cases if case.outcome == "gone"]
    assert (gone.detail["device"], gone.at) == ("g1", START + timedelta(minutes=5))
    kept = {case.detail["device"]: case for case in cases if case.outcome == "kept"}
    assert kept["g2"].detail["would"]["opened_at"] == (START + timedelta(minutes=30)).isoformat()


async def test_levels_before_and_after_and_what_would_open_incidents(city: Database, readings: ReadingsStore) -> None:
    levels = {"1": 5.0, "3": 26.0, "4": 30.0}
    proposal, cases = await replayed(city, Tools(readings), levels=levels)
    assert proposal.replay is not None
    assert proposal.replay.detail == {"levels_was": {"4": 2, "3": 1}, "levels_would": {"4": 1, "3": 2}}
    assert (proposal.replay.counts["opening_was"], proposal.replay.counts["opening_would"]) == (1, 2)
    assert seen(cases) == {("kept", "g1"), ("level_changed", "g1"), ("kept", "g2")}


async def test_a_rule_that_is_off_warns_no_more_and_a_milder_one_warns_of_new_things(
    city: Database, readings: ReadingsStore
) -> None:
    off, _ = await replayed(city, Tools(readings), enabled=False)
    assert off.replay is not None
    assert (off.replay.counts["gone"], off.replay.counts["would"]) == (3, 0)
    sharper, cases = await replayed(city, Tools(readings), levels={"4": 46.0})
    assert sharper.replay is not None
    assert ("new", "g3") in seen(cases)


async def test_the_replay_finds_what_the_platform_warned_of(
    city: Database, readings: ReadingsStore, bus: Any, clock: FixedClock
) -> None:
    """The same readings through the process that warns: the same warnings at the same moments."""
    watch = ThresholdWatch(city, bus, clock)
    await watch.load()
    for start in range(0, len(READINGS), 7):
        await watch.evaluate(pressures(sorted(READINGS, key=lambda row: row[1])[start : start + 7]))
    async with city.unit_of_work() as uow:
        real = await WarningRepository(uow.session).of_rule("low-pressure", SPAN.since, SPAN.until, 100)
    _, cases = await replayed(city, Tools(readings), enabled=False)
    assert {(each.device_id, each.opened_at, each.peak_level) for each in real} == {
        (case.detail["device"], case.at, Level(case.detail["was"]["level"])) for case in cases
    }


async def test_a_warning_whose_incident_was_handled_is_told_apart_from_a_false_one(
    city: Database, readings: ReadingsStore, bus: Any, clock: FixedClock, loop: Loop
) -> None:
    watch = ThresholdWatch(city, bus, clock)
    await watch.load()
    await watch.evaluate(pressures(READINGS))
    opening = Opening(Source.MANUAL, "低压", "water_pressure", YUZHONG, grade=3)
    handled = await loop.finish(WORKER, await loop.open(opening))
    false = await loop.open(opening)
    await loop.give_back(WORKER, false, "untrue")
    false = await loop.do(DISPATCHER, false, "dismiss", reason="仪表检修")
    assert false.state is State.DISMISSED
    async with city.unit_of_work() as uow:
        repository = WarningRepository(uow.session)
        for warning in await repository.of_rule("low-pressure", SPAN.since, SPAN.until, 100):
            if warning.device_id == "g2":
                await repository.link_incident(warning.id, handled.id)
            elif warning.opened_at == START + timedelta(minutes=5):
                await repository.link_incident(warning.id, false.id)
        await uow.commit()
    proposal, _ = await replayed(city, Tools(readings), enabled=False)
    assert proposal.replay is not None
    assert (proposal.replay.counts["gone_with_incident"], proposal.replay.counts["gone_dismissed"]) == (1, 1)


async def test_progress_is_told_and_an_approved_threshold_is_undone(
    city: Database, readings: ReadingsStore, api: Api
) -> None:
    told: list[tuple[int, int]] = []

    async def progress(done: int, total: int) -> None:
        told.append((done, total))

    await replayed(city, Tools(readings, progress), hysteresis=2.0)
    assert told == [(3, 3)]
    change = {"rule_id": "low-pressure", "duration_seconds": 600}
    body = {"kind": "threshold", "change": change, "reason": "误报多"}
    made = await api(DUTY_OFFICER, "POST", "proposals", body, status=201)
    path = f"proposals/{made['id']}"
    shown = await api(STEWARD, "POST", f"{path}/replay", {"from": SPAN.since.isoformat(), "to": SPAN.until.isoformat()})
    assert (shown["replay"]["counts"]["gone"], shown["progress"]) == (1, None)
    await api(STEWARD, "POST", f"{path}/decision", {"approve": True, "reason": "好"})
    async with city.unit_of_work() as uow:
        rule = await require_rule(uow, Scope(), "low-pressure")
        assert (rule.duration_seconds, rule.revision) == (600, 2)
    undone = await api(OTHER_STEWARD, "POST", f"{path}/undo", {"reason": "漏报"})
    assert undone["state"] == "withdrawn"
    async with city.unit_of_work() as uow:
        rule = await require_rule(uow, Scope(), "low-pressure")
        assert (rule.duration_seconds, rule.levels, rule.unit_id) == (0, low_pressure().levels, WATER)


async def test_a_rule_changed_by_hand_since_the_replay_makes_it_stale(
    city: Database, readings: ReadingsStore, api: Api
) -> None:
    proposal, _ = await replayed(city, Tools(readings), duration_seconds=600)
    async with city.unit_of_work() as uow:
        await change_rule(uow, Scope(), "low-pressure", low_pressure(hysteresis=3.0))
        await uow.commit()
    yes = {"approve": True, "reason": "好"}
    stale = await api(OTHER_STEWARD, "POST", f"proposals/{proposal.id}/decision", yes, status=409)
    assert stale["error"]["code"] == "proposal_stale"


async def test_a_category_rule_beside_what_past_reports_ended_as(
    city: Database, loop: Loop, clock: FixedClock, api: Api, tmp_path: Path
) -> None:
    """Reports about wells: some came in as other and were put right, one was really a leak, one is still open."""

    async def report(content: str, category: str) -> str:
        async with city.unit_of_work() as uow:
            body = ReportIn(content=content, place=None, category=category, division_code=YUZHONG)
            taken = await take_report(uow, desk_at(tmp_path), DISPATCHER, body)
            await uow.commit()
            return taken.report.incident_id

    async def ended(incident_id: str, category: str | None) -> None:
        async with city.unit_of_work() as uow:
            incident = await require_incident(uow, Scope(), incident_id)
        if category is not None:
            await loop.do(DISPATCHER, incident, "recategorise", category=category, reason="类别有误")
        incident = await loop.do(DISPATCHER, incident, "answer", result="已安排")
        assert incident.state is State.CLOSED

    await ended(await report("解放碑的窨井盖没了", "other"), "manhole")
    await ended(await report("窨井盖响得睡不着", "noise"), None)
    await report("小区门口窨井盖松了", "other")
    await ended(await report("窨井盖翻了", "manhole"), None)
    await report("路灯不亮", "other")
    clock.advance(60)
    change = {"category": "manhole", "any_words": ["窨井盖"]}
    body = {"kind": "category_rule", "change": change, "reason": "总要改类"}
    made = await api(DISPATCHER, "POST", "proposals", body, status=201)
    path = f"proposals/{made['id']}"
    shown = await api(DISPATCHER, "POST", f"{path}/replay", {})
    assert shown["replay"]["counts"] == {"corrected": 1, "spoiled": 1, "unsettled": 1, "same": 1}
    await api(STEWARD, "POST", f"{path}/decision", {"approve": True, "reason": "好"})
    rules = await api(STEWARD, "GET", "category-rules")
    assert [rule["any_words"] for rule in rules["items"]] == [["窨井盖"]]
    effect = (await api(STEWARD, "GET", path))["effect"]
    assert effect["measures"][0]["key"] == "recategorised"
    await api(STEWARD, "POST", f"{path}/undo", {"reason": "误伤"})
    assert (await api(STEWARD, "GET", "category-rules"))["total"] == 0
