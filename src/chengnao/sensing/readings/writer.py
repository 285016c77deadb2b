"""The `writer` process: moves batches of readings from the log into the store."""

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.files import write_atomically
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.readings.model import UnreadableBatchError, decode
from chengnao.sensing.readings.store import ReadingsStore

log = logging.getLogger(__name__)

DURABLE = "writer"
GATHER_SECONDS = 0.3
"""Small inserts make many parts, and too many parts stop a ClickHouse table: gather this long, or up to MAX_ROWS."""
MAX_ROWS = 200_000
_MESSAGES = 64


async def run(settings: Settings) -> None:
    """Write until cancelled; what was pulled and not acknowledged comes again."""
    bus = await Bus.connect(settings, "writer")
    writer = Writer(bus, ReadingsStore.create(settings, load_secrets(settings.home)), settings.home / "unreadable")
    async with Heartbeat(settings.home, "writer") as heartbeat:
        heartbeat.ready = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(writer.run())
                group.create_task(_tell_lag(heartbeat, bus, writer))
        finally:
            await bus.close()


class Writer:
    """Gathers messages, inserts them as one, and only then acknowledges them."""

    def __init__(self, bus: Bus, store: ReadingsStore, unreadable: Path) -> None:
        self.bus = bus
        self.store = store
        self.unreadable = unreadable
        self.written = 0
        self.trouble = ""

    async def run(self) -> None:
        while True:
            try:
                messages, tables = await self._gather()
            except (NatsError, OSError) as error:
                self.trouble = f"log: {error}"
                log.warning("readings cannot be pulled: %s", error)
                await asyncio.sleep(0.5)
                continue
            if tables:
                await self._insert(pa.concat_tables(tables))
            for message in messages:
                # An ack that is lost brings the batch again, and the store knows the readings by their keys.
                with suppress(NatsError, OSError):
                    await message.ack()

    async def _gather(self) -> tuple[list[Msg], list[pa.Table]]:
        messages: list[Msg] = []
        tables: list[pa.Table] = []
        rows = 0
        until = 0.0
        while rows < MAX_ROWS:
            wait = 5.0 if not messages else until - time.monotonic()
            if wait <= 0.01:
                break
            pulled = await self.bus.pull_readings(DURABLE, _MESSAGES if messages else 1, wait)
            if pulled and not messages:
                until = time.monotonic() + GATHER_SECONDS
            for message in pulled:
                messages.append(message)
                table = self._decoded(message)
                if table is not None:
                    tables.append(table)
                    rows += len(table)
        return messages, tables

    def _decoded(self, message: Msg) -> pa.Table | None:
        try:
            return decode(message.data)
        except UnreadableBatchError as error:
            # It cannot come from our gateways; whatever it is, it is kept and does not stop the rest.
            path = self.unreadable / f"{message.metadata.sequence.stream}.bin"
            write_atomically(path, message.data)
            log.error("a batch on the log is unreadable and was kept as %s: %s", path, error)
            return None

    async def _insert(self, table: pa.Table) -> None:
        wait = 0.2
        while True:
            try:
                await self.store.insert(table)
            except Unavailable as error:
                self.trouble = f"store: {error.params.get('reason', '')}"
                log.warning("%d readings wait for the store: %s", len(table), error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
            else:
                self.trouble = ""
                self.written += len(table)
                return


async def _tell_lag(heartbeat: Heartbeat, bus: Bus, writer: Writer) -> None:
    while True:
        with suppress(NatsError, OSError):
            heartbeat.lag = await bus.lag(READINGS, DURABLE)
        heartbeat.detail = writer.trouble or f"{writer.written:,} readings written"
        await asyncio.sleep(1.0)
