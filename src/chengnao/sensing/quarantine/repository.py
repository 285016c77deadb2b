"""All SQL over the quarantine."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal_column, select, tuple_, update
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
    device: str = ""
    """The name that the sender gave itself, as a whole."""


@dataclass(frozen=True)
class Knock:
    """A sender that no device stands for: how often it was heard, and from where last."""

    source: Protocol
    address: str
    count: int
    first_at: datetime
    last_at: datetime
    peer: str


@dataclass(frozen=True)
class Finding:
    """What was refused of one device for one reason; `held_id` and `params` are those of the newest piece."""

    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    held_id: str
    params: Mapping[str, Any]


# Written out, not as parameters: so the planner sees that the index of those who knock holds them.
_UNKNOWN = (
    HeldRow.reason == literal_column("'unknown_device'"),
    HeldRow.state == literal_column(f"'{State.WAITING}'"),
)


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
            (HeldRow.device_hint, wanted.device),
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

    async def knocks(self, scope: Scope, source: str, words: str, request: PageRequest) -> Page[Knock]:
        """Who knocks and is not known, the one heard last first."""
        count, last = func.sum(HeldRow.count + 1).label("count"), func.max(HeldRow.received_at).label("last_at")
        first = func.min(HeldRow.received_at).label("first_at")
        peer = func.max(HeldRow.peer).label("peer")
        query = select(HeldRow.source, HeldRow.device_hint, count, first, last, peer)
        query = query.where(scope.where(HeldRow), *_UNKNOWN).group_by(HeldRow.source, HeldRow.device_hint)
        if source:
            query = query.where(HeldRow.source == source)
        if words:
            query = query.where(contains(HeldRow.device_hint, words))
        total = await self.session.scalar(select(func.count()).select_from(query.subquery()))
        part = query.order_by(last.desc(), HeldRow.device_hint).limit(request.size).offset(request.offset)
        rows = (await self.session.execute(part)).all()
        items = [
            Knock(Protocol(row.source), row.device_hint, int(row[2]), row.first_at, row.last_at, row.peer)
            for row in rows
        ]
        return Page(items, total or 0, request.page, request.size)

    async def knocked(self, scope: Scope, source: Protocol, address: str, most: int) -> list[Held]:
        """What the unknown sender brought last."""
        own = HeldRow.source == source.value, HeldRow.device_hint == address
        query = select(HeldRow).where(scope.where(HeldRow), *_UNKNOWN, *own).order_by(HeldRow.id.desc()).limit(most)
        return [_held(row) for row in await self.session.scalars(query)]

    async def move_knocked(
        self,
        scope: Scope,
        source: Protocol,
        address: str,
        state: State,
        at: datetime,
        *,
        handled_by: str,
        outcome: Mapping[str, Any] | None = None,
    ) -> int:
        """Bring all that waits of the sender into the state; returns how many pieces."""
        own = HeldRow.source == source.value, HeldRow.device_hint == address
        values = {"state": state, "updated_at": at, "handled_by": handled_by, "outcome": outcome}
        moved = update(HeldRow).where(scope.where(HeldRow), *_UNKNOWN, *own).values(**values).returning(HeldRow.id)
        return len((await self.session.scalars(moved)).all())

    async def findings(self, scope: Scope, names: Sequence[tuple[Protocol, str]], since: datetime) -> list[Finding]:
        """What was refused under one of the names since then, by reason, the latest first."""
        own = tuple_(HeldRow.source, HeldRow.device_hint).in_([(source.value, name) for source, name in names])
        last = func.max(HeldRow.received_at)
        query = (
            select(
                HeldRow.reason, func.sum(HeldRow.count + 1), func.min(HeldRow.received_at), last, func.max(HeldRow.id)
            )
            .where(scope.where(HeldRow), own, HeldRow.received_at >= since)
            .group_by(HeldRow.reason)
            .order_by(last.desc())
        )
        rows = (await self.session.execute(query)).all()
        pieces = await self.session.scalars(select(HeldRow).where(HeldRow.id.in_([row[4] for row in rows])))
        newest = {piece.id: piece for piece in pieces}
        return [Finding(row[0], int(row[1]), row[2], row[3], row[4], newest[row[4]].params) for row in rows]

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
