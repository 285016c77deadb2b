"""What the tiers must hold, computed here from the readings themselves, and what they do hold."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from chengnao.sensing.readings.model import Quality, Reading
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.sensing.readings.tiers import Tier

_CITY = timedelta(hours=8)
_COLUMNS = (
    "device, metric, toDateTime64(time, 3, 'UTC') AS begin, count, sum, min, max, min_at, max_at,"
    " min_quality, max_quality, first, first_at, last, last_at, good_count, good_sum, good_min, good_max"
)


def bucket(moment: datetime, tier: Tier) -> datetime:
    if tier is Tier.MINUTE:
        return moment.replace(second=0, microsecond=0)
    if tier is Tier.HOUR:
        return moment.replace(minute=0, second=0, microsecond=0)
    return (moment + _CITY).replace(hour=0, minute=0, second=0, microsecond=0) - _CITY


def ended(begin: datetime, tier: Tier, until: datetime) -> bool:
    length = {Tier.MINUTE: timedelta(minutes=1), Tier.HOUR: timedelta(hours=1), Tier.DAY: timedelta(days=1)}[tier]
    return begin + length <= until


def expected_tier(readings: Iterable[Reading], tier: Tier, until: datetime) -> list[tuple[Any, ...]]:
    """Of buckets that have ended by `until`; each reading is given once."""
    buckets: dict[tuple[str, str, datetime], list[Reading]] = defaultdict(list)
    for each in readings:
        buckets[each.device, each.metric, bucket(each.time, tier)].append(each)
    rows = []
    for (device, metric, begin), inside in sorted(buckets.items()):
        if not ended(begin, tier, until):
            continue
        values = [each.value for each in inside]
        good = [each.value for each in inside if each.quality is Quality.GOOD]
        least = min(inside, key=lambda each: (each.value, each.time))
        most = max(inside, key=lambda each: (each.value, each.time))
        first, last = min(inside, key=lambda each: each.time), max(inside, key=lambda each: each.time)
        rows.append(
            (
                *(device, metric, begin, len(values), sum(values), least.value, most.value, least.time, most.time),
                *(least.quality.value, most.quality.value, first.value, first.time, last.value, last.time),
                *(len(good), sum(good), min(good, default=0.0), max(good, default=0.0)),
            )
        )
    return rows


async def stored_tier(store: ReadingsStore, tier: Tier, until: datetime) -> list[tuple[Any, ...]]:
    table = await store._query(f"SELECT {_COLUMNS} FROM chengnao.{tier} FINAL ORDER BY device, metric, begin", {})
    rows = [tuple(row.values()) for row in table.to_pylist()]
    return [row for row in rows if ended(row[2], tier, until)]


async def wipe(store: ReadingsStore) -> None:
    def truncate(client: Any) -> None:
        for table in ("readings", "latest", "minute", "hour", "day", "touched", "rollups"):
            client.command(f"TRUNCATE TABLE IF EXISTS chengnao.{table}")

    await store._with_client(truncate)
