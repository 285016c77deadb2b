"""Readings in bulk as a Parquet file, made while it is sent: memory does not grow with the span asked for."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Invalid
from chengnao.sensing.devices.area_repository import Area, AreaRepository
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.sensing.readings.tiers import Tier

DEVICES_AT_ONCE = 500
ROWS_IN_GROUP = 100_000


@dataclass(frozen=True)
class Wanted:
    """Which readings: of the devices named or of an area, in [begin, end), of the metrics named or of all."""

    begin: datetime
    end: datetime
    area: Area
    devices: Sequence[str] = ()
    metrics: Sequence[str] = ()
    tier: Tier = Tier.RAW

    def check(self) -> None:
        """Raises Invalid where nothing can be meant."""
        if self.begin >= self.end:
            raise Invalid(
                "invalid_value",
                field="from",
                value=self.begin.isoformat(),
                reason_zh="起始时间应早于结束时间",
                reason_en="it must lie before `to`",
            )


class ExportRunningError(Conflict):
    """The person has an export under way."""

    def __init__(self) -> None:
        super().__init__("export_running")


class Exports:
    """Who has an export under way: one at a time for each person, so that nobody fills the store with questions."""

    def __init__(self) -> None:
        self._running: set[str] = set()

    def begin(self, person: str) -> None:
        """Raises ExportRunningError where one is under way; `end` must follow."""
        if person in self._running:
            raise ExportRunningError
        self._running.add(person)

    def end(self, person: str) -> None:
        self._running.discard(person)


class _Sink:
    """What the Parquet writer has written and nobody has taken yet."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """What is left is still to be taken."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


async def parquet(database: Database, store: ReadingsStore, scope: Scope, wanted: Wanted) -> AsyncIterator[bytes]:
    """The file in pieces, device after device in order of ids, each device by metric and time."""
    sink = _Sink()
    schema = await store.columns(wanted.tier)
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        async with aclosing(_tables(database, store, scope, wanted)) as tables:
            async for table in tables:
                waiting.append(table.cast(schema))
                if sum(map(len, waiting)) >= ROWS_IN_GROUP:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting.clear()
                    yield sink.take()
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    yield sink.take()


async def _tables(
    database: Database, store: ReadingsStore, scope: Scope, wanted: Wanted
) -> AsyncGenerator[pa.Table, None]:
    after = ""
    while True:
        async with database.unit_of_work() as uow:
            ids = await AreaRepository(uow.session).ids(scope, wanted.area, after, DEVICES_AT_ONCE, wanted.devices)
        if ids:
            found = store.rows_of(wanted.tier, ids, wanted.metrics, wanted.begin, wanted.end)
            async with aclosing(found) as tables:
                async for table in tables:
                    yield table
        if len(ids) < DEVICES_AT_ONCE:
            return
        after = ids[-1]
