"""Tiny batches, months out of order, a station three years behind: the store never has too many parts."""

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta

import pytest

from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.health import read_health
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.readings import writer
from chengnao.sensing.readings.model import Reading, encode, to_table
from chengnao.sensing.readings.store import ReadingsStore

pytestmark = pytest.mark.engines

NOW = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
SECONDS = 12


def tiny(chance: random.Random, number: int) -> list[Reading]:
    """One reading of now, some of any month, and a few days of a station that begins three years ago."""
    anywhere = [NOW - timedelta(seconds=chance.randrange(3 * 365 * 86_400)) for _ in range(4)]
    behind = [NOW - timedelta(days=3 * 365 - number, hours=hour) for hour in range(0, 72, 6)]
    rows = [Reading("now", "level", NOW + timedelta(seconds=number), 1.0, NOW)]
    rows += [Reading(f"any-{chance.randrange(50)}", "level", at, 1.0, NOW) for at in anywhere]
    rows += [Reading("behind", "level", at, 1.0, NOW) for at in behind]
    return rows


async def test_parts_stay_few(
    bus: Bus, store: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Inserting at once what has come is the worst that can be; only the number of parts slows it down.
    monkeypatch.setattr(writer, "_SECONDS_TO_GATHER", 0.03)
    readings = ReadingsStore.create(settings, load_secrets(settings.home))
    await readings.ensure_schema()
    caplog.set_level(logging.WARNING)
    chance = random.Random(7)
    keys: set[tuple[str, datetime]] = set()
    most = 0
    before = await readings.count()
    task = asyncio.create_task(writer.run(settings))
    try:
        began = asyncio.get_running_loop().time()
        number = 0
        while asyncio.get_running_loop().time() - began < SECONDS:
            rows = tiny(chance, number)
            keys |= {(row.device, row.time) for row in rows}
            await bus.publish_readings(encode(to_table(rows)))
            number += 1
            if number % 10 == 0:
                most = max(most, await readings.most_parts())
            await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            while await bus.lag(READINGS, writer.CONSUMER):
                await asyncio.sleep(0.1)
        assert await readings.count() - before == len(keys)
        await asyncio.sleep(1.5)
        health = read_health(settings.home, "writer")
        assert health is not None
        assert "parts" in health.detail
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await readings.close()
    assert most < 300, most
    assert not [record for record in caplog.records if "wait for the store" in record.message]
