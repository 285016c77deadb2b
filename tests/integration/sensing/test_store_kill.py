"""Killed at any moment, the store keeps what it acknowledged, and a retry doubles nothing."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.settings import Settings, load_secrets, load_settings
from chengnao.sensing.readings.model import Reading, to_table
from chengnao.sensing.readings.store import ReadingsStore
from tests.support.ports import free_block
from tests.support.stack import make_home, remove_home

pytestmark = pytest.mark.engines

START = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(seconds=20)
"""Just before a month ends, and not so long ago that readings are dropped for their age."""
ROWS = 2000


class KillableStore:
    """The store's process, under a hand that kills and restarts it."""

    def __init__(self, settings: Settings) -> None:
        self.url = f"http://127.0.0.1:{settings.port('store')}"
        self._environment = os.environ | {
            "CHENGNAO_HOME": str(settings.home),
            "CHENGNAO_BASE_PORT": str(settings.base_port),
        }
        self._log = (settings.home / "store.log").open("wb")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chengnao.app.process", "store"],
            env=self._environment,
            stdout=self._log,
            stderr=self._log,
        )

    def end(self, with_signal: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(with_signal)
        return self.exit_code()

    def exit_code(self) -> int:
        assert self._process is not None
        return self._process.wait(10)

    async def answers(self) -> float:
        began = time.monotonic()
        async with httpx.AsyncClient() as client:
            while time.monotonic() - began < 30:
                try:
                    if (await client.get(f"{self.url}/ping", timeout=1)).text == "Ok.\n":
                        return time.monotonic() - began
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
        raise AssertionError("the store does not answer")

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._log.close()


@pytest.fixture
def home() -> Iterator[Path]:
    made = make_home()
    yield made
    remove_home(made)


@pytest.fixture
def killable(home: Path) -> Iterator[tuple[KillableStore, Settings]]:
    settings = load_settings(home, base_port=free_block())
    server = KillableStore(settings)
    server.start()
    yield server, settings
    server.close()


def batch(writer: int, number: int) -> list[Reading]:
    """Batches of one writer follow each other in time, across the end of a month."""
    at = START + timedelta(seconds=number)
    return [Reading(f"w{writer}-{i}", "level", at, float(number), at) for i in range(ROWS)]


async def test_nothing_acknowledged_is_lost_or_doubled_by_kills(killable: tuple[KillableStore, Settings]) -> None:
    server, settings = killable
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    await server.answers()
    await store.ensure_schema()
    acknowledged = [0, 0, 0]
    retries = 0
    stop = False

    async def write(writer: int) -> None:
        nonlocal retries
        while not stop:
            table = to_table(batch(writer, acknowledged[writer]))
            while True:
                try:
                    await store.insert(table)
                except Unavailable:
                    retries += 1
                    await asyncio.sleep(0.05)
                else:
                    acknowledged[writer] += 1
                    break

    async def kill() -> list[float]:
        nonlocal stop
        waits = []
        for _ in range(6):
            await asyncio.sleep(random.uniform(0.4, 1.5))
            server.end(signal.SIGKILL)
            server.start()
            waits.append(await server.answers())
        await asyncio.sleep(0.5)
        stop = True
        return waits

    writing = asyncio.gather(*(write(writer) for writer in range(3)))
    waits = await kill()
    await writing
    assert retries > 0
    assert max(waits) < 10
    assert await store.count() == sum(acknowledged) * ROWS
    for writer, batches in enumerate(acknowledged):
        assert await store.count(f"w{writer}-7") == batches
        newest = (await store.latest([f"w{writer}-{ROWS - 1}"])).to_pylist()
        assert [row["value"] for row in newest] == [float(batches - 1)]
    assert (await store.latest_all()).num_rows == 3 * ROWS
    await store.close()


async def test_stops_clean_when_told_and_refuses_a_second_owner(killable: tuple[KillableStore, Settings]) -> None:
    server, settings = killable
    await server.answers()
    second = KillableStore(settings)
    second.start()
    try:
        assert second.exit_code() != 0
        assert "another process" in (settings.home / "store.log").read_text()
    finally:
        second.close()
    assert server.end(signal.SIGTERM) == 0
