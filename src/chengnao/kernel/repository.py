"""What the repositories of all modules share."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from chengnao.kernel.paging import Page, PageRequest

T = TypeVar("T")


class Repository:
    """All SQL of one module, within one unit of work's session."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def page(self, query: Select[T], request: PageRequest) -> Page[T]:
        """The wanted part of an ordered query, and the count of the whole."""
        total = await self.session.scalar(select(func.count()).select_from(query.order_by(None).subquery()))
        rows = await self.session.scalars(query.limit(request.size).offset(request.offset))
        return Page(list(rows), total or 0, request.page, request.size)


def contains(column: Any, words: str) -> Any:
    """A condition: the column contains the words as they stand, ignoring case."""
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.ilike(f"%{escaped}%", escape="\\")


def batched(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The rows in parts of `size`, since one statement takes at most 65,535 parameters."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
