"""SQL over drafts."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.drafts.model import Draft, DraftState
from chengnao.incident.drafts.tables import DraftRow
from chengnao.incident.reports.model import Channel
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository


class DraftRepository(Repository):
    async def add(self, draft: Draft) -> None:
        await self.session.execute(insert(DraftRow).values(**_plain(draft)))

    async def get(self, scope: Scope, draft_id: str, *, lock: bool = False) -> Draft | None:
        query = select(DraftRow).where(DraftRow.id == draft_id, scope.where(DraftRow))
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        row = await self.session.scalar(query)
        return None if row is None else draft_of(row)

    async def drafts(self, scope: Scope, request: PageRequest, state: DraftState | None, sender: str) -> Page[Draft]:
        """Drafts, the newest first; what `sender` has sent counts from when it belongs to a report."""
        query = select(DraftRow).where(scope.where(DraftRow))
        query = query.where(or_(DraftRow.created_by != sender, DraftRow.report_id.is_not(None)))
        if state is not None:
            query = query.where(DraftRow.state == state.value)
        page = await self.page(query.order_by(DraftRow.created_at.desc(), DraftRow.id.desc()), request)
        return page.map(draft_of)

    async def save(self, draft: Draft) -> None:
        await self.session.execute(update(DraftRow).where(DraftRow.id == draft.id).values(**_plain(draft)))

    async def forget_loose(self, sender: str, before: datetime) -> set[str]:
        """Drop what the sender sent before and no report took; the digests that no draft has any more."""
        loose = delete(DraftRow).where(
            DraftRow.created_by == sender, DraftRow.report_id.is_(None), DraftRow.created_at < before
        )
        gone = set(await self.session.scalars(loose.returning(DraftRow.digest)))
        return gone - set(await self.session.scalars(select(DraftRow.digest).where(DraftRow.digest.in_(gone))))

    async def sealed(self, draft_id: str) -> bytes | None:
        return await self.session.scalar(select(DraftRow.sealed).where(DraftRow.id == draft_id))

    async def all_sealed(self) -> list[tuple[str, bytes]]:
        """What is sealed of all drafts that are not made reports yet."""
        query = select(DraftRow.id, DraftRow.sealed).where(DraftRow.sealed.is_not(None)).with_for_update()
        return [(row.id, row.sealed) for row in await self.session.execute(query)]

    async def seal(self, draft_id: str, sealed: bytes | None) -> None:
        await self.session.execute(update(DraftRow).where(DraftRow.id == draft_id).values(sealed=sealed))


def _plain(draft: Draft) -> dict[str, Any]:
    return asdict(draft) | {"channel": draft.channel.value, "state": draft.state.value}


def draft_of(row: DraftRow) -> Draft:
    values = {each.name: getattr(row, each.name) for each in fields(Draft)}
    return Draft(**values | {"channel": Channel(row.channel), "state": DraftState(row.state)})
