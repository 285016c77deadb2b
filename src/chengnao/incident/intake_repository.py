"""SQL over reports, photos and the table of responsibilities."""

from collections.abc import Sequence
from dataclasses import asdict, fields

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.model import Photo, Report, Responsibility
from chengnao.incident.tables import PhotoRow, ReportRow, ResponsibilityRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains


class IntakeRepository(Repository):
    async def add_report(self, report: Report) -> None:
        await self.session.execute(insert(ReportRow).values(**asdict(report)))

    async def reports(self, scope: Scope, request: PageRequest, words: str) -> Page[Report]:
        query = select(ReportRow).where(scope.where(ReportRow))
        if words:
            columns = (ReportRow.content, ReportRow.tracking_number, ReportRow.address)
            query = query.where(or_(*(contains(column, words) for column in columns)))
        page = await self.page(query.order_by(ReportRow.received_at.desc(), ReportRow.id.desc()), request)
        return page.map(_report)

    async def reports_of(self, incident_id: str) -> list[Report]:
        query = select(ReportRow).where(ReportRow.incident_id == incident_id).order_by(ReportRow.received_at)
        return [_report(row) for row in await self.session.scalars(query)]

    async def add_photo(self, photo: Photo) -> None:
        await self.session.execute(insert(PhotoRow).values(**asdict(photo)))

    async def photo(self, photo_id: str) -> Photo | None:
        row = await self.session.get(PhotoRow, photo_id)
        return None if row is None else _photo(row)

    async def photos_of(self, incident_id: str) -> list[Photo]:
        query = select(PhotoRow).where(PhotoRow.incident_id == incident_id).order_by(PhotoRow.at, PhotoRow.id)
        return [_photo(row) for row in await self.session.scalars(query)]

    async def take_photos(self, photo_ids: Sequence[str], incident_id: str, uploaded_by: str) -> set[str]:
        """Give the uploader's own loose photos to the incident; returns those that are now, or were already, its."""
        statement = (
            update(PhotoRow)
            .where(
                PhotoRow.id.in_(photo_ids),
                or_(
                    PhotoRow.incident_id == incident_id,
                    PhotoRow.incident_id.is_(None) & (PhotoRow.uploaded_by == uploaded_by),
                ),
            )
            .values(incident_id=incident_id)
            .returning(PhotoRow.id)
        )
        return set(await self.session.scalars(statement))

    async def responsible_unit(self, division_code: str, category: str) -> str | None:
        """The unit of the nearest division, from the division itself up to the city, that names one."""
        chain = ancestors(division_code)
        nearness = case({code: place for place, code in enumerate(chain)}, value=ResponsibilityRow.division_code)
        query = select(ResponsibilityRow.unit_id).where(
            ResponsibilityRow.division_code.in_(chain), ResponsibilityRow.category == category
        )
        return await self.session.scalar(query.order_by(nearness).limit(1))

    async def responsibilities(self, scope: Scope, request: PageRequest, category: str | None) -> Page[Responsibility]:
        query = select(ResponsibilityRow).where(scope.division_condition(ResponsibilityRow.division_code))
        if category:
            query = query.where(ResponsibilityRow.category == category)
        query = query.order_by(
            func.length(ResponsibilityRow.division_code), ResponsibilityRow.division_code, ResponsibilityRow.category
        )
        page = await self.page(query, request)
        found = [Responsibility(row.division_code, row.category, row.unit_id) for row in page.items]
        return Page(found, page.total, page.page, page.size)

    async def put_responsibility(self, responsibility: Responsibility) -> None:
        statement = insert(ResponsibilityRow).values(**asdict(responsibility))
        await self.session.execute(
            statement.on_conflict_do_update(
                index_elements=["division_code", "category"], set_={"unit_id": responsibility.unit_id}
            )
        )


def _report(row: ReportRow) -> Report:
    return Report(**{each.name: getattr(row, each.name) for each in fields(Report)})


def _photo(row: PhotoRow) -> Photo:
    return Photo(**{each.name: getattr(row, each.name) for each in fields(Photo)})
