"""Minutes, hours and days are what a recomputation from the raw readings gives, whatever came and in which order."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chengnao.kernel.clock import FixedClock
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.readings import rollups
from chengnao.sensing.readings.model import Quality, Reading, to_table
from chengnao.sensing.readings.rollups import RollUps
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.sensing.readings.tiers import ROLLED_UP, Retention, Tier, tier_of

from .recomputed import expected_tier, stored_tier, wipe

pytestmark = pytest.mark.engines

NOON = datetime(2026, 5, 30, 4, 0, tzinfo=UTC)


@pytest.fixture
async def readings(store: str, settings: Settings) -> AsyncIterator[ReadingsStore]:
    made = ReadingsStore.create(settings, load_secrets(settings.home))
    await made.ensure_schema()
    await wipe(made)
    yield made
    await wipe(made)
    await made.close()


def random_batch(chance: random.Random, begin: datetime, hours: float, rows: int) -> list[Reading]:
    """Values that are exact in binary, so that sums do not depend on their order."""
    made = []
    for _ in range(rows):
        at = begin + timedelta(seconds=chance.randrange(int(hours * 3600)))
        quality = Quality.GOOD if chance.random() < 0.8 else Quality.OUT_OF_RANGE
        value = chance.randrange(-4000, 4000) / 8
        received = at + timedelta(seconds=chance.randrange(100_000))
        made.append(Reading(f"roll-{chance.randrange(6)}", "level", at, value, received, quality))
    return made


class Kept:
    """What the store must hold: of each (device, metric, time) the reading received last."""

    def __init__(self) -> None:
        self.readings: dict[tuple[str, str, datetime], Reading] = {}

    def add(self, rows: Sequence[Reading]) -> None:
        for row in rows:
            key = row.device, row.metric, row.time
            before = self.readings.get(key)
            if before is None or row.received_at >= before.received_at:
                self.readings[key] = row


async def check(store: ReadingsStore, kept: Kept, until: datetime) -> None:
    for tier in ROLLED_UP:
        assert await stored_tier(store, tier, until) == expected_tier(kept.readings.values(), tier, until)


@pytest.mark.parametrize("at_once", [1_000_000, 150])
async def test_late_doubled_and_corrected_rows_end_in_exact_buckets(
    readings: ReadingsStore, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With little at once the devices are cut into many ranges.
    monkeypatch.setattr(rollups, "ROWS_AT_ONCE", at_once)
    monkeypatch.setattr(rollups, "HOURS_AT_ONCE", at_once)
    chance = random.Random(at_once)
    clock = FixedClock(NOON)
    duty, kept = RollUps(readings, clock), Kept()
    old: list[Reading] = []
    for _ in range(8):
        now = clock.now()
        fresh = random_batch(chance, now - timedelta(hours=2), 2, 300)
        late = random_batch(chance, now - timedelta(days=3), 70, 120)
        again = chance.sample(old, min(len(old), 60))
        corrected = [
            Reading(row.device, row.metric, row.time, row.value + 1, row.received_at + timedelta(days=2))
            for row in chance.sample(old, min(len(old), 40))
        ]
        for rows in (fresh, late, again, corrected):
            await readings.insert(to_table(rows))
            kept.add(rows)
        old += fresh + late
        if chance.random() < 0.7:
            await duty.step()
            await check(readings, kept, now.replace(minute=0) - timedelta(hours=1))
        clock.advance(chance.randrange(600, 20_000))
    await duty.step()
    done = (await readings.progress())["done"]
    assert done == (clock.now() - timedelta(minutes=10)).replace(minute=0, second=0)
    await check(readings, kept, done)
    assert await readings.touched() == []


async def test_a_roll_up_that_did_not_see_a_row_learns_of_it(readings: ReadingsStore) -> None:
    clock, kept = FixedClock(NOON), Kept()
    duty = RollUps(readings, clock)
    first = random_batch(random.Random(1), NOON - timedelta(days=2), 40, 200)
    await readings.insert(to_table(first))
    kept.add(first)
    await readings.set_progress("announced", NOON - timedelta(hours=1))  # as a process that died right after
    second = random_batch(random.Random(2), NOON - timedelta(days=2), 40, 200)
    await readings.insert(to_table(second))
    kept.add(second)
    assert await readings.touched()
    await duty.step()
    await check(readings, kept, NOON - timedelta(hours=1))


async def test_charts_read_tiers_and_the_raw_readings_that_are_not_in_them_yet(readings: ReadingsStore) -> None:
    begin = NOON - timedelta(days=60)
    rows = [
        Reading("chart", "level", begin + timedelta(minutes=10 * i), float(i % 500), NOON) for i in range(6 * 24 * 60)
    ]
    spike = Reading("chart", "level", begin + timedelta(days=20, minutes=3), 9_999.0, NOON, Quality.OUT_OF_RANGE)
    await readings.insert(to_table([*rows, spike]))
    await RollUps(readings, FixedClock(NOON - timedelta(days=1))).step()
    for tier in (Tier.MINUTE, Tier.HOUR, Tier.DAY):
        found = (await readings.series("chart", "level", begin, NOON, 200, tier)).to_pylist()
        assert 100 <= len(found) <= 204
        highest = max(found, key=lambda row: float(row["value"]))
        assert (highest["value"], highest["time"], highest["quality"]) == (9_999.0, spike.time, "out_of_range")
        assert found[-1]["time"] >= NOON - timedelta(hours=20)
        assert found == sorted(found, key=lambda row: row["time"])


async def test_what_is_older_than_the_raw_readings_keeps_its_bucket(readings: ReadingsStore) -> None:
    at = NOON - timedelta(days=20)
    old = [Reading("old", "level", at + timedelta(minutes=i), 1.0, at) for i in range(50)]
    await readings.insert(to_table(old))
    duty = RollUps(readings, FixedClock(NOON))
    await duty.step()
    await readings._with_client(lambda client: client.command("TRUNCATE TABLE chengnao.readings"))
    await readings.insert(to_table([Reading("old", "level", at, 7.0, NOON)]))
    await duty.step()
    (hour,) = await stored_tier(readings, Tier.HOUR, NOON)
    assert hour[3:5] == (50, 50.0)


async def test_a_store_of_an_earlier_release_is_rolled_up_before_it_lets_go(readings: ReadingsStore) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    earlier = now - timedelta(days=100)
    rows = [Reading("earlier", "level", earlier + timedelta(hours=i), 1.0, earlier) for i in range(48)]

    def as_before(client: Any) -> None:
        for table in (*ROLLED_UP, "touched", "rollups"):
            client.command(f"DROP TABLE chengnao.{table}")
        client.command("ALTER TABLE chengnao.readings REMOVE TTL")
        client.insert_arrow("chengnao.readings", to_table(rows))

    def merge(client: Any) -> None:
        client.command("OPTIMIZE TABLE chengnao.readings FINAL")

    await readings._with_client(as_before)
    short = ReadingsStore(readings._make_client, Retention(raw=40, minute=400, hour=400, day=400))
    try:
        await short.ensure_schema()
        await short._with_client(merge)
        assert await short.count("earlier") == 48
        await RollUps(short, FixedClock(now)).step()
        assert sum(row[3] for row in await stored_tier(short, Tier.HOUR, now)) == 48
        await short._with_client(merge)
        assert await short.count("earlier") == 0
        assert sum(row[3] for row in await stored_tier(short, Tier.DAY, now)) == 48
    finally:
        await readings.ensure_schema()
        await short.close()


async def test_each_tier_lets_go_of_what_is_too_old(settings: Settings, readings: ReadingsStore) -> None:
    short = ReadingsStore(readings._make_client, Retention(raw=40, minute=60, hour=60, day=60))
    await short.ensure_schema()
    try:
        now = datetime.now(UTC)
        for days in (100, 1):
            at = now - timedelta(days=days)
            await short.insert(to_table([Reading("kept", "level", at, 1.0, at)]))
        await RollUps(short, FixedClock(now)).step()

        def merge(client: Any) -> None:
            for table in ("readings", *ROLLED_UP):
                client.command(f"OPTIMIZE TABLE chengnao.{table} FINAL")

        await short._with_client(merge)
        assert await short.count("kept") == 1
        assert len(await stored_tier(short, Tier.HOUR, now)) == 1
    finally:
        await readings.ensure_schema()


def test_the_tier_follows_span_points_and_age() -> None:
    kept = Retention(90, 400, 1830, 7300)
    assert tier_of(1, 1, 600, kept) is Tier.RAW
    assert tier_of(7, 7, 600, kept) is Tier.MINUTE
    assert tier_of(30, 30, 600, kept) is Tier.HOUR
    assert tier_of(400, 400, 600, kept) is Tier.DAY
    assert tier_of(1, 91, 600, kept) is Tier.MINUTE
    assert tier_of(1, 500, 600, kept) is Tier.HOUR
    assert tier_of(1, 9_000, 600, kept) is Tier.DAY


def test_buckets_of_a_day_begin_at_midnight_in_the_city() -> None:
    rows = [Reading("d", "m", datetime(2026, 5, 1, 15, 59, tzinfo=UTC), 1.0, NOON)]
    ((_, _, begin, *_),) = expected_tier(rows, Tier.DAY, NOON)
    assert begin == datetime(2026, 4, 30, 16, tzinfo=UTC)
