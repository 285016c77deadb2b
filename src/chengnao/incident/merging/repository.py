"""SQL over merges, and over incidents by place and time."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from math import cos, radians
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.merging.merges import Kept, Merge, MergeKind
from chengnao.incident.merging.model import Reason
from chengnao.incident.merging.tables import MergeRow
from chengnao.incident.model import Incident, State
from chengnao.incident.repository import FINAL, incident_of, visible
from chengnao.incident.tables import IncidentRow, PhotoRow, ReportRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.places import Place
from chengnao.kernel.repository import Repository

_COMPARED = 200
"""So many incidents are scored at most, those that are nearest in time."""
_METRES_A_DEGREE = 111_195.0


class MergeRepository(Repository):
    async def add(self, merge: Merge) -> None:
        await self.session.execute(insert(MergeRow).values(**_plain(merge)))

    async def save(self, merge: Merge) -> None:
        await self.session.execute(update(MergeRow).where(MergeRow.id == merge.id).values(**_plain(merge)))

    async def get(self, merge_id: str) -> Merge | None:
        row = await self.session.get(MergeRow, merge_id, populate_existing=True)
        return None if row is None else _merge(row)

    async def of_incident(self, incident_id: str) -> list[Merge]:
        """The merges of the incident and into it, undone ones too, the oldest first."""
        concerned = or_(MergeRow.incident_id == incident_id, MergeRow.into_id == incident_id)
        rows = await self.session.scalars(select(MergeRow).where(concerned).order_by(MergeRow.at, MergeRow.id))
        return [_merge(row) for row in rows]

    async def standing_in(self, host_id: str) -> list[Merge]:
        """The merges, not undone, of the incidents that are now part of this one."""
        parts = select(IncidentRow.id).where(IncidentRow.merged_into == host_id)
        query = select(MergeRow).where(MergeRow.incident_id.in_(parts), MergeRow.undone_at.is_(None))
        rows = await self.session.scalars(query.execution_options(populate_existing=True))
        return [_merge(row) for row in rows]

    async def joined_report(self, report_id: str) -> str | None:
        """The merge by which the report joined an incident; None where it opened its own."""
        query = select(MergeRow.id).where(MergeRow.report_id == report_id, MergeRow.undone_at.is_(None))
        return await self.session.scalar(query)

    # What goes along.

    async def lock_reports(self, incident_ids: Sequence[str]) -> None:
        """Lock the reports before the incidents, in the order in which a reporter's answer locks them."""
        query = select(ReportRow.id).where(ReportRow.incident_id.in_(incident_ids)).order_by(ReportRow.id)
        await self.session.execute(query.with_for_update())

    async def reports_of(self, incident_id: str) -> frozenset[str]:
        query = select(ReportRow.id).where(ReportRow.incident_id == incident_id)
        return frozenset(await self.session.scalars(query))

    async def photos_of(self, incident_id: str) -> frozenset[str]:
        return frozenset(await self.session.scalars(select(PhotoRow.id).where(PhotoRow.incident_id == incident_id)))

    async def merged_into(self, incident_id: str) -> frozenset[str]:
        return frozenset(
            await self.session.scalars(select(IncidentRow.id).where(IncidentRow.merged_into == incident_id))
        )

    async def tracking_numbers_since(self, incident_id: str, since: datetime) -> list[str]:
        """The reports of the incident that were received later."""
        query = select(ReportRow.tracking_number).where(
            ReportRow.incident_id == incident_id, ReportRow.received_at > since
        )
        return list(await self.session.scalars(query.order_by(ReportRow.received_at, ReportRow.id)))

    async def hand_over(self, kept: Kept, incident_id: str) -> None:
        """Make reports and photos those of the incident, and what was merged a part of it."""
        for row, ids in ((ReportRow, kept.reports), (PhotoRow, kept.photos)):
            if ids:
                await self.session.execute(update(row).where(row.id.in_(ids)).values(incident_id=incident_id))
        if kept.merged:
            await self.session.execute(
                update(IncidentRow).where(IncidentRow.id.in_(kept.merged)).values(merged_into=incident_id)
            )

    async def take_back_answers(self, report_ids: Collection[str]) -> None:
        """The reports are of an open incident again and wait for its answer."""
        statement = update(ReportRow).where(ReportRow.id.in_(report_ids))
        await self.session.execute(statement.values(answer=None, answered_at=None))

    # Incidents by place and time.

    async def open_near(
        self, scope: Scope, place: Place | None, division_code: str, metres: float, since: datetime, until: datetime
    ) -> list[Incident]:
        """Open incidents of a time around the place; without one, of the district and those without a place there."""
        row = IncidentRow
        district = Scope(division_code[:6]).division_condition(row.division_code)
        where = district if place is None else or_(_box(place, metres), row.lon.is_(None) & district)
        query = select(row).where(row.state.not_in(FINAL), row.opened_at.between(since, until), where, visible(scope))
        query = query.order_by(row.opened_at.desc(), row.id).limit(_COMPARED)
        return [incident_of(each) for each in await self.session.scalars(query)]

    async def closed_near(self, place: Place, metres: float, since: datetime) -> list[Incident]:
        """Incidents around the place that were closed since, the last one first."""
        row = IncidentRow
        query = select(row).where(row.state == State.CLOSED.value, row.closed_at >= since, _box(place, metres))
        query = query.order_by(row.closed_at.desc(), row.id).limit(_COMPARED)
        return [incident_of(each) for each in await self.session.scalars(query)]


def _box(place: Place, metres: float) -> ColumnElement[bool]:
    """The square around the place in which the circle lies."""
    high = metres / _METRES_A_DEGREE
    wide = high / max(cos(radians(place.lat)), 0.01)
    return IncidentRow.lat.between(place.lat - high, place.lat + high) & IncidentRow.lon.between(
        place.lon - wide, place.lon + wide
    )


def _plain(merge: Merge) -> dict[str, Any]:
    values = {each.name: getattr(merge, each.name) for each in fields(Merge)}
    reasons = [[reason.zh, reason.en, reason.speaks_for] for reason in merge.reasons]
    return values | {"kind": merge.kind.value, "reasons": {"of": reasons}, "kept": merge.kept.to_data()}


def _merge(row: MergeRow) -> Merge:
    values = {each.name: getattr(row, each.name) for each in fields(Merge)}
    told = {"kind": MergeKind(row.kind), "kept": Kept.from_data(row.kept)}
    return Merge(**values | told | {"reasons": tuple(Reason(*each) for each in row.reasons["of"])})
