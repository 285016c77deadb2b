"""From the log into the store, with both of them real."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.health import read_health
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.readings import writer
from chengnao.sensing.readings.model import Reading, encode, to_table
from chengnao.sensing.readings.store import ReadingsStore

pytestmark = pytest.mark.engines

NOON = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)


def message(device: str, first: int, count: int) -> bytes:
    moments = [NOON + timedelta(seconds=first + i) for i in range(count)]
    return encode(to_table([Reading(device, "flow", at, at.timestamp(), at) for at in moments]))


async def test_log_is_emptied_into_the_store_once(bus: Bus, store: str, settings: Settings) -> None:
    readings = ReadingsStore.create(settings, load_secrets(settings.home))
    task = asyncio.create_task(writer.run(settings))
    try:
        for number in range(40):
            await bus.publish_readings(message("written", number * 90, 100))  # the last 10 come again in the next
        await bus.publish_readings(b"no batch of readings")
        await bus.publish_readings(message("written", 3610, 5))
        for _ in range(200):
            if not await bus.lag(READINGS, writer.CONSUMER):
                break
            await asyncio.sleep(0.1)
        assert await readings.count("written") == 3615
        newest = (await readings.latest(["written"])).to_pylist()
        assert [row["time"] for row in newest] == [NOON + timedelta(seconds=3614)]
        await asyncio.sleep(2.5)
        health = read_health(settings.home, "writer")
        assert health is not None
        assert (health.ready, health.lag) == (True, 0)
        assert len(list((settings.home / "unreadable").iterdir())) == 1
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)
        await readings.close()
