"""Use cases of warnings: keep what the evaluator found, and change the rules. None of them commits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, NotFound
from chengnao.kernel.ids import new_id
from chengnao.sensing.devices import service as devices
from chengnao.warning.defaults import default_rules
from chengnao.warning.events import (
    DeviceFaultCleared,
    DeviceFaultOpened,
    WarningChanged,
    WarningCleared,
    WarningOpened,
)
from chengnao.warning.model import (
    DeviceFacts,
    DeviceWarning,
    FaultStep,
    SeriesState,
    Step,
    ThresholdRule,
    WarningState,
    title_of,
)
from chengnao.warning.repository import Key, WarningRepository

_E = TypeVar("_E", WarningOpened, WarningChanged, WarningCleared)
Change = tuple[str, datetime, int, float | None, str]


async def record_steps(
    uow: UnitOfWork, steps: Sequence[Step], rules: Mapping[str, ThresholdRule], facts: Mapping[str, DeviceFacts]
) -> None:
    """Keep the steps of a batch: states, warnings with their records, and the events that tell of them.

    A step that the database already knows changes nothing, so a batch may come twice.
    """
    repository = WarningRepository(uow.session)
    await repository.put_states({(step.state.rule_id, step.state.device_id): step.state for step in steps}.values())
    moves = [step for step in steps if step.state.level != step.before]
    current = await repository.open_warnings({(step.state.rule_id, step.state.device_id) for step in moves})
    touched: dict[str, DeviceWarning] = {}
    changes: list[Change] = []
    for step in moves:
        key = (step.state.rule_id, step.state.device_id)
        device = facts.get(step.state.device_id)
        if device is None:
            continue
        after = _move(uow, step, rules[step.state.rule_id], device, current.get(key))
        if after is None:
            continue
        touched[after.id] = after
        changes.append((after.id, after.updated_at, _recorded(after), step.value, ""))
        if after.state is WarningState.OPEN:
            current[key] = after
        else:
            del current[key]
    await repository.put_warnings(list(touched.values()))
    await repository.add_changes(changes)


def _recorded(warning: DeviceWarning) -> int:
    return int(warning.level) if warning.state is WarningState.OPEN else 0


def _move(
    uow: UnitOfWork, step: Step, rule: ThresholdRule, device: DeviceFacts, current: DeviceWarning | None
) -> DeviceWarning | None:
    level = step.state.level
    at = datetime.fromtimestamp(step.state.last_time / 1000, UTC)
    if level is None:
        return None if current is None else _clear(uow, current, at, step.value, "")
    if current is None:
        opened = DeviceWarning(
            id=new_id(),
            rule_id=rule.id,
            device_id=device.id,
            device_name=device.name,
            title=title_of(device, rule, level, step.value),
            metric=rule.metric,
            unit=device.metric_units.get(rule.metric, ""),
            direction=rule.direction,
            category=rule.category,
            level=level,
            peak_level=level,
            opens_incident_at=rule.opens_incident_at,
            state=WarningState.OPEN,
            value=step.value,
            threshold=rule.levels[level],
            opened_at=at,
            updated_at=at,
            cleared_at=None,
            division_code=device.division_code,
            unit_id=device.unit_id or rule.unit_id,
            lon=device.lon,
            lat=device.lat,
        )
        uow.publish(_event(WarningOpened, opened))
        return opened
    if current.level == level:
        return None
    changed = replace(
        current,
        title=title_of(device, rule, level, step.value),
        level=level,
        peak_level=min(level, current.peak_level),
        value=step.value,
        threshold=rule.levels[level],
        updated_at=at,
    )
    uow.publish(_event(WarningChanged, changed, previous_level=int(current.level)))
    return changed


def _clear(uow: UnitOfWork, current: DeviceWarning, at: datetime, value: float | None, reason: str) -> DeviceWarning:
    cleared = replace(
        current,
        state=WarningState.CLEARED,
        value=current.value if value is None else value,
        updated_at=at,
        cleared_at=at,
    )
    uow.publish(_event(WarningCleared, cleared, reason=reason))
    return cleared


def _event(kind: Callable[..., _E], warning: DeviceWarning, **more: object) -> _E:
    return kind(
        subject=warning.id,
        division_code=warning.division_code,
        unit_id=warning.unit_id,
        device_id=warning.device_id,
        device_name=warning.device_name,
        metric=warning.metric,
        category=warning.category,
        title=warning.title,
        level=int(warning.level),
        opens_incident_at=int(warning.opens_incident_at),
        value=warning.value,
        at=warning.updated_at.isoformat(),
        lon=warning.lon,
        lat=warning.lat,
        **more,
    )


async def drop_orphans(uow: UnitOfWork, orphans: Iterable[SeriesState]) -> None:
    """Clear the warnings whose rule was changed, switched off, replaced or removed, or whose device is gone."""
    keys: set[Key] = {(state.rule_id, state.device_id) for state in orphans}
    if not keys:
        return
    repository = WarningRepository(uow.session)
    now, reason = uow.clock.now(), "阈值规则已变更或停用"
    cleared = [_clear(uow, warning, now, None, reason) for warning in (await repository.open_warnings(keys)).values()]
    await repository.put_warnings(cleared)
    await repository.add_changes([(warning.id, now, 0, None, reason) for warning in cleared])
    await repository.delete_states(keys)


async def record_faults(uow: UnitOfWork, steps: Sequence[FaultStep], facts: Mapping[str, DeviceFacts]) -> None:
    """Keep device faults that began or ended, with their events."""
    repository = WarningRepository(uow.session)
    for step in steps:
        device = facts.get(step.device_id)
        if device is None:
            continue
        at = datetime.fromtimestamp(step.since / 1000, UTC)
        if step.opened:
            fresh = await repository.open_fault(step, device)
            await devices.note_fault(uow, device.id, step.metric, step.kind.value, at, step.value)
        else:
            fresh = await repository.clear_fault(step, at)
            await devices.clear_fault(uow, device.id, step.metric, step.kind.value)
        if fresh:
            kind = DeviceFaultOpened if step.opened else DeviceFaultCleared
            uow.publish(
                kind(
                    subject=device.id,
                    division_code=device.division_code,
                    unit_id=device.unit_id,
                    device_name=device.name,
                    metric=step.metric,
                    kind=step.kind.value,
                    at=at.isoformat(),
                )
            )


async def seed_thresholds(uow: UnitOfWork) -> None:
    """Add the default rules that are not there yet; those that somebody has changed stay changed."""
    repository = WarningRepository(uow.session)
    for rule in default_rules():
        await repository.add_rule_once(rule)


async def add_rule(uow: UnitOfWork, rule: ThresholdRule) -> ThresholdRule:
    """Add a rule; it takes effect within seconds."""
    await _put(uow, rule)
    return rule


async def change_rule(uow: UnitOfWork, scope: Scope, rule_id: str, changed: ThresholdRule) -> ThresholdRule:
    """Replace a rule. Warnings that the old one had opened are cleared, and judged anew by the new one."""
    old = await require_rule(uow, scope, rule_id)
    rule = replace(changed, id=old.id, revision=old.revision + 1)
    await _put(uow, rule)
    return rule


async def remove_rule(uow: UnitOfWork, scope: Scope, rule_id: str) -> None:
    """Remove a rule; the warnings that it had opened are cleared. A default rule is kept, switched off."""
    rule = await require_rule(uow, scope, rule_id)
    if rule_id in {each.id for each in default_rules()}:
        await _put(uow, replace(rule, enabled=False, revision=rule.revision + 1))
    else:
        await WarningRepository(uow.session).delete_rule(rule_id)


async def require_rule(uow: UnitOfWork, scope: Scope, rule_id: str) -> ThresholdRule:
    rule = await WarningRepository(uow.session).rule(scope, rule_id)
    if rule is None:
        raise NotFound("not_found", kind="阈值规则", id=rule_id)
    return rule


async def require_warning(uow: UnitOfWork, scope: Scope, warning_id: str) -> DeviceWarning:
    warning = await WarningRepository(uow.session).warning(scope, warning_id)
    if warning is None:
        raise NotFound("not_found", kind="预警", id=warning_id)
    return warning


async def _put(uow: UnitOfWork, rule: ThresholdRule) -> None:
    if not await WarningRepository(uow.session).put_rule(rule):
        raise Conflict("threshold_exists", metric=rule.metric)
