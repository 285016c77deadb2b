"""SQL over the reports that Open311 may show: those that came by it."""

from sqlalchemy import ColumnElement, Select, and_, or_, select

from chengnao.incident.model import State
from chengnao.incident.open311.model import Outside, Shown, Wanted, statuses
from chengnao.incident.reports.model import Channel
from chengnao.incident.reports.repository import report_of
from chengnao.incident.repository import incident_of
from chengnao.incident.tables import IncidentRow, ReportRow
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.repository import Repository


class Open311Repository(Repository):
    async def requests(self, wanted: Wanted, limit: int, offset: int) -> list[Shown]:
        """The wanted requests, the newest first."""
        report = ReportRow
        query = _shown()
        if wanted.ids:
            return await self._all(query.where(report.tracking_number.in_(wanted.ids)), limit, offset)
        query = query.where(report.received_at >= wanted.since, report.received_at <= wanted.until)
        if wanted.codes:
            query = query.where(report.category.in_(wanted.codes))
        if wanted.statuses:
            query = query.where(or_(*(_is(status) for status in wanted.statuses)))
        if wanted.bbox is not None:
            west, south, east, north = wanted.bbox
            query = query.where(report.lon.between(west, east), report.lat.between(south, north))
        return await self._all(query, limit, offset)

    async def by_number(self, number: str) -> Shown | None:
        return next(iter(await self._all(_shown().where(ReportRow.tracking_number == number), 1, 0)), None)

    async def by_id(self, report_id: str) -> Shown | None:
        return next(iter(await self._all(_shown().where(ReportRow.id == report_id), 1, 0)), None)

    async def _all(self, query: Select[ReportRow, IncidentRow], limit: int, offset: int) -> list[Shown]:
        query = query.order_by(ReportRow.received_at.desc(), ReportRow.id.desc()).limit(limit).offset(offset)
        found = [(report_of(row), incident_of(incident)) for row, incident in await self.session.execute(query)]
        ids = {incident.unit_id for _, incident in found if incident.unit_id}
        units = await OrganisationRepository(self.session).by_ids(sorted(ids)) if ids else {}
        names = {unit_id: unit.name for unit_id, unit in units.items()}
        return [Shown(report, incident, names.get(incident.unit_id or "")) for report, incident in found]


def _shown() -> Select[ReportRow, IncidentRow]:
    """What was told by other channels was not told to be published."""
    query = select(ReportRow, IncidentRow).join(IncidentRow, IncidentRow.id == ReportRow.incident_id)
    return query.where(ReportRow.channel == Channel.OPEN311.value)


def _is(status: Outside) -> ColumnElement[bool]:
    states = [state.value for state, known in statuses().items() if known.status == status and state != State.MERGED]
    answered = ReportRow.answered_at.is_not(None)
    merged = and_(IncidentRow.state == State.MERGED.value, answered if status == "closed" else ~answered)
    return or_(IncidentRow.state.in_(states), merged)
