"""Proposals that change a rule of warnings: replayed on past readings through the evaluator that warns."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from chengnao.incident.case_repository import CaseRepository
from chengnao.incident.model import State
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, Unavailable
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.repository import batched
from chengnao.kernel.vocabulary import Level
from chengnao.review.proposals.changes import ThresholdChange
from chengnao.review.proposals.episodes import Episode, compared, episodes
from chengnao.review.proposals.kinds import MOST_CASES, Outcome, Tools
from chengnao.review.proposals.model import Case, Measure, Span, Target, Thing
from chengnao.sensing.devices.list_repository import DeviceFilter, DeviceLists
from chengnao.sensing.devices.model import Device, device_classes
from chengnao.sensing.devices.repository import DeviceRepository
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.warning.evaluator import Evaluator
from chengnao.warning.model import DeviceWarning, Step, ThresholdRule
from chengnao.warning.repository import WarningRepository
from chengnao.warning.series import SeriesIndex
from chengnao.warning.service import change_rule, require_rule

MOST_DEVICES = 500
MOST_READINGS = 2_000_000
_AT_A_TIME = 20
"""Devices that are read and judged together."""
_FIELDS = ("levels", "duration_seconds", "hysteresis", "opens_incident_at", "enabled")


class ThresholdKind:
    """Changes a rule of warnings."""

    action = "threshold.write"

    async def target(self, uow: UnitOfWork, change: ThresholdChange) -> Target:
        rule = await require_rule(uow, Scope(), change.rule_id)
        changed = with_change(rule, change)
        if changed == rule:
            raise Invalid("proposal_changes_nothing", field="change")
        classes = device_classes()
        known = classes.get(rule.device_class or "")
        kind = known.name_zh if known else rule.device_id
        about = f"{kind} {rule.metric} {rule.direction.zh}阈值：{_shown(rule)} 改为 {_shown(changed)}"
        return Target(f"threshold:{rule.id}", rule.division_code, about)

    async def current(self, uow: UnitOfWork, change: ThresholdChange) -> Thing:
        rule = await WarningRepository(uow.session).rule(Scope(), change.rule_id)
        return None if rule is None else _plain(rule)

    async def replay(self, uow: UnitOfWork, change: ThresholdChange, span: Span, tools: Tools) -> Outcome:
        if tools.store is None:
            raise Unavailable("store_unavailable", reason="not connected")
        rule = await require_rule(uow, Scope(), change.rule_id)
        changed = with_change(rule, change)
        same = [
            each
            for each in await WarningRepository(uow.session).all_rules()
            if (each.metric, each.direction) == (rule.metric, rule.direction) and each.id != rule.id
        ]
        devices, total = await self._devices(uow, rule)
        pair = Pair(devices, [rule, *same], [changed, *same], rule.id)
        looked_at = await _run(pair, tools, tools.store, devices, rule.metric, span)
        rows = compared(episodes(pair.was), episodes(pair.would))
        recorded = await WarningRepository(uow.session).of_rule(rule.id, span.since, span.until, MOST_CASES)
        states = await CaseRepository(uow.session).ends_of({each.incident_id for each in recorded if each.incident_id})
        cases = _cases(rows, {device.id: device for device in devices}, recorded, states)
        cases.sort(key=lambda each: (each.outcome == "kept", each.at))
        notes = ["期初各设备按正常状态起算", "按读数自身的时间回放，不含当时的迟到"]
        if looked_at < total:
            notes.append(f"设备或读数过多，只回放了 {total} 台中的 {looked_at} 台")
        if len(cases) > MOST_CASES:
            notes.append(f"明细只列 {MOST_CASES} 条，计数是全部的")
        return Outcome(cases[:MOST_CASES], _counts(rows, rule, changed, cases), total, looked_at, _levels(rows), notes)

    async def _devices(self, uow: UnitOfWork, rule: ThresholdRule) -> tuple[list[Device], int]:
        repository = DeviceRepository(uow.session)
        if rule.device_id is not None:
            found = await repository.by_ids(Scope(), [rule.device_id])
            return found, len(found)
        of_class = DeviceFilter(class_code=rule.device_class or "")
        page = await DeviceLists(uow.session).devices(Scope(), of_class, PageRequest(1, MOST_DEVICES))
        return page.items, page.total

    async def apply(self, uow: UnitOfWork, actor: Principal, change: ThresholdChange) -> None:
        rule = await require_rule(uow, Scope(), change.rule_id)
        await self._put(uow, actor, with_change(rule, change))

    async def restore(self, uow: UnitOfWork, actor: Principal, change: ThresholdChange, before: Thing) -> None:
        rule = await require_rule(uow, Scope(), change.rule_id)
        values = {name: (before or {})[name] for name in _FIELDS}
        await self._put(uow, actor, _with(rule, values))

    async def _put(self, uow: UnitOfWork, actor: Principal, rule: ThresholdRule) -> None:
        put = await change_rule(uow, Scope(), rule.id, rule)
        await record_act(uow, actor, self.action, threshold=put.id, revision=put.revision)

    async def measures(self, uow: UnitOfWork, change: ThresholdChange, span: Span) -> list[Measure]:
        found = await WarningRepository(uow.session).of_rule(change.rule_id, span.since, span.until, 100_000)
        linked = {each.incident_id for each in found if each.incident_id}
        states = await CaseRepository(uow.session).ends_of(linked)
        ended = [state for state in states.values() if state.final]
        false = ended.count(State.DISMISSED)
        days = (span.until - span.since) / timedelta(days=1)
        return [
            Measure("warnings", "每天预警", "warnings a day", len(found), days, daily=True),
            Measure("dismissed", "预警立案后不予立案的比例", "share of its incidents dismissed", false, len(ended)),
        ]


class Pair:
    """Two evaluators over the same readings: with the rules as they are, and as they would be."""

    def __init__(
        self,
        devices: Sequence[Device],
        was: Iterable[ThresholdRule],
        would: Iterable[ThresholdRule],
        rule_id: str,
    ) -> None:
        metrics = {code: list(each.metrics) for code, each in device_classes().items()}
        self.index = SeriesIndex([(device.id, device.class_code) for device in devices], metrics)
        self._evaluators = Evaluator(was, self.index), Evaluator(would, self.index)
        self._rule_id = rule_id
        self.was: list[Step] = []
        self.would: list[Step] = []

    def take(self, table: pa.Table) -> None:
        """Judge the readings, all those of a device at once."""
        rows = self.index.read(table)
        for evaluator, steps in zip(self._evaluators, (self.was, self.would), strict=True):
            steps += [step for step in evaluator.evaluate(rows) if step.state.rule_id == self._rule_id]


async def _run(
    pair: Pair, tools: Tools, store: ReadingsStore, devices: Sequence[Device], metric: str, span: Span
) -> int:
    """Feed the readings of the devices; returns of how many devices, where there are too many readings."""
    left, done = MOST_READINGS, 0
    for part in batched(devices, _AT_A_TIME):
        table = await store.of_devices([each.id for each in part], metric, span.since, span.until, left)
        left -= table.num_rows
        if left <= 0:
            break  # the last device may be cut off
        await asyncio.to_thread(pair.take, table)
        done += len(part)
        await tools.progress(done, len(devices))
    return done


def with_change(rule: ThresholdRule, change: ThresholdChange) -> ThresholdRule:
    """The rule as it would be; raises Invalid where that is no rule."""
    return _with(rule, change.model_dump(include=set(_FIELDS), exclude_none=True))


def _with(rule: ThresholdRule, values: Mapping[str, Any]) -> ThresholdRule:
    turned = dict(values)
    if "levels" in turned:
        turned["levels"] = {Level(int(level)): value for level, value in turned["levels"].items()}
    if "opens_incident_at" in turned:
        turned["opens_incident_at"] = Level(turned["opens_incident_at"])
    return replace(rule, **turned)


def _plain(rule: ThresholdRule) -> dict[str, Any]:
    levels = {str(int(level)): value for level, value in sorted(rule.levels.items())}
    opens = int(rule.opens_incident_at)
    return {name: getattr(rule, name) for name in _FIELDS} | {"levels": levels, "opens_incident_at": opens}


def _shown(rule: ThresholdRule) -> str:
    if not rule.enabled:
        return "停用"
    levels = "、".join(f"{level.zh} {value:g}" for level, value in sorted(rule.levels.items()))
    return f"{levels}（持续 {rule.duration_seconds:g} 秒，回差 {rule.hysteresis:g}，{rule.opens_incident_at.zh}起立案）"


def _counts(
    rows: Sequence[tuple[str, Episode | None, Episode | None]],
    rule: ThresholdRule,
    changed: ThresholdRule,
    cases: Sequence[Case],
) -> dict[str, int]:
    was = [each for _, each, _ in rows if each is not None]
    would = [each for _, _, each in rows if each is not None]
    gone = [each for each in cases if each.outcome == "gone"]
    return {
        **Counter(outcome for outcome, _, _ in rows),
        "was": len({(each.device_id, each.opened_at) for each in was}),
        "would": len(would),
        "opening_was": len({(e.device_id, e.opened_at) for e in was if e.peak <= rule.opens_incident_at}),
        "opening_would": sum(each.peak <= changed.opens_incident_at for each in would),
        "gone_with_incident": sum(each.detail["incident"] not in (None, State.DISMISSED.value) for each in gone),
        "gone_dismissed": sum(each.detail["incident"] == State.DISMISSED.value for each in gone),
    }


def _levels(rows: Sequence[tuple[str, Episode | None, Episode | None]]) -> dict[str, Any]:
    """How many warnings of each level, before and after."""
    was = {(each.device_id, each.opened_at): each for _, each, _ in rows if each is not None}
    return {
        "levels_was": Counter(str(int(each.peak)) for each in was.values()),
        "levels_would": Counter(str(int(each.peak)) for _, _, each in rows if each is not None),
    }


def _cases(
    rows: Sequence[tuple[str, Episode | None, Episode | None]],
    devices: Mapping[str, Device],
    recorded: Sequence[DeviceWarning],
    states: Mapping[str, State],
) -> list[Case]:
    real: defaultdict[str, list[tuple[Episode, DeviceWarning]]] = defaultdict(list)
    for warning in recorded:
        cleared = None if warning.cleared_at is None else _milliseconds(warning.cleared_at)
        known = Episode(warning.device_id, _milliseconds(warning.opened_at), warning.peak_level, cleared)
        real[warning.device_id].append((known, warning))
    cases = []
    for outcome, was, would in rows:
        shown = was or would
        assert shown is not None
        device = devices[shown.device_id]
        linked = [w.incident_id for e, w in real[shown.device_id] if w.incident_id and e.overlaps(shown)]
        incident_id = linked[0] if linked else None
        detail = {
            "device": device.id,
            "was": _told(was),
            "would": _told(would),
            "incident": states[incident_id].value if incident_id else None,
        }
        cases.append(
            Case(
                outcome=outcome,
                at=_moment(shown.opened_at),
                division_code=device.division_code,
                unit_id=device.unit_id,
                incident_id=incident_id,
                title=f"{device.name} {shown.peak.zh}预警",
                detail=detail,
            )
        )
    return cases


def _told(episode: Episode | None) -> dict[str, Any] | None:
    if episode is None:
        return None
    cleared = None if episode.cleared_at is None else _moment(episode.cleared_at).isoformat()
    return {"level": int(episode.peak), "opened_at": _moment(episode.opened_at).isoformat(), "cleared_at": cleared}


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
