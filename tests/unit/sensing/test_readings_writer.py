"""The writer acknowledges what is stored, and nothing else."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.health import Heartbeat
from chengnao.sensing.readings import writer as module
from chengnao.sensing.readings.model import Reading, encode, to_table
from chengnao.sensing.readings.writer import Writer

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


class Message:
    def __init__(self, data: bytes, events: list[str]) -> None:
        self.data = data
        self._events = events
        self.acknowledged = False

    async def ack(self) -> None:
        self.acknowledged = True
        self._events.append("ack")

    async def in_progress(self) -> None:
        self._events.append("in_progress")


class Log:
    """A log in memory: gives a few messages a pull, then is silent for as long as it is asked to wait."""

    def __init__(self, messages: Sequence[Message], pulled_at_once: int = 3) -> None:
        self.waiting = list(messages)
        self._at_once = pulled_at_once

    async def pull_readings(self, durable: str, batch: int, timeout: float) -> list[Any]:
        count = min(batch, self._at_once)
        pulled, self.waiting = self.waiting[:count], self.waiting[count:]
        await asyncio.sleep(0 if pulled else timeout)
        return pulled

    async def lag(self, stream: str, durable: str) -> int:
        return len(self.waiting)


class Store:
    """Refuses the first inserts, then keeps the tables."""

    def __init__(self, events: list[str], failures: Sequence[Exception] = (), seconds: float = 0.0) -> None:
        self._events = events
        self._failures = list(failures)
        self._seconds = seconds
        self.tables: list[pa.Table] = []

    async def insert(self, table: pa.Table) -> None:
        self._events.append("insert")
        await asyncio.sleep(self._seconds)
        if self._failures:
            raise self._failures.pop(0)
        self.tables.append(table)

    async def most_parts(self) -> int:
        return 1


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS_TO_GATHER", 0.02)
    monkeypatch.setattr(module, "_SECONDS_TO_WAIT", 0.05)
    monkeypatch.setattr(module, "_SHORTEST_PAUSE", 0.001)
    monkeypatch.setattr(module, "_LONGEST_PAUSE", 0.002)


def message(events: list[str], rows: int = 2, device: str = "d") -> Message:
    readings = [Reading(device, "m", NOON + timedelta(seconds=i), float(i), NOON) for i in range(rows)]
    return Message(encode(to_table(readings)), events)


async def write(log: Log, store: Store, folder: Path, seconds: float = 0.3) -> Heartbeat:
    heartbeat = Heartbeat(folder, "writer")
    task = asyncio.create_task(Writer(log, store, heartbeat, folder / "unreadable").run())
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return heartbeat


async def test_messages_are_merged_and_acknowledged_after_the_insert(tmp_path: Path) -> None:
    events: list[str] = []
    messages = [message(events, device=f"d{i}") for i in range(7)]
    store = Store(events)
    heartbeat = await write(Log(messages), store, tmp_path)
    assert events == ["insert"] + ["ack"] * 7
    assert store.tables[0].num_rows == 14
    assert heartbeat.lag == 0


async def test_enough_rows_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_TO_INSERT", 10)
    events: list[str] = []
    store = Store(events)
    await write(Log([message(events, rows=6) for _ in range(6)]), store, tmp_path)
    assert [table.num_rows for table in store.tables] == [18, 18]


@pytest.mark.parametrize("failure", [Unavailable("store_unavailable", reason="down"), RuntimeError("a bug")])
async def test_nothing_is_acknowledged_while_the_store_fails(tmp_path: Path, failure: Exception) -> None:
    events: list[str] = []
    store = Store(events, [failure] * 3)
    await write(Log([message(events)]), store, tmp_path)
    assert events == ["insert", "in_progress"] * 3 + ["insert", "ack"]
    assert store.tables[0].num_rows == 2


async def test_store_that_stays_away_leaves_all_in_the_log(tmp_path: Path) -> None:
    events: list[str] = []
    waiting = message(events)
    heartbeat = await write(Log([waiting]), Store(events, [OSError("refused")] * 100_000), tmp_path)
    assert not waiting.acknowledged
    assert "refused" in heartbeat.detail


async def test_insert_under_way_is_finished_and_acknowledged_on_stop(tmp_path: Path) -> None:
    events: list[str] = []
    store = Store(events, seconds=0.3)
    await write(Log([message(events)]), store, tmp_path, seconds=0.15)
    assert events == ["insert", "ack"]


async def test_unreadable_message_is_kept_aside_and_stops_nothing(tmp_path: Path) -> None:
    events: list[str] = []
    broken, good = Message(b"no batch", events), message(events)
    store = Store(events)
    await write(Log([broken, good]), store, tmp_path)
    assert [path.read_bytes() for path in (tmp_path / "unreadable").iterdir()] == [b"no batch"]
    assert broken.acknowledged
    assert good.acknowledged
    assert store.tables[0].num_rows == 2
