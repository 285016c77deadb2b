"""All SQL over edge gateways."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains
from chengnao.sensing.edge.model import SILENT_AFTER, Change, Edge, Happening
from chengnao.sensing.edge.tables import EdgeHistoryRow, EdgeProgressRow, EdgeRow


class EdgeRepository(Repository):
    async def add(self, edge: Edge) -> None:
        self.session.add(EdgeRow(**asdict(edge)))
        await self.session.flush()

    async def edge(self, scope: Scope, edge_id: str, *, lock: bool = False) -> Edge | None:
        query = select(EdgeRow).where(EdgeRow.id == edge_id, scope.where(EdgeRow))
        row = await self.session.scalar(query.with_for_update() if lock else query)
        return None if row is None else _edge(row)

    async def of_token(self, token_id: str) -> Edge | None:
        row = await self.session.scalar(
            select(EdgeRow).where(EdgeRow.token_id == token_id).execution_options(populate_existing=True)
        )
        return None if row is None else _edge(row)

    async def edges(self, scope: Scope, request: PageRequest, words: str = "") -> Page[Edge]:
        """By name; those that are ended come last."""
        query = select(EdgeRow).where(scope.where(EdgeRow))
        if words:
            query = query.where(or_(contains(EdgeRow.name, words), contains(EdgeRow.place, words)))
        query = query.order_by(EdgeRow.ended_at.is_not(None), EdgeRow.name, EdgeRow.id)
        return (await self.page(query, request)).map(_edge)

    async def change(self, edge_id: str, values: Mapping[str, Any]) -> None:
        await self.session.execute(update(EdgeRow).where(EdgeRow.id == edge_id).values(**values))

    async def count_readings(self, edge_id: str, more: int) -> None:
        await self.session.execute(
            update(EdgeRow).where(EdgeRow.id == edge_id).values(readings=EdgeRow.readings + more)
        )

    async def fallen_silent(self, now: datetime) -> list[Edge]:
        """Edges that were heard and are not any more, locked; each is given once."""
        query = select(EdgeRow).where(
            EdgeRow.seen_at < now - SILENT_AFTER, EdgeRow.silent.is_(False), EdgeRow.ended_at.is_(None)
        )
        return [_edge(row) for row in await self.session.scalars(query.with_for_update(skip_locked=True))]

    async def progress(self, edge_id: str, epoch: str) -> int:
        """The last record of the log that is taken in; 0 where none is."""
        query = select(EdgeProgressRow.sequence).where(
            EdgeProgressRow.edge_id == edge_id, EdgeProgressRow.epoch == epoch
        )
        return await self.session.scalar(query) or 0

    async def locked_progress(self, edge_id: str, epoch: str) -> int:
        """The same, held for this transaction: what comes over the other line meanwhile waits."""
        await self.session.execute(
            insert(EdgeProgressRow).values(edge_id=edge_id, epoch=epoch, sequence=0).on_conflict_do_nothing()
        )
        query = select(EdgeProgressRow.sequence).where(
            EdgeProgressRow.edge_id == edge_id, EdgeProgressRow.epoch == epoch
        )
        return await self.session.scalar(query.with_for_update()) or 0

    async def advance(self, edge_id: str, epoch: str, sequence: int) -> None:
        await self.session.execute(
            update(EdgeProgressRow)
            .where(EdgeProgressRow.edge_id == edge_id, EdgeProgressRow.epoch == epoch)
            .values(sequence=sequence)
        )

    async def note(self, happenings: Sequence[Happening]) -> None:
        """Add to the history; what is there already is left as it is."""
        if happenings:
            rows = [asdict(each) | {"kind": each.kind.value} for each in happenings]
            await self.session.execute(insert(EdgeHistoryRow).values(rows).on_conflict_do_nothing())

    async def history(self, edge_id: str, request: PageRequest, kind: Change | None = None) -> Page[Happening]:
        """The newest first."""
        query = select(EdgeHistoryRow).where(EdgeHistoryRow.edge_id == edge_id)
        if kind is not None:
            query = query.where(EdgeHistoryRow.kind == kind.value)
        page = await self.page(query.order_by(EdgeHistoryRow.at.desc(), EdgeHistoryRow.id.desc()), request)
        return page.map(_happening)


def _edge(row: EdgeRow) -> Edge:
    return Edge(**{each.name: getattr(row, each.name) for each in fields(Edge)})


def _happening(row: EdgeHistoryRow) -> Happening:
    return Happening(row.id, row.edge_id, row.at, Change(row.kind), row.detail)
