"""Counts over incidents and tasks: for the situation at this moment, and for the evaluation of a period."""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from chengnao.incident.model import Incident, Standing, State, Tally
from chengnao.incident.repository import FINAL, incident_of
from chengnao.incident.tables import IncidentRow, TaskRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.repository import Repository

Grouping = Literal["unit", "division"]


class TallyRepository(Repository):
    async def of_period(
        self, scope: Scope, by: Grouping, since: datetime, until: datetime, now: datetime
    ) -> dict[str, Tally]:
        """Counts by unit (empty for incidents that no unit holds) or by district.

        Incidents count in the period in which they were opened, tasks in that in which they were dispatched.
        """
        incident, task = IncidentRow, TaskRow
        late = and_(incident.state.not_in(FINAL), incident.due_at < now)
        incidents = {
            "opened": func.count(),
            "dismissed": _count(incident.state == State.DISMISSED.value),
            "closed": _count(incident.state == State.CLOSED.value),
            "overdue_open": _count(late),
        }
        kept = task.returned_at.is_(None)
        tasks = {
            "dispatched": func.count(),
            "accept_due": _count(or_(task.accepted_at.is_not(None), and_(kept, task.accept_by < now))),
            "accepted_on_time": _count(task.accepted_at <= task.accept_by),
            "handle_due": _count(
                and_(kept, task.accepted_at.is_not(None), or_(task.handled_at.is_not(None), task.handle_by < now))
            ),
            "handled_on_time": _count(and_(kept, task.handled_at <= task.handle_by)),
            "returned": _count(task.returned_at.is_not(None)),
            "reworked": _count(task.reworked > 0),
        }
        found: dict[str, Tally] = {}
        for table, moment, counts in (
            (incident, incident.opened_at, incidents),
            (task, task.dispatched_at, tasks),
        ):
            key: Any = func.coalesce(table.unit_id, "") if by == "unit" else func.left(table.division_code, 6)
            query = (
                select(key.label("key"), *(count.label(name) for name, count in counts.items()))
                .where(scope.where(table), moment >= since, moment < until)
                .group_by(key)
            )
            for row in (await self.session.execute(query)).mappings():
                counted = Tally(**{name: int(row[name] or 0) for name in counts})
                found[row["key"]] = found.get(row["key"], Tally()) + counted
        return found

    async def standing(self, scope: Scope, midnight: datetime, now: datetime) -> Standing:
        row = IncidentRow
        alive = row.state.not_in(FINAL)
        query = select(
            _count(alive),
            _count(and_(alive, row.due_at < now)),
            _count(row.opened_at >= midnight),
            _count(and_(row.state == State.CLOSED.value, row.closed_at >= midnight)),
        ).where(scope.where(row), or_(alive, row.opened_at >= midnight, row.closed_at >= midnight))
        counts = (await self.session.execute(query)).one()
        return Standing(*(int(count or 0) for count in counts))

    async def open_by_district(self, scope: Scope) -> dict[str, tuple[int, int]]:
        """For each district with open incidents: how many, and the gravest grade."""
        district = func.left(IncidentRow.division_code, 6)
        query = select(district, func.count(), func.min(IncidentRow.grade))
        query = query.where(IncidentRow.state.not_in(FINAL), scope.where(IncidentRow)).group_by(district)
        return {code: (count, worst) for code, count, worst in await self.session.execute(query)}

    async def open_on_map(self, scope: Scope, limit: int) -> list[Incident]:
        """Open incidents that have a place, the gravest and newest first."""
        query = select(IncidentRow).where(
            IncidentRow.state.not_in(FINAL), IncidentRow.lon.is_not(None), scope.where(IncidentRow)
        )
        query = query.order_by(IncidentRow.grade, IncidentRow.opened_at.desc()).limit(limit)
        return [incident_of(row) for row in await self.session.scalars(query)]


def _count(condition: ColumnElement[bool]) -> Any:
    return func.sum(case((condition, 1), else_=0))
