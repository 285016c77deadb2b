"""SQL over past cases: what lies near, where dispatches went and came back, and the logs of many incidents."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import cos, radians
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from chengnao.incident.model import Incident, Source, State, Task, TaskRole, TimelineEntry
from chengnao.incident.repository import entry_of, incident_of, task_of, visible
from chengnao.incident.tables import IncidentRow, ReportRow, RequestRow, TaskRow, TimelineRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.places import Place
from chengnao.kernel.repository import Repository, batched

_METRES_OF_A_DEGREE = 111_000
"""A little less than in truth, so that the box is a little too large; the distance itself decides."""

_AT_A_TIME = 500
"""Incidents whose rows are read together; between two parts others may work."""


@dataclass(frozen=True)
class Dispatched:
    """An incident with the tasks of the units that were in the lead, in their order."""

    incident: Incident
    leads: Sequence[Task]


@dataclass(frozen=True)
class Returned:
    """A case that a unit returned because it was the wrong one, and the unit that handled it in the end."""

    incident_id: str
    code: str
    handled_by: str | None


@dataclass(frozen=True)
class Returns:
    """What became of the dispatches of a period."""

    dispatched: int
    returned: int
    wrong: int
    """Returned because the unit was the wrong one."""


@dataclass(frozen=True)
class Told:
    """A report beside the category that its incident has."""

    report_id: str
    tracking_number: str
    content: str
    category: str
    """That of the report when it came in."""
    division_code: str
    unit_id: str | None
    received_at: datetime
    incident_id: str
    number: str
    final: str
    """That of its incident now."""
    settled: bool
    """Whether the incident has ended, so that its category will hardly change again."""


class CaseRepository(Repository):
    async def near(self, scope: Scope, to: Incident, metres: float, within: timedelta) -> list[tuple[Incident, float]]:
        """Other incidents of the category that were opened within the time before or after, and their distance.

        Those that were merged or dismissed are no matter of their own. The nearest come first.
        """
        if to.lon is None or to.lat is None:
            return []
        here, row = Place(to.lon, to.lat), IncidentRow
        high = metres / _METRES_OF_A_DEGREE
        wide = high / max(0.01, cos(radians(to.lat)))
        query = select(row).where(
            visible(scope),
            row.category == to.category,
            row.id != to.id,
            row.opened_at.between(to.opened_at - within, to.opened_at + within),
            row.lon.between(to.lon - wide, to.lon + wide),
            row.lat.between(to.lat - high, to.lat + high),
            row.state.not_in([State.MERGED.value, State.DISMISSED.value]),
        )
        found = [incident_of(each) for each in await self.session.scalars(query)]
        distances = [(each, here.distance_m(Place(each.lon or 0.0, each.lat or 0.0))) for each in found]
        return sorted((pair for pair in distances if pair[1] <= metres), key=lambda pair: (pair[1], pair[0].id))

    async def dispatched(
        self, division_code: str, category: str | None, since: datetime, until: datetime, limit: int
    ) -> tuple[list[Dispatched], int]:
        """The newest incidents opened in the period that were dispatched at least once, and how many there are."""
        row = IncidentRow
        leads = select(TaskRow.id).where(TaskRow.incident_id == row.id, TaskRow.role == TaskRole.LEAD.value)
        query = select(*row.__table__.c).where(*self._opened(division_code, category, since, until), leads.exists())
        total = await self.session.scalar(select(func.count()).select_from(query.subquery()))
        found = await self._newest(query, limit)
        tasks: defaultdict[str, list[Task]] = defaultdict(list)
        lead = TaskRow.role == TaskRole.LEAD.value
        for part in batched(found, _AT_A_TIME):
            wanted = select(*TaskRow.__table__.c).where(TaskRow.incident_id.in_([each.id for each in part]), lead)
            for task in await self._plain(wanted.order_by(TaskRow.seq)):
                tasks[task.incident_id].append(task_of(task))
        return [Dispatched(each, tasks[each.id]) for each in found], total or 0

    async def logs(
        self, category: str | None, grade: int, since: datetime, until: datetime, limit: int
    ) -> tuple[list[tuple[Incident, list[TimelineEntry]]], int]:
        """The newest incidents of the grade opened in the period with their timelines, and how many there are."""
        row = IncidentRow
        query = select(*row.__table__.c).where(*self._opened(None, category, since, until), row.grade == grade)
        total = await self.session.scalar(select(func.count()).select_from(query.subquery()))
        found = await self._newest(query, limit)
        entries: defaultdict[str, list[TimelineEntry]] = defaultdict(list)
        for part in batched(found, _AT_A_TIME):
            log = select(*TimelineRow.__table__.c).where(TimelineRow.incident_id.in_([each.id for each in part]))
            for entry in await self._plain(log.order_by(TimelineRow.seq)):
                entries[entry.incident_id].append(entry_of(entry))
        return [(each, entries[each.id]) for each in found], total or 0

    async def requests(
        self, category: str | None, grade: int, since: datetime, until: datetime, limit: int
    ) -> list[tuple[Incident, datetime, datetime | None]]:
        """Requests of units about incidents of the grade: when they were asked and decided, the newest first."""
        ask, row = RequestRow, IncidentRow
        query = select(row, ask.asked_at, ask.decided_at).join(ask, ask.incident_id == row.id)
        query = query.where(row.grade == grade, ask.asked_at >= since, ask.asked_at < until)
        if category is not None:
            query = query.where(row.category == category)
        found = await self.session.execute(query.order_by(ask.asked_at.desc(), ask.id).limit(limit))
        return [(incident_of(each), asked, decided) for each, asked, decided in found]

    async def returned_by(
        self, division_code: str, category: str, unit_id: str, codes: Collection[str], since: datetime
    ) -> list[Returned]:
        """Cases that the unit has returned since, for one of the reasons; each once, with its last return."""
        task, row = TaskRow, IncidentRow
        later = select(task).subquery()
        handled = (
            select(later.c.unit_id)
            .where(later.c.incident_id == row.id, later.c.role == TaskRole.LEAD.value, later.c.handled_at.is_not(None))
            .order_by(later.c.seq.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = (
            select(row.id, task.return_code, handled)
            .join(task, task.incident_id == row.id)
            .where(
                _below(division_code),
                row.category == category,
                task.unit_id == unit_id,
                task.role == TaskRole.LEAD.value,
                task.returned_at >= since,
                task.return_code.in_(codes),
            )
            .ext(distinct_on(row.id))
            .order_by(row.id, task.seq.desc())
        )
        return [Returned(*each) for each in await self.session.execute(query)]

    async def returns(
        self, division_code: str, category: str | None, codes: Collection[str], since: datetime, until: datetime
    ) -> Returns:
        """The dispatches of a division and category in the period, and how many came back."""
        task, row = TaskRow, IncidentRow
        back = task.returned_at.is_not(None)
        query = (
            select(func.count(), _count(back), _count(and_(back, task.return_code.in_(codes))))
            .join(row, row.id == task.incident_id)
            .where(
                _below(division_code),
                task.role == TaskRole.LEAD.value,
                task.dispatched_at >= since,
                task.dispatched_at < until,
            )
        )
        if category is not None:
            query = query.where(row.category == category)
        counts = (await self.session.execute(query)).one()
        return Returns(*(int(count or 0) for count in counts))

    async def told(
        self, division_code: str | None, since: datetime, until: datetime, limit: int
    ) -> tuple[list[Told], int]:
        """The newest reports of a period with the categories of their incidents, and how many there are."""
        report, row = ReportRow, IncidentRow
        query = select(report, row.id, row.number, row.category, row.state, row.unit_id).join(
            row, row.id == report.incident_id
        )
        query = query.where(report.received_at >= since, report.received_at < until)
        if division_code is not None:
            query = query.where(Scope(division_code).division_condition(report.division_code))
        total = await self.session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self.session.execute(query.order_by(report.received_at.desc(), report.id).limit(limit))
        return [
            Told(
                report_id=each.id,
                tracking_number=each.tracking_number,
                content=each.content,
                category=each.category,
                division_code=each.division_code,
                unit_id=unit_id,
                received_at=each.received_at,
                incident_id=incident_id,
                number=number,
                final=final,
                settled=state == State.CLOSED.value,
            )
            for each, incident_id, number, final, state, unit_id in rows
        ], total or 0

    async def ends_of(self, incident_ids: Collection[str]) -> dict[str, State]:
        """The states of these incidents."""
        query = select(IncidentRow.id, IncidentRow.state).where(IncidentRow.id.in_(incident_ids))
        return {incident_id: State(state) for incident_id, state in await self.session.execute(query)}

    async def _newest(self, query: Select[Any], limit: int) -> list[Incident]:
        ordered = query.order_by(IncidentRow.opened_at.desc(), IncidentRow.id).limit(limit)
        return [incident_of(each) for each in await self._plain(ordered)]

    async def _plain(self, query: Select[Any]) -> Sequence[Any]:
        """Rows of all columns: thousands of mapped objects would cost several times as much."""
        rows: Sequence[Any] = (await self.session.execute(query)).all()
        return rows

    def _opened(
        self, division_code: str | None, category: str | None, since: datetime, until: datetime
    ) -> list[ColumnElement[bool]]:
        """Cases of this platform: those of an earlier system followed other rules."""
        row = IncidentRow
        conditions = [row.opened_at >= since, row.opened_at < until, row.source != Source.IMPORT.value]
        if division_code is not None:
            conditions.append(_below(division_code))
        if category is not None:
            conditions.append(row.category == category)
        return conditions


def _below(division_code: str) -> ColumnElement[bool]:
    return Scope(division_code).division_condition(IncidentRow.division_code)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
