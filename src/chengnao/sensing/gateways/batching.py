"""Group commit: many senders share one message on the log, and each is answered once that is on disk."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pyarrow as pa

from chengnao.kernel.errors import Unavailable
from chengnao.sensing.gateways.flags import Recent
from chengnao.sensing.readings.model import READING_SCHEMA, encode

log = logging.getLogger(__name__)

MAX_ROWS = 20_000
LINGER_SECONDS = 0.02
MAX_IN_FLIGHT = 4
MAX_WAITING_ROWS = 400_000

Publish = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class Rows:
    """Readings as columns of plain values, for senders of a few at a time."""

    device: list[str] = field(default_factory=list)
    metric: list[str] = field(default_factory=list)
    time: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    quality: list[str] = field(default_factory=list)
    received_at: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.device)

    def extend(self, more: "Rows") -> None:
        self.device += more.device
        self.metric += more.metric
        self.time += more.time
        self.value += more.value
        self.quality += more.quality
        self.received_at += more.received_at

    def table(self) -> pa.Table:
        moment = READING_SCHEMA.field("time").type
        return pa.Table.from_arrays(
            [
                pa.array(self.device, pa.string()),
                pa.array(self.metric, pa.string()),
                pa.array(self.time, pa.int64()).cast(moment),
                pa.array(self.value, pa.float64()),
                pa.array(self.quality, pa.string()),
                pa.array(self.received_at, pa.int64()).cast(moment),
            ],
            schema=READING_SCHEMA,
        )


class _Batch:
    def __init__(self) -> None:
        self.tables: list[pa.Table] = []
        self.rows = Rows()
        self.table_rows = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __len__(self) -> int:
        return self.table_rows + len(self.rows)

    def table(self) -> pa.Table:
        tables = [*self.tables, self.rows.table()] if len(self.rows) else self.tables
        return tables[0] if len(tables) == 1 else pa.concat_tables(tables)


class Committer:
    """Collects readings into batches and publishes them, several at once."""

    def __init__(self, publish: Publish, max_bytes: int = 1_000_000) -> None:
        self._publish = publish
        self._max_bytes = max_bytes
        self._batch: _Batch | None = None
        self._waiting_rows = 0
        self._in_flight: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._full = asyncio.Event()
        self.committed = 0
        self._recent = Recent()

    @property
    def waiting_rows(self) -> int:
        """Readings that are taken in and not yet on the log."""
        return self._waiting_rows

    def add_table(self, table: pa.Table) -> asyncio.Future[None]:
        """Take in a table in READING_SCHEMA; the future is done once it is on disk, or fails with Unavailable.

        Raises Unavailable at once where too much waits already.
        """
        batch = self._open(len(table))
        batch.tables.append(table)
        batch.table_rows += len(table)
        return self._counted(batch, len(table))

    def add_rows(self, rows: Rows) -> asyncio.Future[None]:
        """Like `add_table`, for a few readings."""
        batch = self._open(len(rows))
        batch.rows.extend(rows)
        return self._counted(batch, len(rows))

    def _open(self, count: int) -> _Batch:
        if self._waiting_rows + count > MAX_WAITING_ROWS:
            raise Unavailable("bus_unavailable", reason="待写入的读数过多 / too many readings wait", retry_after=2)
        if self._batch is not None and len(self._batch) + count > MAX_ROWS:
            self._batch = None
        if self._batch is None:
            self._batch = _Batch()
            self._full = asyncio.Event()
            task = asyncio.create_task(self._commit(self._batch, self._full))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)
        return self._batch

    def _counted(self, batch: _Batch, count: int) -> asyncio.Future[None]:
        self._waiting_rows += count
        if len(batch) >= MAX_ROWS:
            self._full.set()
        return batch.done

    async def _commit(self, batch: _Batch, full: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(LINGER_SECONDS):
                await full.wait()
        except TimeoutError:
            pass
        async with self._slots:
            if self._batch is batch:
                self._batch = None
            count = len(batch)
            try:
                await self._publish_table(self._recent.marked(batch.table()))
            except Unavailable as error:
                batch.done.set_exception(error)
                batch.done.exception()  # a sender may have gone; that is no error of ours
            except Exception as error:
                log.exception("a batch of %d readings could not be published", count)
                batch.done.set_exception(Unavailable("bus_unavailable", reason=type(error).__name__))
                batch.done.exception()
            else:
                self.committed += count
                batch.done.set_result(None)
            finally:
                self._waiting_rows -= count

    async def _publish_table(self, table: pa.Table) -> None:
        payload = encode(table)
        if len(payload) > self._max_bytes and len(table) > 1:
            half = len(table) // 2
            await self._publish_table(table.slice(0, half))
            await self._publish_table(table.slice(half))
        else:
            await self._publish(payload)

    async def close(self) -> None:
        """Publish what waits."""
        self._full.set()
        while self._in_flight:
            await asyncio.wait(set(self._in_flight))
