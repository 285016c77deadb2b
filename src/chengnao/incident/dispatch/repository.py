"""SQL over the table of responsibilities."""

from dataclasses import asdict, fields

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.dispatch.model import ANY, Responsibility
from chengnao.incident.tables import ResponsibilityRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository

_KEY = ("division_code", "category", "hours", "months")


class DispatchRepository(Repository):
    async def responsible(self, division_code: str, category: str) -> list[Responsibility]:
        """The rows that concern a category in a division: those that name it first, the nearest division first."""
        row = ResponsibilityRow
        chain = ancestors(division_code)
        nearness = case({code: place for place, code in enumerate(chain)}, value=row.division_code)
        query = select(row).where(row.division_code.in_(chain), row.category.in_((category, ANY)))
        return [
            _responsibility(each)
            for each in await self.session.scalars(query.order_by(row.category == ANY, nearness, row.hours, row.months))
        ]

    async def responsibilities(
        self, scope: Scope, request: PageRequest, category: str | None, unit_id: str | None
    ) -> Page[Responsibility]:
        row = ResponsibilityRow
        query = select(row).where(scope.division_condition(row.division_code))
        if category:
            query = query.where(row.category == category)
        if unit_id:
            query = query.where(row.unit_id == unit_id)
        query = query.order_by(func.length(row.division_code), row.division_code, row.category, row.hours, row.months)
        return (await self.page(query, request)).map(_responsibility)

    async def get(self, division_code: str, category: str, hours: str, months: str) -> Responsibility | None:
        row = await self.session.get(
            ResponsibilityRow,
            {"division_code": division_code, "category": category, "hours": hours, "months": months},
            populate_existing=True,
        )
        return None if row is None else _responsibility(row)

    async def put(self, responsibility: Responsibility) -> None:
        values = asdict(responsibility)
        changed = {key: value for key, value in values.items() if key not in _KEY}
        statement = insert(ResponsibilityRow).values(**values)
        await self.session.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=changed))

    async def delete(self, division_code: str, category: str, hours: str, months: str) -> bool:
        """False where there is no such row."""
        statement = delete(ResponsibilityRow).filter_by(
            division_code=division_code, category=category, hours=hours, months=months
        )
        return (await self.session.scalar(statement.returning(ResponsibilityRow.unit_id))) is not None


def _responsibility(row: ResponsibilityRow) -> Responsibility:
    return Responsibility(**{each.name: getattr(row, each.name) for each in fields(Responsibility)})
