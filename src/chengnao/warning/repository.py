"""All SQL over rules, warnings and faults."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import CursorResult, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.access.model import Scope
from chengnao.kernel.ids import new_id
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains
from chengnao.kernel.vocabulary import Level
from chengnao.sensing.open.features.model import Question
from chengnao.warning.model import (
    DeviceFacts,
    DeviceWarning,
    Direction,
    FaultKind,
    FaultStep,
    LevelMark,
    SeriesState,
    ThresholdRule,
    WarningChange,
    WarningState,
)
from chengnao.warning.tables import DeviceFaultRow, SeriesStateRow, ThresholdRuleRow, WarningChangeRow, WarningRow

Key = tuple[str, str]
"""A rule and a device."""


class WarningRepository(Repository):
    # Rules. Those for a class hold for the whole city, and everybody may read them.

    async def all_rules(self) -> list[ThresholdRule]:
        rows = await self.session.scalars(select(ThresholdRuleRow).order_by(ThresholdRuleRow.id))
        return [_rule(row) for row in rows]

    async def rules(self, scope: Scope, request: PageRequest, *, words: str = "") -> Page[ThresholdRule]:
        query = select(ThresholdRuleRow).where(_readable(scope))
        if words:
            query = query.where(
                or_(
                    contains(ThresholdRuleRow.metric, words),
                    contains(ThresholdRuleRow.device_class, words),
                    contains(ThresholdRuleRow.device_id, words),
                )
            )
        query = query.order_by(ThresholdRuleRow.device_class, ThresholdRuleRow.device_id, ThresholdRuleRow.id)
        page = await self.page(query, request)
        return page.map(_rule)

    async def rule(self, scope: Scope, rule_id: str) -> ThresholdRule | None:
        query = select(ThresholdRuleRow).where(ThresholdRuleRow.id == rule_id, _readable(scope))
        row = await self.session.scalar(query)
        return None if row is None else _rule(row)

    async def rules_for(self, device_class: str, device_id: str, metric: str) -> list[ThresholdRule]:
        """The rules in force for one metric of one device: its own, or those of its class."""
        query = select(ThresholdRuleRow).where(
            ThresholdRuleRow.metric == metric,
            ThresholdRuleRow.enabled,
            or_(ThresholdRuleRow.device_class == device_class, ThresholdRuleRow.device_id == device_id),
        )
        rows = await self.session.scalars(query.order_by(ThresholdRuleRow.device_id.nulls_last()))
        chosen: dict[Direction, ThresholdRule] = {}
        for row in rows:
            rule = _rule(row)
            chosen.setdefault(rule.direction, rule)
        return list(chosen.values())

    async def put_rule(self, rule: ThresholdRule) -> bool:
        """Insert or replace; False where another rule has the same target, metric and direction."""
        taken = await self.session.scalar(
            select(ThresholdRuleRow.id).where(
                ThresholdRuleRow.id != rule.id,
                ThresholdRuleRow.device_class.is_not_distinct_from(rule.device_class),
                ThresholdRuleRow.device_id.is_not_distinct_from(rule.device_id),
                ThresholdRuleRow.metric == rule.metric,
                ThresholdRuleRow.direction == rule.direction.value,
            )
        )
        if taken is not None:
            return False
        values = _rule_values(rule)
        statement = insert(ThresholdRuleRow).values(**values)
        await self.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
        return True

    async def add_rule_once(self, rule: ThresholdRule) -> None:
        """Insert a default rule; leaves one that is already there as it is."""
        await self.session.execute(insert(ThresholdRuleRow).values(**_rule_values(rule)).on_conflict_do_nothing())

    async def delete_rule(self, rule_id: str) -> None:
        await self.session.execute(delete(ThresholdRuleRow).where(ThresholdRuleRow.id == rule_id))

    # State of the evaluator.

    async def states(self) -> list[SeriesState]:
        return [_state(row) for row in await self.session.scalars(select(SeriesStateRow))]

    async def put_states(self, states: Iterable[SeriesState]) -> None:
        rows = [
            {
                "rule_id": state.rule_id,
                "device_id": state.device_id,
                "revision": state.revision,
                "phase": state.phase.value,
                "last_time": state.last_time,
                "marks": {str(int(level)): [mark.on, mark.since] for level, mark in state.marks.items()},
            }
            for state in states
        ]
        for part in _parts(rows):
            statement = insert(SeriesStateRow).values(part)
            changed = {name: statement.excluded[name] for name in ("revision", "phase", "last_time", "marks")}
            await self.session.execute(
                statement.on_conflict_do_update(index_elements=["rule_id", "device_id"], set_=changed)
            )

    async def delete_states(self, keys: Iterable[Key]) -> None:
        for part in _parts(list(keys)):
            await self.session.execute(
                delete(SeriesStateRow).where(tuple_(SeriesStateRow.rule_id, SeriesStateRow.device_id).in_(part))
            )

    # Warnings.

    async def open_warnings(self, keys: Iterable[Key]) -> dict[Key, DeviceWarning]:
        """The open warnings of these rules and devices, locked until the unit of work ends."""
        found: dict[Key, DeviceWarning] = {}
        for part in _parts(list(keys)):
            query = select(WarningRow).where(
                WarningRow.state == WarningState.OPEN.value,
                tuple_(WarningRow.rule_id, WarningRow.device_id).in_(part),
            )
            for row in await self.session.scalars(query.with_for_update()):
                found[row.rule_id, row.device_id] = _warning(row)
        return found

    async def put_warnings(self, warnings: Sequence[DeviceWarning]) -> None:
        """Insert the warnings, or bring those that exist to the new state, in the order given."""
        rows = [
            asdict(warning)
            | {
                "direction": warning.direction.value,
                "state": warning.state.value,
                "level": int(warning.level),
                "peak_level": int(warning.peak_level),
                "opens_incident_at": int(warning.opens_incident_at),
            }
            for warning in warnings
        ]
        for part in _parts(rows):
            statement = insert(WarningRow).values(part)
            names = ("title", "level", "peak_level", "state", "value", "threshold", "updated_at", "cleared_at")
            changed = {name: statement.excluded[name] for name in names}
            await self.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed))

    async def add_changes(self, changes: Sequence[tuple[str, datetime, int, float | None, str]]) -> None:
        """Append (warning, time, level, value, reason) to the records."""
        if not changes:
            return
        row = WarningChangeRow
        query = select(row.warning_id, func.max(row.seq)).where(row.warning_id.in_({each[0] for each in changes}))
        found = await self.session.execute(query.group_by(row.warning_id))
        last = {each.warning_id: each[1] for each in found}
        rows = []
        for warning_id, at, level, value, reason in changes:
            last[warning_id] = last.get(warning_id, 0) + 1
            rows.append(
                {
                    "warning_id": warning_id,
                    "seq": last[warning_id],
                    "at": at,
                    "level": level,
                    "value": value,
                    "reason": reason,
                }
            )
        for part in _parts(rows):
            await self.session.execute(insert(row).values(part))

    async def warnings(
        self,
        scope: Scope,
        request: PageRequest,
        *,
        state: str | None = None,
        level: int | None = None,
        division: str | None = None,
        words: str = "",
    ) -> Page[DeviceWarning]:
        query = select(WarningRow).where(scope.where(WarningRow))
        if state:
            query = query.where(WarningRow.state == state)
        if level:
            query = query.where(WarningRow.level == level)
        if division:
            query = query.where(Scope(division).division_condition(WarningRow.division_code))
        if words:
            query = query.where(or_(contains(WarningRow.title, words), contains(WarningRow.device_id, words)))
        gravest_first = [WarningRow.level] if state == "open" else []
        query = query.order_by(*gravest_first, WarningRow.opened_at.desc(), WarningRow.id.desc())
        page = await self.page(query, request)
        return page.map(_warning)

    async def as_features(self, scope: Scope, question: Question, level: int | None) -> tuple[list[DeviceWarning], int]:
        """The warnings that stood at some time within the question's, the newest first, and how many there are."""
        query = select(WarningRow).where(scope.where(WarningRow))
        if question.boxes:
            inside = [
                and_(WarningRow.lon.between(west, east), WarningRow.lat.between(south, north))
                for west, south, east, north in question.boxes
            ]
            query = query.where(or_(*inside))
        if question.since is not None:
            query = query.where(or_(WarningRow.cleared_at.is_(None), WarningRow.cleared_at >= question.since))
        if question.until is not None:
            query = query.where(WarningRow.opened_at <= question.until)
        if level is not None:
            query = query.where(WarningRow.level == level)
        for name, value in question.equals.items():
            query = query.where(getattr(WarningRow, name) == value)
        count = await self.session.scalar(select(func.count()).select_from(query.subquery()))
        query = query.order_by(WarningRow.opened_at.desc(), WarningRow.id.desc())
        rows = await self.session.scalars(query.limit(question.limit).offset(question.offset))
        return [_warning(row) for row in rows], count or 0

    async def warning(self, scope: Scope, warning_id: str) -> DeviceWarning | None:
        query = select(WarningRow).where(WarningRow.id == warning_id, scope.where(WarningRow))
        row = await self.session.scalar(query)
        return None if row is None else _warning(row)

    async def of_rule(self, rule_id: str, since: datetime, until: datetime, limit: int) -> list[DeviceWarning]:
        """The newest warnings that the rule opened in the period."""
        query = select(WarningRow).where(
            WarningRow.rule_id == rule_id, WarningRow.opened_at >= since, WarningRow.opened_at < until
        )
        rows = await self.session.scalars(query.order_by(WarningRow.opened_at.desc(), WarningRow.id).limit(limit))
        return [_warning(row) for row in rows]

    async def changes(self, warning_id: str) -> list[WarningChange]:
        query = select(WarningChangeRow).where(WarningChangeRow.warning_id == warning_id)
        rows = await self.session.scalars(query.order_by(WarningChangeRow.seq))
        return [WarningChange(row.seq, row.at, row.level, row.value, row.reason) for row in rows]

    async def link_incident(self, warning_id: str, incident_id: str) -> None:
        await self.session.execute(
            update(WarningRow).where(WarningRow.id == warning_id).values(incident_id=incident_id)
        )

    async def warnings_of_incident(self, incident_id: str) -> list[DeviceWarning]:
        query = select(WarningRow).where(WarningRow.incident_id == incident_id).order_by(WarningRow.opened_at)
        return [_warning(row) for row in await self.session.scalars(query)]

    async def open_by_level(self, scope: Scope) -> dict[int, int]:
        query = select(WarningRow.level, func.count()).where(_open(), scope.where(WarningRow))
        return {level: count for level, count in await self.session.execute(query.group_by(WarningRow.level))}  # noqa: C416

    async def open_by_district(self, scope: Scope) -> dict[str, tuple[int, int]]:
        """For each district with open warnings: how many, and the gravest level."""
        district = func.left(WarningRow.division_code, 6)
        query = select(district, func.count(), func.min(WarningRow.level)).where(_open(), scope.where(WarningRow))
        rows = await self.session.execute(query.group_by(district))
        return {code: (count, worst) for code, count, worst in rows}

    async def open_on_map(self, scope: Scope, limit: int) -> list[DeviceWarning]:
        """Open warnings that have a place, the gravest and newest first."""
        query = select(WarningRow).where(_open(), scope.where(WarningRow), WarningRow.lon.is_not(None))
        rows = await self.session.scalars(query.order_by(WarningRow.level, WarningRow.opened_at.desc()).limit(limit))
        return [_warning(row) for row in rows]

    # Faults.

    async def open_faults(self) -> list[tuple[str, str, FaultKind]]:
        query = select(DeviceFaultRow).where(DeviceFaultRow.cleared_at.is_(None))
        return [(row.device_id, row.metric, FaultKind(row.kind)) for row in await self.session.scalars(query)]

    async def open_fault(self, step: FaultStep, device: DeviceFacts) -> bool:
        """False where that fault is already open."""
        statement = insert(DeviceFaultRow).values(
            id=new_id(),
            device_id=step.device_id,
            metric=step.metric,
            kind=step.kind.value,
            since=datetime.fromtimestamp(step.since / 1000, UTC),
            cleared_at=None,
            division_code=device.division_code,
            unit_id=device.unit_id,
        )
        return bool(cast(CursorResult[Any], await self.session.execute(statement.on_conflict_do_nothing())).rowcount)

    async def clear_fault(self, step: FaultStep, at: datetime) -> bool:
        """False where no such fault is open."""
        statement = (
            update(DeviceFaultRow)
            .where(
                DeviceFaultRow.device_id == step.device_id,
                DeviceFaultRow.metric == step.metric,
                DeviceFaultRow.kind == step.kind.value,
                DeviceFaultRow.cleared_at.is_(None),
            )
            .values(cleared_at=at)
        )
        return bool(cast(CursorResult[Any], await self.session.execute(statement)).rowcount)


def _readable(scope: Scope) -> Any:
    return or_(ThresholdRuleRow.device_id.is_(None), scope.where(ThresholdRuleRow))


def _open() -> Any:
    return WarningRow.state == WarningState.OPEN.value


def _parts(rows: list[Any], size: int = 1000) -> Iterable[list[Any]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _rule_values(rule: ThresholdRule) -> dict[str, Any]:
    return asdict(rule) | {
        "direction": rule.direction.value,
        "levels": {str(int(level)): value for level, value in rule.levels.items()},
        "opens_incident_at": int(rule.opens_incident_at),
    }


def _rule(row: ThresholdRuleRow) -> ThresholdRule:
    values = {each.name: getattr(row, each.name) for each in fields(ThresholdRule)}
    levels = {Level(int(level)): value for level, value in sorted(row.levels.items())}
    return ThresholdRule(
        **values
        | {
            "levels": levels,
            "direction": Direction(row.direction),
            "opens_incident_at": Level(row.opens_incident_at),
        }
    )


def _state(row: SeriesStateRow) -> SeriesState:
    marks = {Level(int(level)): LevelMark(on, since) for level, (on, since) in row.marks.items()}
    return SeriesState(row.rule_id, row.device_id, row.revision, row.last_time, marks)


def _warning(row: WarningRow) -> DeviceWarning:
    values = {each.name: getattr(row, each.name) for each in fields(DeviceWarning)}
    return DeviceWarning(
        **values
        | {
            "direction": Direction(row.direction),
            "state": WarningState(row.state),
            "level": Level(row.level),
            "peak_level": Level(row.peak_level),
            "opens_incident_at": Level(row.opens_incident_at),
        }
    )
