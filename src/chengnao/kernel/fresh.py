"""Small things of the database that are asked for all the time and change seldom."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import event

from chengnao.kernel.database import UnitOfWork

T = TypeVar("T")

_FRESH_SECONDS = 30.0
"""Other processes see a change within so long."""


class Fresh(Generic[T]):
    """What `read` gives, kept for each database; read again twice a minute at most, and after a change of our own."""

    def __init__(self, read: Callable[[UnitOfWork], Awaitable[T]]) -> None:
        self._read = read
        self._known: WeakKeyDictionary[Any, tuple[float, T]] = WeakKeyDictionary()

    async def get(self, uow: UnitOfWork) -> T:
        known = self._known.get(uow.session.bind)
        if known is not None and time.monotonic() - known[0] < _FRESH_SECONDS:
            return known[1]
        found = await self._read(uow)
        self._known[uow.session.bind] = (time.monotonic(), found)
        return found

    def forget_after_commit(self, uow: UnitOfWork) -> None:
        """The unit of work changes it: read it anew once that is committed."""
        bind = uow.session.bind

        def forget(session: Any) -> None:
            self._known.pop(bind, None)

        event.listen(uow.session.sync_session, "after_commit", forget, once=True)
