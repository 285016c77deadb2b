"""All SQL over the quarantine."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.quarantine.model import Form, Held, State
from chengnao.sensing.quarantine.tables import HeldRow


@dataclass(frozen=True)
class HeldFilter:
    source: str = ""
    reason: str = ""
    state: str = ""
    words: str = ""


class QuarantineRepository(Repository):
    async def add(self, pieces: Sequence[Held]) -> None:
        """Keep the pieces; one that is kept already is left as it is."""
        if pieces:
            rows = [asdict(piece) for piece in pieces]
            await self.session.execute(insert(HeldRow).values(rows).on_conflict_do_nothing())

    async def count(self, more: Mapping[str, int]) -> None:
        """Add to the counts of pieces that were not kept."""
        for held_id, number in more.items():
            await self.session.execute(
                update(HeldRow).where(HeldRow.id == held_id).values(count=HeldRow.count + number)
            )

    async def pieces(self, scope: Scope, wanted: HeldFilter, request: PageRequest) -> Page[Held]:
        query = select(HeldRow).where(scope.where(HeldRow)).order_by(HeldRow.id.desc())
        for column, value in (
            (HeldRow.source, wanted.source),
            (HeldRow.reason, wanted.reason),
            (HeldRow.state, wanted.state),
        ):
            if value:
                query = query.where(column == value)
        if wanted.words:
            query = query.where(contains(HeldRow.device_hint, wanted.words))
        page = await self.page(query, request)
        return page.map(_held)

    async def piece(self, scope: Scope, held_id: str, *, lock: bool = False) -> Held | None:
        query = select(HeldRow).where(HeldRow.id == held_id, scope.where(HeldRow))
        row = await self.session.scalar(query.with_for_update() if lock else query)
        return None if row is None else _held(row)

    async def to_replay(self, limit: int) -> list[Held]:
        """Pieces whose replay was asked for, locked; another gateway's share is skipped."""
        query = select(HeldRow).where(HeldRow.state == State.REPLAY_REQUESTED).order_by(HeldRow.id).limit(limit)
        return [_held(row) for row in await self.session.scalars(query.with_for_update(skip_locked=True))]

    async def move(
        self,
        held_id: str,
        state: State,
        at: datetime,
        *,
        outcome: Mapping[str, Any] | None = None,
        handled_by: str | None = None,
    ) -> None:
        values: dict[str, Any] = {"state": state, "updated_at": at, "outcome": outcome}
        if handled_by is not None:
            values["handled_by"] = handled_by
        await self.session.execute(update(HeldRow).where(HeldRow.id == held_id).values(**values))


def _held(row: HeldRow) -> Held:
    return Held(
        id=row.id,
        source=Protocol(row.source),
        peer=row.peer,
        device_hint=row.device_hint,
        reason=row.reason,
        params=row.params,
        payload=row.payload,
        form=Form(row.form),
        state=State(row.state),
        count=row.count,
        division_code=row.division_code,
        unit_id=row.unit_id,
        received_at=row.received_at,
        updated_at=row.updated_at,
        outcome=row.outcome,
        handled_by=row.handled_by,
    )
