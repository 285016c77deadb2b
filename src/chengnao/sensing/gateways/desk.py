"""The gateways' way into the quarantine: quick to call, bounded under floods, durable within half a second."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.exc import DataError, SQLAlchemyError

from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import Clock
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.ids import new_id
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.quarantine.model import Form, Held, State
from chengnao.sensing.quarantine.repository import QuarantineRepository

log = logging.getLogger(__name__)

KEPT_PER_MINUTE = 10  # of one device, one reason
KEPT_PER_MINUTE_IN_ALL = 600
_MAX_QUEUE = 5_000
_MAX_WINDOWS = 10_000
_MAX_PAYLOAD = 64 * 1024
_FLUSH_SECONDS = 0.5


@dataclass(slots=True)
class _Window:
    began: float
    kept: int
    last: str


class Desk(ABC):
    """Takes refused pieces; the first few of a kind in a minute are kept whole, the others only counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: deque[Held] = deque()
        self._more: dict[str, int] = {}
        self._windows: dict[tuple[str, str, str], _Window] = {}
        self._minute = _Window(-60.0, 0, "")
        self._pruned = -60.0
        self.refused = 0

    def hold(
        self,
        source: Protocol,
        peer: str,
        device_hint: str,
        reason: str,
        params: Mapping[str, Any],
        payload: bytes,
        form: Form,
        scope: Scope,
    ) -> None:
        """Keep the piece, or count it. `scope` is the sender's: whose stewards may look at it and replay it."""
        self.refused += 1
        now = time.monotonic()
        window = self._window((source, device_hint or peer, reason), now)
        if window.kept >= KEPT_PER_MINUTE or not self._room(now):
            last = window.last or self._minute.last
            self._more[last] = self._more.get(last, 0) + 1
            return
        at = self._clock.now()
        piece = Held(
            id=new_id(),
            source=source,
            peer=peer,
            device_hint=_storable(device_hint),
            reason=reason,
            params={key: _storable(value) if isinstance(value, str) else value for key, value in params.items()},
            payload=payload[:_MAX_PAYLOAD],
            form=form,
            state=State.WAITING,
            count=0,
            division_code=scope.division_code,
            unit_id=scope.unit_id,
            received_at=at,
            updated_at=at,
        )
        window.kept += 1
        window.last = self._minute.last = piece.id
        self._minute.kept += 1
        self._queue.append(piece)

    def _window(self, key: tuple[str, str, str], now: float) -> _Window:
        window = self._windows.get(key)
        if window is None or now - window.began > 60:
            # So many different senders in a minute are one flood; those beyond share the count of the minute.
            if len(self._windows) >= _MAX_WINDOWS and now - self._pruned > 10:
                self._pruned = now
                self._windows = {key: each for key, each in self._windows.items() if now - each.began <= 60}
            if len(self._windows) >= _MAX_WINDOWS:
                return self._minute
            window = self._windows[key] = _Window(now, 0, window.last if window else "")
        return window

    def _room(self, now: float) -> bool:
        if now - self._minute.began > 60:
            self._minute = _Window(now, 0, self._minute.last)
        return self._minute.kept < KEPT_PER_MINUTE_IN_ALL and len(self._queue) < _MAX_QUEUE

    async def run(self) -> None:
        """Write what was taken until cancelled; the place they go to may be away for a while."""
        while True:
            await asyncio.sleep(_FLUSH_SECONDS)
            try:
                await self.flush()
            except (SQLAlchemyError, OSError, Unavailable) as error:
                log.warning("the quarantine cannot be written: %s", error)

    async def flush(self) -> None:
        """Write what waits; where that fails it goes on waiting."""
        pieces, more = list(self._queue), dict(self._more)
        if not pieces and not more:
            return
        await self._write(pieces, more)
        for _ in pieces:
            self._queue.popleft()
        for held_id, number in more.items():
            left = self._more[held_id] - number
            if left:
                self._more[held_id] = left
            else:
                del self._more[held_id]

    @abstractmethod
    async def _write(self, pieces: list[Held], more: dict[str, int]) -> None:
        """Keep the pieces and add to the counts of those kept before, all or nothing."""


class QuarantineDesk(Desk):
    """Writes into the database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(clock)
        self._database = database

    async def _write(self, pieces: list[Held], more: dict[str, int]) -> None:
        try:
            await self._write_all(pieces, more)
        except DataError:
            # One piece that the database cannot hold must not keep the others out.
            for piece in pieces:
                await self._write_alone(piece)
            await self._write_all([], more)

    async def _write_all(self, pieces: list[Held], more: dict[str, int]) -> None:
        async with self._database.unit_of_work() as uow:
            repository = QuarantineRepository(uow.session)
            await repository.add(pieces)
            await repository.count(more)
            await uow.commit()

    async def _write_alone(self, piece: Held) -> None:
        try:
            await self._write_all([piece], {})
        except DataError as error:
            log.warning("a refused piece is kept without its particulars: %s", error)
            await self._write_all([replace(piece, device_hint="", peer="", params={})], {})


def _storable(text: str) -> str:
    """PostgreSQL stores no NUL in text, and no half of a surrogate pair."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()
