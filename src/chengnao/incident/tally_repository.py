"""Counts over incidents for the situation at this moment."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select

from chengnao.incident.model import Incident, Standing, State
from chengnao.incident.repository import FINAL, incident_of
from chengnao.incident.tables import IncidentRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.repository import Repository


class TallyRepository(Repository):
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
