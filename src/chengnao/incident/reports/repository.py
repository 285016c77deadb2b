"""SQL over reports and the sealed contacts of those who made them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.reports.model import Channel, Report
from chengnao.incident.repository import visible
from chengnao.incident.tables import ContactRow, IncidentRow, ReportRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains


@dataclass(frozen=True)
class ReportFilter:
    """Which reports a list wants; what is left empty does not matter."""

    words: str = ""
    channel: Channel | None = None
    category: str | None = None
    answered: bool | None = None


class ReportRepository(Repository):
    async def add(self, report: Report) -> None:
        await self.add_all([report])

    async def add_all(self, reports: Sequence[Report]) -> None:
        values = [asdict(each) | {"channel": each.channel.value, "odd": list(each.odd)} for each in reports]
        await self.session.execute(insert(ReportRow), values)

    async def reports(self, scope: Scope, request: PageRequest, wanted: ReportFilter) -> Page[Report]:
        row = ReportRow
        query = select(row).join(IncidentRow, IncidentRow.id == row.incident_id).where(visible(scope))
        if wanted.words:
            columns = (row.content, row.tracking_number, row.address)
            query = query.where(or_(*(contains(column, wanted.words) for column in columns)))
        if wanted.channel is not None:
            query = query.where(row.channel == wanted.channel.value)
        if wanted.category is not None:
            query = query.where(row.category == wanted.category)
        if wanted.answered is not None:
            query = query.where(row.answered_at.is_not(None) == wanted.answered)
        page = await self.page(query.order_by(row.received_at.desc(), row.id.desc()), request)
        return page.map(report_of)

    async def get(self, scope: Scope, report_id: str) -> Report | None:
        query = select(ReportRow).join(IncidentRow, IncidentRow.id == ReportRow.incident_id)
        row = await self.session.scalar(query.where(ReportRow.id == report_id, visible(scope)))
        return None if row is None else report_of(row)

    async def of_incident(self, incident_id: str) -> list[Report]:
        query = select(ReportRow).where(ReportRow.incident_id == incident_id)
        query = query.order_by(ReportRow.received_at, ReportRow.id).execution_options(populate_existing=True)
        return [report_of(row) for row in await self.session.scalars(query)]

    async def count_of(self, incident_id: str) -> int:
        """How many reports tell of the incident, those of incidents that were merged into it included."""
        merged = select(IncidentRow.id).where(IncidentRow.merged_into == incident_id)
        condition = or_(ReportRow.incident_id == incident_id, ReportRow.incident_id.in_(merged))
        return await self.session.scalar(select(func.count()).select_from(ReportRow).where(condition)) or 0

    async def by_tracking_number(self, tracking_number: str, *, lock: bool = False) -> Report | None:
        query = select(ReportRow).where(ReportRow.tracking_number == tracking_number)
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        row = await self.session.scalar(query)
        return None if row is None else report_of(row)

    async def change(self, report_id: str, **values: Any) -> None:
        await self.session.execute(update(ReportRow).where(ReportRow.id == report_id).values(**values))

    async def add_contact(self, report_id: str, sealed: bytes) -> None:
        await self.add_contacts({report_id: sealed})

    async def add_contacts(self, sealed: Mapping[str, bytes]) -> None:
        values = [{"report_id": report_id, "sealed": each} for report_id, each in sealed.items()]
        await self.session.execute(insert(ContactRow), values)

    async def unsealed(self, limit: int) -> list[tuple[str, bytes]]:
        """Contacts that an upgrade could not seal: a zero byte, then what is to be sealed."""
        query = select(ContactRow.report_id, ContactRow.sealed).where(func.get_byte(ContactRow.sealed, 0) == 0)
        return [(row.report_id, row.sealed) for row in await self.session.execute(query.limit(limit))]

    async def seal_contact(self, report_id: str, sealed: bytes) -> None:
        await self.session.execute(update(ContactRow).where(ContactRow.report_id == report_id).values(sealed=sealed))

    async def contacts_after(self, report_id: str, limit: int) -> list[tuple[str, bytes]]:
        """Contacts in the order of their reports, from behind this one on."""
        query = select(ContactRow.report_id, ContactRow.sealed).where(ContactRow.report_id > report_id)
        rows = await self.session.execute(query.order_by(ContactRow.report_id).limit(limit).with_for_update())
        return [(row.report_id, row.sealed) for row in rows]

    async def contact(self, report_id: str) -> bytes | None:
        return await self.session.scalar(select(ContactRow.sealed).where(ContactRow.report_id == report_id))


def report_of(row: ReportRow) -> Report:
    values = {each.name: getattr(row, each.name) for each in fields(Report)}
    return Report(**values | {"channel": Channel(row.channel), "odd": tuple(row.odd)})
