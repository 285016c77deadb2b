"""ClickHouse's HTTP interface over the engine in this process, as far as its clients use it.

Served: queries in the URL, in the body or in a form; bind parameters; settings; sessions; inserts in every format;
results streamed in every format with bounded memory; content codings both ways; errors with ClickHouse's codes.
Not served, and said so: external tables, the `compress` block format, files of the machine in any form.
"""

import asyncio
import fcntl
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from chengnao.sensing.store.answer import Answer, Send
from chengnao.sensing.store.body import LARGEST_STATEMENT, Body, ClientGoneError, Receive, read_form
from chengnao.sensing.store.engine import Connection, Done, Engine
from chengnao.sensing.store.errors import QUERY_IS_TOO_LARGE, UNKNOWN_EXCEPTION, StoreError
from chengnao.sensing.store.request import Request
from chengnao.sensing.store.sessions import Sessions
from chengnao.sensing.store.spool import Spool
from chengnao.sensing.store.statement import Kind, Statement, parse

log = logging.getLogger(__name__)

_HELD = 2**20
"""Bytes of a result that are kept back, so that an early error still has a status of its own."""
_HELD_IN_MEMORY = 8 * 2**20
_PIECE = 2**20


class StoreApplication:
    """The ASGI application."""

    def __init__(self, engine: Engine, user: str, password: str, scratch: Path) -> None:
        self._engine = engine
        self._user = user
        self._password = password
        self._scratch = scratch
        self._sessions = Sessions(engine)
        # Slow readers of large results may fill their own pool; inserts never wait for them.
        self._queries = ThreadPoolExecutor(24, "query")
        self._inserts = ThreadPoolExecutor(4, "insert")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        request = Request.of(scope)
        answer = Answer(send, request, self._engine)
        if request.path != "/" or (request.method == "GET" and not scope["query_string"]):
            await _plain(send, *((200, b"Ok.\n") if request.path in ("/", "/ping") else (404, b"No such path.\n")))
            return
        body: Body | None = None
        try:
            request.authenticate(self._user, self._password)
            body = Body(receive, request.headers.get("content-encoding", ""))
            await self._serve(request, body, receive, answer)
        except ClientGoneError:
            return
        except StoreError as error:
            await self._fail(error, answer, body or Body(receive, ""))
        except Exception as error:
            log.exception("request %s", request.query_id)
            refused = StoreError.refused(UNKNOWN_EXCEPTION, f"{type(error).__name__}: {error}")
            await self._fail(refused, answer, body or Body(receive, ""))

    async def _fail(self, error: StoreError, answer: Answer, body: Body) -> None:
        if answer.started:
            log.warning("a query failed after its first rows: %s", error)
        with suppress(ClientGoneError):
            await body.drain()
            await answer.fail(error)

    async def _serve(self, request: Request, body: Body, receive: Receive, answer: Answer) -> None:
        await read_form(request, body)
        statement = await _read_statement(request, body)
        settings = request.settings
        async with self._sessions.connection(request) as connection:
            database = request.parameters.get("database")
            if database:
                await asyncio.to_thread(connection.use, database)
            await asyncio.to_thread(connection.set, settings)
            if statement.kind is Kind.INSERT:
                await self._insert(connection, statement, request, body, answer)
            elif statement.kind is Kind.OUTPUT:
                await self._query(connection, statement, request, receive, answer)
            else:
                await self._command(connection, statement, request, answer)

    async def _insert(
        self, connection: Connection, statement: Statement, request: Request, body: Body, answer: Answer
    ) -> None:
        with Spool(self._scratch) as spool:
            spool.write(statement.data)
            while (piece := await body.piece()) is not None:
                spool.write(piece)
            done = await asyncio.get_running_loop().run_in_executor(
                self._inserts, connection.insert, statement, spool.descriptor, request.bind_parameters
            )
        await answer.start(None, done, inserted=True)
        await answer.finish()

    async def _command(self, connection: Connection, statement: Statement, request: Request, answer: Answer) -> None:
        done = await asyncio.get_running_loop().run_in_executor(
            self._queries, connection.command, statement, request.default_format, request.bind_parameters
        )
        await answer.start(None, done)
        await answer.write(done.output)
        await answer.finish()

    async def _query(
        self, connection: Connection, statement: Statement, request: Request, receive: Receive, answer: Answer
    ) -> None:
        format_name = statement.format or request.default_format
        source, sink = _pipe()

        def run() -> Done:
            try:
                return connection.query(statement, sink, request.default_format, request.bind_parameters)
            finally:
                os.close(sink)

        running = asyncio.get_running_loop().run_in_executor(self._queries, run)
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            with tempfile.SpooledTemporaryFile(_HELD_IN_MEMORY, dir=str(self._scratch)) as held:
                limit = None if request.flag("wait_end_of_query") else _HELD
                async for piece in _pieces(source):
                    if gone.done():
                        # The engine goes on until its own time limit, and only while its pipe is taken empty.
                        # KILL QUERY would end it sooner, but now and then it ended the whole process.
                        continue
                    if not answer.started:
                        if limit is None or held.tell() + len(piece) <= limit:
                            held.write(piece)
                            continue
                        await answer.start(format_name)
                        await _copy(held, answer)
                    await answer.write(piece)
                try:
                    done = await running
                except StoreError:
                    if gone.done():
                        raise ClientGoneError from None
                    raise
                if gone.done():
                    raise ClientGoneError
                if not answer.started:
                    await answer.start(format_name, done)
                    await _copy(held, answer)
            await answer.finish()
        finally:
            gone.cancel()
            os.close(source)

    async def check(self, seconds: float) -> None:
        """Raise TimeoutError where no thread becomes free for that long: the engine has stopped to answer."""
        loop = asyncio.get_running_loop()
        turns = [loop.run_in_executor(pool, _do_nothing) for pool in (self._queries, self._inserts)]
        await asyncio.wait_for(asyncio.gather(*turns), seconds)

    def close(self) -> None:
        """Wait for what is under way, then let go of the engine's connections."""
        self._queries.shutdown()
        self._inserts.shutdown()
        self._sessions.close()


async def _read_statement(request: Request, body: Body) -> Statement:
    """The statement, which may stand in the URL, in the body, or begin in one and end in the other."""
    text = request.parameters.get("query", "").encode()
    if text:
        statement = parse(text)
        if statement is not None and statement.kind is Kind.INSERT:
            return statement
        text += await body.rest()
    else:
        while (piece := await body.piece()) is not None:
            text += piece
            statement = parse(text, complete=False)
            if statement is not None:
                return statement
            if len(text) > LARGEST_STATEMENT:
                raise StoreError.refused(QUERY_IS_TOO_LARGE, f"the statement exceeds {LARGEST_STATEMENT} bytes.")
    whole = parse(text)
    assert whole is not None  # a complete text parses or raises
    return whole


async def _disconnected(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _do_nothing() -> None:
    """A turn in a pool, to see that turns come."""


def _pipe() -> tuple[int, int]:
    source, sink = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(source, False)
    with suppress(OSError):  # a small pipe is slower, nothing else
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, _PIECE)
    return source, sink


async def _pieces(source: int) -> AsyncIterator[bytes]:
    """What comes out of the pipe, until its last writer has closed it."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(source, ready.set)
    try:
        while True:
            ready.clear()
            try:
                piece = os.read(source, _PIECE)
            except BlockingIOError:
                await ready.wait()
                continue
            if not piece:
                return
            yield piece
    finally:
        loop.remove_reader(source)


async def _copy(held: "tempfile.SpooledTemporaryFile[bytes]", answer: Answer) -> None:
    held.seek(0)
    while piece := held.read(_PIECE):
        await answer.write(piece)


async def _plain(send: Send, status: int, text: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": text})
