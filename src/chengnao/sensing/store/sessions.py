"""Sessions: requests that share temporary tables and settings through one connection."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chengnao.sensing.store.engine import Connection, Engine
from chengnao.sensing.store.errors import BAD_REQUEST_PARAMETER, SESSION_IS_LOCKED, SESSION_NOT_FOUND, StoreError
from chengnao.sensing.store.request import Request

_DEFAULT_TIMEOUT = 60.0
_LONGEST_TIMEOUT = 3600.0


@dataclass(slots=True)
class _Session:
    connection: Connection
    timeout: float
    free_since: float
    busy: bool = False


class Sessions:
    """Hands out connections: a fresh one for a request by itself, the session's own for one with a session_id."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: dict[str, _Session] = {}

    @asynccontextmanager
    async def connection(self, request: Request) -> AsyncIterator[Connection]:
        self._expire()
        name = request.parameters.get("session_id")
        if not name:
            connection = await asyncio.to_thread(self._engine.connect)
            try:
                yield connection
            finally:
                await asyncio.to_thread(connection.close)
            return
        session = self._find(name, request)
        session.busy = True
        settings = request.settings
        try:
            yield session.connection
        finally:
            session.busy = False
            session.free_since = time.monotonic()
            # Settings in a URL hold for their request only.
            await asyncio.to_thread(session.connection.reset, settings)
            if request.flag("close_session"):
                self._open.pop(name).connection.close()

    def _find(self, name: str, request: Request) -> _Session:
        session = self._open.get(name)
        if session is None:
            if request.flag("session_check"):
                raise StoreError.refused(SESSION_NOT_FOUND, f"Session {name} is not open, or has timed out.")
            session = self._open[name] = _Session(self._engine.connect(), _timeout(request), time.monotonic())
        elif session.busy:
            raise StoreError.refused(SESSION_IS_LOCKED, f"Session {name} is locked by a concurrent client.")
        return session

    def _expire(self) -> None:
        now = time.monotonic()
        for name, session in list(self._open.items()):
            if not session.busy and now - session.free_since > session.timeout:
                self._open.pop(name).connection.close()

    def close(self) -> None:
        for session in self._open.values():
            session.connection.close()
        self._open.clear()


def _timeout(request: Request) -> float:
    given = request.parameters.get("session_timeout")
    try:
        return min(float(given), _LONGEST_TIMEOUT) if given else _DEFAULT_TIMEOUT
    except ValueError as error:
        raise StoreError.refused(BAD_REQUEST_PARAMETER, f"session_timeout {given!r} is no number.") from error
