"""The process that carries readings from the log into the store.

A message is acknowledged only after its rows are stored, so the log keeps them through any failure of the store.
Many small inserts would make the store choke on parts: messages are merged for a moment before they are inserted, the
longer the more parts there are. Several writers share the messages of the log; the first one keeps the roll-ups.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from nats.errors import Error as NatsError

from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.clock import load_clock
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.files import write_atomically
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.readings.model import UnreadableBatchError, decode
from chengnao.sensing.readings.rollups import RollUps
from chengnao.sensing.readings.store import ReadingsStore

log = logging.getLogger(__name__)

T = TypeVar("T")

CONSUMER = "writer"

_ROWS_TO_INSERT = 50_000
_SECONDS_TO_GATHER = 0.25
_FEW_PARTS = 60
"""Merging keeps up with so many; from there on the time to gather grows with them, up to sixteen times."""
_LONGEST_GATHER = 16
_SECONDS_TO_WAIT = 1.0
_MESSAGES_TO_PULL = 16
_SECONDS_TO_FINISH = 8.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0


class Message(Protocol):
    """One message of the log."""

    data: bytes

    async def ack(self) -> None: ...

    async def in_progress(self) -> None: ...


class ReadingsLog(Protocol):
    """The log that the writer empties."""

    async def pull_readings(self, durable: str, batch: int, timeout: float) -> Sequence[Any]: ...

    async def lag(self, stream: str, durable: str) -> int: ...


class Sink(Protocol):
    """Where the rows go."""

    async def insert(self, table: pa.Table) -> None: ...

    async def most_parts(self) -> int: ...


class Writer:
    """Empties the log into the store until told to stop."""

    def __init__(self, source: ReadingsLog, sink: Sink, heartbeat: Heartbeat, unreadable: Path) -> None:
        self._source = source
        self._sink = sink
        self._heartbeat = heartbeat
        self._unreadable = unreadable
        self._stop = asyncio.Event()
        self._stored = 0
        self._parts = 0

    async def run(self) -> None:
        """Work until cancelled; what was pulled by then is stored and acknowledged first, if the store answers."""
        working = asyncio.ensure_future(self._work())
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            self._stop.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(working, _SECONDS_TO_FINISH)
            raise

    async def _work(self) -> None:
        looked = 0.0
        while not self._stop.is_set():
            try:
                messages, tables = await self._gather()
                if time.monotonic() - looked > 1.0:
                    self._heartbeat.lag = await self._source.lag(READINGS, CONSUMER)
                    self._parts = await self._count_parts()
                    looked = time.monotonic()
            except (NatsError, OSError) as error:
                log.warning("the log cannot be read: %s", error or type(error).__name__)
                await self._pause(_SHORTEST_PAUSE)
                continue
            if messages:
                await self._store(messages, pa.concat_tables(tables))

    async def _count_parts(self) -> int:
        try:
            return await self._sink.most_parts()
        except Unavailable:
            return self._parts  # the insert that follows waits for the store

    async def _gather(self) -> tuple[list[Message], list[pa.Table]]:
        """Messages enough for an insert, or as many as came within a moment of the first."""
        messages: list[Message] = []
        tables: list[pa.Table] = []
        rows = 0
        patience = gathering(self._parts)
        until = time.monotonic() + _SECONDS_TO_WAIT
        while rows < _ROWS_TO_INSERT * patience and (left := until - time.monotonic()) > 0 and not self._stop.is_set():
            for message in await self._source.pull_readings(CONSUMER, _MESSAGES_TO_PULL, left):
                try:
                    table = decode(message.data)
                except UnreadableBatchError as error:
                    await self._keep_unreadable(message, error)
                    continue
                if not messages:
                    until = time.monotonic() + _SECONDS_TO_GATHER * patience
                messages.append(message)
                tables.append(table)
                rows += table.num_rows
        return messages, tables

    async def _keep_unreadable(self, message: Message, error: UnreadableBatchError) -> None:
        """It cannot come from the platform's gateways; whatever it is, it is kept and does not stop the rest."""
        path = self._unreadable / f"{hashlib.sha256(message.data).hexdigest()[:32]}.bin"
        write_atomically(path, message.data)
        log.error("a batch on the log is unreadable and was kept as %s: %s", path, error)
        await self._each([message], lambda message: message.ack())

    async def _store(self, messages: Sequence[Message], table: pa.Table) -> None:
        pause = _SHORTEST_PAUSE
        while True:
            try:
                await self._sink.insert(table)
                break
            except Exception as error:  # whatever it is, the rows stay in the log and are tried again
                log.warning("%d readings wait for the store: %s", table.num_rows, error)
                self._heartbeat.detail = f"waiting for the store: {error}"[:300]
            if self._stop.is_set():
                return
            await self._pause(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)
            await self._each(messages, lambda message: message.in_progress())
        # An ack that is lost brings the message again, and storing it again changes nothing.
        await self._each(messages, lambda message: message.ack())
        self._stored += table.num_rows
        self._heartbeat.detail = f"{self._stored} readings stored, {self._parts} parts"

    async def _each(self, messages: Sequence[Message], tell: Callable[[Message], Awaitable[None]]) -> None:
        with suppress(NatsError, OSError):
            for message in messages:
                await tell(message)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


def gathering(parts: int) -> float:
    """How much longer than usual, and for how many more rows, to gather before an insert."""
    return min(_LONGEST_GATHER, max(1.0, parts / _FEW_PARTS))


async def run(settings: Settings, number: int = 0) -> None:
    """Write until cancelled; `number` counts the writers from 1 where there are several."""
    name = f"writer-{number}" if number else "writer"
    secrets = load_secrets(settings.home)
    async with AsyncExitStack() as stack:
        heartbeat = await stack.enter_async_context(Heartbeat(settings.home, name))
        bus = await _patiently(lambda: Bus.connect(settings, name), heartbeat)
        stack.push_async_callback(bus.close)
        store = ReadingsStore.create(settings, secrets)
        stack.push_async_callback(store.close)
        await _patiently(store.ensure_schema, heartbeat)
        heartbeat.ready = True
        heartbeat.detail = ""
        writer = Writer(bus, store, heartbeat, settings.home / "unreadable")
        if number > 1:
            await writer.run()
            return
        patient = ReadingsStore.create(settings, secrets, seconds_to_answer=660)
        stack.push_async_callback(patient.close)
        clock = load_clock(settings.home, settings.clock_speed)
        rolling = asyncio.ensure_future(RollUps(patient, clock).run())
        try:
            await writer.run()
        finally:
            rolling.cancel()
            await asyncio.gather(rolling, return_exceptions=True)


async def _patiently(connect: Callable[[], Awaitable[T]], heartbeat: Heartbeat) -> T:
    while True:
        try:
            return await connect()
        except Unavailable as error:
            heartbeat.detail = str(error)[:300]
            await asyncio.sleep(0.5)
