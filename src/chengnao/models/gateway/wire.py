"""HTTP to vendors and deployed models: kept connections, bodies as they come, nothing followed, nothing decoded.

Smaller and several times faster than a general client, since the gateway's own time is on every call's way.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cache
from typing import cast
from urllib.parse import urlsplit

import httptools

_IDLE_SECONDS = 30.0
_IDLE_CONNECTIONS = 64
"""Kept for each address."""
_BUFFER = 256 * 1024
"""Bytes that wait for a slow reader before the connection is told to pause."""
_HEADERS_LIMIT = 64 * 1024
_STALE_SECONDS = 0.1
"""A kept connection that ends so soon had been closed before; one that ends later was at work on the request."""


class Unreachable(Exception):
    """No connection could be made: the request has not been sent."""


class Cut(Exception):
    """The connection ended, or what came is no HTTP, before the answer was complete."""


class TooLong(Exception):
    """The body of an answer is longer than is taken."""


@dataclass(frozen=True)
class Address:
    """A base URL, taken apart."""

    secure: bool
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, base_url: str) -> "Address":
        """Raises ValueError for what is no http(s) URL with a host."""
        if not base_url.isascii() or not base_url.isprintable() or " " in base_url:
            raise ValueError(base_url)
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ValueError(base_url)
        secure = parts.scheme == "https"
        return cls(secure, parts.hostname, parts.port or (443 if secure else 80), parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass
class Answer:
    """An answer whose head has come; its body is read from here."""

    status: int
    headers: dict[str, str]
    _connection: "_Connection"
    _chunks: deque[bytes] = field(default_factory=deque)
    _waiting: int = 0
    _complete: bool = False
    _error: Exception | None = None
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def next(self) -> bytes:
        """The next part of the body as it came, empty at its end; raises Cut."""
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self._complete:
                return b""
            self._more.clear()
            await self._more.wait()
        chunk = self._chunks.popleft()
        self._waiting -= len(chunk)
        if self._waiting < _BUFFER:
            self._connection.resume()
        return chunk

    async def chunks(self) -> AsyncIterator[bytes]:
        while chunk := await self.next():
            yield chunk

    async def read(self, limit: int) -> bytes:
        """The whole body; raises TooLong, Cut."""
        parts, size = [], 0
        while chunk := await self.next():
            size += len(chunk)
            if size > limit:
                self.close()
                raise TooLong(limit)
            parts.append(chunk)
        return b"".join(parts)

    def close(self) -> None:
        """Leave the answer: what has not come is not waited for, and the vendor's connection is cut."""
        if not self._complete:
            self._connection.abort()
            self.fail(Cut("left"))

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._waiting += len(chunk)
        if self._waiting > _BUFFER:
            self._connection.pause()
        self._more.set()

    def end(self) -> None:
        self._complete = True
        self._more.set()

    def fail(self, error: Exception) -> None:
        if not self._complete and self._error is None:
            self._error = error
            self._more.set()


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self, pool: "_Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._paused = False
        self._answer: Answer | None = None
        self._head: asyncio.Future[Answer] | None = None
        self.idle_since = 0.0

    # --- of the pool

    @property
    def usable(self) -> bool:
        return not self._closed and time.monotonic() - self.idle_since < _IDLE_SECONDS

    async def send(self, request: list[bytes]) -> Answer:
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._headers_size = 0
        self._answer = None
        self._head = asyncio.get_running_loop().create_future()
        cast(asyncio.Transport, self._transport).writelines(request)
        try:
            return await self._head
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        if not self._paused and not self._closed and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self._closed and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    # --- of asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._head is None:  # nobody has asked
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._break(Cut(f"no HTTP: {type(error).__name__}"))
        if self._answer is None:
            self._headers_size += len(data)
            if self._headers_size > _HEADERS_LIMIT:
                self._break(Cut("endless head"))

    def connection_lost(self, error: Exception | None) -> None:
        self._closed = True
        answer = self._answer
        if answer is not None and error is None and not {"content-length", "transfer-encoding"} & answer.headers.keys():
            answer.end()  # such a body lasts until the connection ends
        else:
            self._break(Cut("connection closed"))

    def _break(self, error: Cut) -> None:
        self.abort()
        if self._head is not None and not self._head.done():
            self._head.set_exception(error)
        if self._answer is not None:
            self._answer.fail(error)

    # --- of httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            return
        self._answer = Answer(status, self._headers, self)
        if self._head is not None and not self._head.done():
            self._head.set_result(self._answer)

    def on_body(self, body: bytes) -> None:
        if self._answer is not None:
            self._answer.feed(body)

    def on_message_complete(self) -> None:
        if self._answer is None:  # 100 Continue and its like: the answer is still to come
            self._headers = {}
            return
        keep = self._parser.should_keep_alive() and not self._closed
        self._answer.end()
        self._answer = self._head = None
        self.resume()
        if keep:
            self._pool.put(self)
        else:
            self.abort()


class _Pool:
    """The connections to one address."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[_Connection] = []

    async def take(self, seconds: float) -> tuple[_Connection, bool]:
        """A connection, and whether it has been used before; raises Unreachable."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection, True
            connection.abort()
        address = self._address
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                _, made = await loop.create_connection(
                    lambda: _Connection(self),
                    address.host,
                    address.port,
                    ssl=_trust() if address.secure else None,
                )
        except (OSError, TimeoutError, UnicodeError) as error:  # the last for a name that can be none
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        return made, False

    def put(self, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
        if len(self._idle) < _IDLE_CONNECTIONS:
            self._idle.append(connection)
        else:
            connection.abort()

    def close(self) -> None:
        for connection in self._idle:
            connection.abort()
        self._idle.clear()


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


class Wire:
    """All connections of a gateway to where its calls go."""

    def __init__(self) -> None:
        self._pools: dict[Address, _Pool] = {}

    async def ask(
        self,
        address: Address,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        content_type: str = "application/json",
        secret: str | None = None,
        connect_seconds: float = 5.0,
    ) -> Answer:
        """Send a request below the address and return when the answer's head has come.

        Raises Unreachable where nothing was sent, Cut where the answer did not come. The caller bounds the time.
        """
        pool = self._pools.setdefault(address, _Pool(address))
        head = (
            f"{method} {address.path}{path} HTTP/1.1\r\nHost: {address.authority}\r\nAccept: */*\r\n"
            f"Accept-Encoding: identity\r\nContent-Length: {len(body)}\r\nUser-Agent: chengnao\r\n"
        )
        if body:
            head += f"Content-Type: {content_type}\r\n"
        if secret is not None:
            head += f"Authorization: Bearer {secret}\r\n"
        request = [head.encode("latin-1") + b"\r\n", body]
        connection, used = await pool.take(connect_seconds)
        sent = time.monotonic()
        try:
            return await connection.send(request)
        except Cut:
            if not used or time.monotonic() - sent > _STALE_SECONDS:
                raise
        # The other side had closed the kept connection while it rested: a new one, once.
        pool.close()
        connection, _ = await pool.take(connect_seconds)
        return await connection.send(request)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
