"""The newest values in memory: filled from the store, ahead of it, and away when the log has a gap."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from chengnao.kernel.bus import Bus
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.readings.latest import LatestValues
from chengnao.sensing.readings.model import Reading, encode, to_table
from chengnao.sensing.readings.store import ReadingsStore

pytestmark = pytest.mark.engines

NOON = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
async def readings(store: str, settings: Settings) -> AsyncIterator[ReadingsStore]:
    made = ReadingsStore.create(settings, load_secrets(settings.home))
    await made.ensure_schema()
    yield made
    await made.close()


async def value_of(values: LatestValues, device: str, wanted: float) -> None:
    async with asyncio.timeout(20):
        while True:
            found = (await values.of([device])).get(device)
            if found and found[0].value == wanted:
                return
            await asyncio.sleep(0.02)


async def test_filled_from_the_store_and_ahead_of_it(readings: ReadingsStore, bus: Bus) -> None:
    await readings.insert(to_table([Reading("seen", "flow", NOON, 1.0, NOON)]))
    values = LatestValues(readings)
    assert (await values.of(["seen", "unseen"]))["seen"][0].value == 1.0  # by the store
    following = asyncio.create_task(values.run(bus))
    try:
        async with asyncio.timeout(20):
            while not values.ready:
                await asyncio.sleep(0.02)
        assert (await values.of(["seen"], "flow"))["seen"][0].time == NOON
        assert await values.of(["seen"], "level") == {}
        later = NOON + timedelta(minutes=1)
        await bus.publish_readings(encode(to_table([Reading("seen", "flow", later, 2.0, later)])))
        await value_of(values, "seen", 2.0)
        assert (await readings.latest(["seen"])).column("value").to_pylist() == [1.0]
    finally:
        following.cancel()


async def test_a_gap_is_filled_from_the_store(readings: ReadingsStore, bus: Bus) -> None:
    values = LatestValues(readings)
    following = asyncio.create_task(values.run(bus))
    try:
        async with asyncio.timeout(20):
            while not values.ready:
                await asyncio.sleep(0.02)
        await bus.publish_readings(encode(to_table([Reading("gap", "flow", NOON, 1.0, NOON)])))
        await value_of(values, "gap", 1.0)
        later = NOON + timedelta(minutes=1)
        await readings.insert(to_table([Reading("gap", "flow", later, 5.0, later)]))
        values._sequence -= 1  # as if a batch had been missed
        await bus.publish_readings(encode(to_table([Reading("other", "flow", NOON, 1.0, NOON)])))
        await value_of(values, "gap", 5.0)
    finally:
        following.cancel()
