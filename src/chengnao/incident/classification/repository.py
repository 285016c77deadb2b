"""SQL over keyword rules. A rule for everywhere is shown to everybody."""

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.classification.model import CategoryRule
from chengnao.incident.classification.tables import CategoryRuleRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository


class CategoryRuleRepository(Repository):
    async def every_rule(self) -> list[CategoryRule]:
        rows = await self.session.scalars(select(CategoryRuleRow).order_by(CategoryRuleRow.id))
        return [_rule(row) for row in rows]

    async def rules(self, scope: Scope, request: PageRequest, category: str | None) -> Page[CategoryRule]:
        query = select(CategoryRuleRow).where(_readable(scope))
        if category:
            query = query.where(CategoryRuleRow.category == category)
        page = await self.page(query.order_by(CategoryRuleRow.category, CategoryRuleRow.id), request)
        return page.map(_rule)

    async def rule(self, scope: Scope, rule_id: str) -> CategoryRule | None:
        row = await self.session.scalar(
            select(CategoryRuleRow).where(CategoryRuleRow.id == rule_id, _readable(scope)),
            execution_options={"populate_existing": True},
        )
        return None if row is None else _rule(row)

    async def put(self, rule: CategoryRule) -> None:
        values = {
            "category": rule.category,
            "all_words": [*rule.all_words],
            "any_words": [*rule.any_words],
            "division_code": rule.division_code,
            "note": rule.note,
        }
        statement = insert(CategoryRuleRow).values(id=rule.id, **values)
        await self.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))

    async def delete(self, rule_id: str) -> None:
        await self.session.execute(delete(CategoryRuleRow).where(CategoryRuleRow.id == rule_id))


def _readable(scope: Scope) -> ColumnElement[bool]:
    column = CategoryRuleRow.division_code
    return or_(column.is_(None), scope.division_condition(column))


def _rule(row: CategoryRuleRow) -> CategoryRule:
    return CategoryRule(row.id, row.category, tuple(row.all_words), tuple(row.any_words), row.division_code, row.note)
