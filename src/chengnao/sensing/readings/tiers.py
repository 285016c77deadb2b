"""Roll-ups of readings by minute, hour and day, in SQL that a single engine and a ClickHouse cluster both take.

Each bucket is computed from the raw readings, each counted once, and replaces what stood there: whatever comes late,
twice or corrected, a bucket is what its readings are. Two moments say how far the tiers go:

- `announced`: what is older and comes from now on must be named in `touched`;
- `done`: what is older stands in the tiers; what is younger is still read from the raw readings.

The order makes it exact without locks. Who computes announces first and reads then; who stores reads the announced
moment after its rows are stored. So a row that the computation did not see is in `touched`. A bucket's version is the
store's clock before the computation reads: of two, the one with the greater version has seen all that the other saw.
"""

from dataclasses import dataclass
from enum import StrEnum

from chengnao.kernel.settings import Settings
from chengnao.sensing.readings.schema import DATABASE, DURABLE

DAY_ZONE = "Asia/Shanghai"
"""Where a day begins: the one zone of China, without summer time."""


class Tier(StrEnum):
    """How finely readings are kept."""

    RAW = "raw"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


ROLLED_UP = (Tier.MINUTE, Tier.HOUR, Tier.DAY)

BUCKET = {
    Tier.MINUTE: "toDateTime(toStartOfMinute({0}), 'UTC')",
    Tier.HOUR: "toDateTime(toStartOfHour({0}), 'UTC')",
    Tier.DAY: f"toDateTime(toStartOfDay({{0}}, '{DAY_ZONE}'), 'UTC')",
}
"""The moment at which the bucket of a moment begins."""


@dataclass(frozen=True)
class Retention:
    """How many days each tier is kept."""

    raw: int
    minute: int
    hour: int
    day: int

    @classmethod
    def of(cls, settings: Settings) -> "Retention":
        return cls(settings.keep_raw_days, settings.keep_minute_days, settings.keep_hour_days, settings.keep_day_days)

    def days(self, tier: Tier) -> int:
        return int(getattr(self, tier.value))


_COLUMNS = """
    device String,
    metric LowCardinality(String),
    time DateTime('UTC') CODEC(DoubleDelta, LZ4),
    count UInt32,
    sum Float64 CODEC(Gorilla, LZ4),
    min Float64 CODEC(Gorilla, LZ4),
    max Float64 CODEC(Gorilla, LZ4),
    min_at DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4),
    max_at DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4),
    min_quality LowCardinality(String),
    max_quality LowCardinality(String),
    first Float64 CODEC(Gorilla, LZ4),
    first_at DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4),
    last Float64 CODEC(Gorilla, LZ4),
    last_at DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4),
    good_count UInt32,
    good_sum Float64 CODEC(Gorilla, LZ4),
    good_min Float64 CODEC(Gorilla, LZ4),
    good_max Float64 CODEC(Gorilla, LZ4),
    version UInt64"""

_PARTITION = {Tier.MINUTE: "toYYYYMM(time)", Tier.HOUR: "toYear(time)", Tier.DAY: "toYear(time)"}

# Keys of rows that changed after their hour was rolled up. A row goes once its token is dealt with.
_TOUCHED = f"""CREATE TABLE IF NOT EXISTS {DATABASE}.touched
    (token String, device String, metric LowCardinality(String), hour DateTime('UTC'))
    ENGINE = MergeTree ORDER BY (device, metric, hour) SETTINGS {DURABLE}"""

_ROLLUPS = f"""CREATE TABLE IF NOT EXISTS {DATABASE}.rollups
    (kind LowCardinality(String), until DateTime64(3, 'UTC'))
    ENGINE = ReplacingMergeTree(until) ORDER BY kind SETTINGS {DURABLE}"""

SCHEMA = (
    *(
        f"""CREATE TABLE IF NOT EXISTS {DATABASE}.{tier} ({_COLUMNS})
    ENGINE = ReplacingMergeTree(version) PARTITION BY {_PARTITION[tier]} ORDER BY (device, metric, time)
    SETTINGS {DURABLE}"""
        for tier in ROLLED_UP
    ),
    _TOUCHED,
    _ROLLUPS,
)


def retention_statements(tier: Tier, days: int) -> list[str]:
    """What makes the store let go of a tier: whole parts, once all their rows are too old.

    A raw reading's age counts from its receipt where that is later, so that what comes very late is rolled up first.
    """
    table, age = ("readings", "greatest(time, received_at)") if tier is Tier.RAW else (tier.value, "time")
    return [
        f"ALTER TABLE {DATABASE}.{table} MODIFY SETTING ttl_only_drop_parts = 1",
        f"ALTER TABLE {DATABASE}.{table} MODIFY TTL toDateTime({age}) + toIntervalDay({days})",
    ]


TTL_SETTINGS = {"materialize_ttl_after_modify": 0}
"""A changed retention holds for parts as they are merged; rewriting all of them at once would take hours."""

# Whether raw readings stand here of which no tier knows: a store of an earlier release.
NOT_ROLLED_UP = f"""SELECT (SELECT count() FROM {DATABASE}.rollups WHERE kind = 'done') = 0
    AND (SELECT count() FROM (SELECT 1 FROM {DATABASE}.readings LIMIT 1)) > 0"""

PROGRESS = f"SELECT kind, max(until) AS until FROM {DATABASE}.rollups GROUP BY kind"
SET_PROGRESS = (
    f"INSERT INTO {DATABASE}.rollups SELECT {{kind:String}}, fromUnixTimestamp64Milli({{until:Int64}}, 'UTC')"
)
VERSION = "SELECT toUnixTimestamp64Nano(now64(9))"

# Where the next readings at or after a moment begin.
NEXT = f"""SELECT count(), toUnixTimestamp64Milli(min(time)) FROM {DATABASE}.readings
WHERE time >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')"""

# Every n-th device, in order: ranges of devices that hold about the same number of series.
CUTS = f"""SELECT DISTINCT device FROM (
    SELECT device, rowNumberInAllBlocks() AS number FROM (SELECT device FROM {DATABASE}.latest ORDER BY device)
) WHERE number > 0 AND number % {{step:UInt64}} = 0 ORDER BY device"""

_TOKENS = "token IN {tokens:Array(String)}"
TOKENS = f"SELECT DISTINCT token FROM {DATABASE}.touched LIMIT 2000"
TOUCHED_CUTS = f"""SELECT DISTINCT device FROM (
    SELECT device, rowNumberInAllBlocks() AS number
    FROM (SELECT DISTINCT device, metric, hour FROM {DATABASE}.touched WHERE {_TOKENS} ORDER BY device)
) WHERE number > 0 AND number % {{step:UInt64}} = 0 ORDER BY device"""
FORGET_TOUCHED = f"ALTER TABLE {DATABASE}.touched DELETE WHERE {_TOKENS}"

_DEVICES = "device >= {low:String} AND ({high:String} = '' OR device < {high:String})"
_IN_TIME = """time >= fromUnixTimestamp64Milli({begin:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Milli({end:Int64}, 'UTC')"""


def _computed(tier: Tier, where: str) -> str:
    return f"""SELECT device, metric, {BUCKET[tier].format("time")} AS bucket,
    toUInt32(count()) AS count, sum(value) AS sum, min(value) AS min, max(value) AS max,
    argMin(time, (value, time)) AS min_at, argMax(time, (value, time)) AS max_at,
    argMin(quality, (value, time)) AS min_quality, argMax(quality, (value, time)) AS max_quality,
    argMin(value, time) AS first, min(time) AS first_at, argMax(value, time) AS last, max(time) AS last_at,
    toUInt32(countIf(quality = 'good')) AS good_count, sumIf(value, quality = 'good') AS good_sum,
    minIf(value, quality = 'good') AS good_min, maxIf(value, quality = 'good') AS good_max,
    {{version:UInt64}} AS version
FROM {DATABASE}.readings FINAL
WHERE {where}
GROUP BY device, metric, bucket"""


def roll_up(tier: Tier) -> str:
    """Compute the buckets of a range of devices in a span of time."""
    return f"INSERT INTO {DATABASE}.{tier} {_computed(tier, f'{_DEVICES} AND {_IN_TIME}')}"


def mend(tier: Tier) -> str:
    """Compute again the buckets that tokens name, in a range of devices.

    A bucket never has fewer readings than before, unless its raw readings are past their retention: then it stays.
    """
    coarse = Tier.DAY if tier is Tier.DAY else Tier.HOUR
    keys = f"""SELECT device, metric, {BUCKET[coarse].format("hour")}
        FROM {DATABASE}.touched WHERE {_TOKENS} AND {_DEVICES}"""
    raw = f"{_DEVICES} AND {_IN_TIME} AND (device, metric, {BUCKET[coarse].format('time')}) IN ({keys})"
    return f"""INSERT INTO {DATABASE}.{tier}
SELECT fresh.* FROM ({_computed(tier, raw)}) AS fresh LEFT JOIN (
    SELECT device, metric, time AS bucket, count FROM {DATABASE}.{tier} FINAL
    WHERE (device, metric, {BUCKET[coarse].format("time")}) IN ({keys})
) AS before USING (device, metric, bucket)
WHERE fresh.count >= before.count"""


TOUCHED_SPAN = f"""SELECT toUnixTimestamp(min(hour)) * 1000, (toUnixTimestamp(max(hour)) + 3600) * 1000
FROM {DATABASE}.touched WHERE {_TOKENS} AND {_DEVICES}"""

COMPUTE_SETTINGS = {
    "do_not_merge_across_partitions_select_final": 1,
    "optimize_aggregation_in_order": 1,
    "max_execution_time": 600,
    "throw_on_max_partitions_per_insert_block": 0,
}

_OF_SERIES = "device = {device:String} AND metric = {metric:String}"


def series(tier: Tier) -> str:
    """The points of one series out of a tier as far as it goes and out of the raw readings from there on.

    Each part of the span gives its smallest and its largest value, so that no spike is lost.
    """
    done = f"(SELECT max(until) FROM {DATABASE}.rollups WHERE kind = 'done')"
    if tier is Tier.DAY:
        done = f"toDateTime64({BUCKET[Tier.DAY].format(done)}, 3, 'UTC')"
    begin = "fromUnixTimestamp64Milli({begin:Int64}, 'UTC')"
    return f"""WITH assumeNotNull({done}) AS done,
points AS (
    SELECT arrayJoin(arrayDistinct([(min_at, min, min_quality), (max_at, max, max_quality)])) AS point
    FROM {DATABASE}.{tier} FINAL
    WHERE {_OF_SERIES} AND time >= {BUCKET[tier].format(begin)}
        AND time < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC') AND time < done
    UNION ALL
    SELECT (time, value, quality) AS point FROM {DATABASE}.readings FINAL
    WHERE {_OF_SERIES} AND {_IN_TIME} AND time >= done
),
(SELECT (count(), toUnixTimestamp64Milli(min(point.1)), toUnixTimestamp64Milli(max(point.1))) FROM points
    WHERE point.1 >= {begin}) AS span,
if(span.1 <= {{points:UInt32}}, 1, intDiv(span.3 - span.2, intDiv({{points:UInt32}}, 2)) + 1) AS width
SELECT extreme.1 AS time, extreme.2 AS value, extreme.3 AS quality
FROM (
    SELECT arrayJoin(arrayDistinct([
        argMin(point, (point.2, point.1)), argMax(point, (point.2, point.1))
    ])) AS extreme
    FROM points WHERE point.1 >= {begin} GROUP BY intDiv(toUnixTimestamp64Milli(point.1) - span.2, width)
)
ORDER BY time"""


_EXPORTED = (
    "count, sum, min, max, min_at, max_at, toString(min_quality) AS min_quality, toString(max_quality) AS max_quality,"
    " first, first_at, last, last_at, good_count, good_sum, good_min, good_max"
)


def rows(tier: Tier) -> str:
    """Every row of a tier for some devices, in order of device, metric and time."""
    columns = "time, value, toString(quality) AS quality, received_at"
    if tier is not Tier.RAW:
        columns = f"toDateTime64(time, 3, 'UTC') AS begin, {_EXPORTED}"
    return f"""SELECT device, toString(metric) AS metric, {columns}
FROM {DATABASE}.{"readings" if tier is Tier.RAW else tier} FINAL
WHERE device IN {{devices:Array(String)}} AND {_IN_TIME}
    AND (empty({{metrics:Array(String)}}) OR metric IN {{metrics:Array(String)}})
ORDER BY device, {"readings" if tier is Tier.RAW else tier}.metric, time"""


def tier_of(span_days: float, age_days: float, points: int, kept: Retention) -> Tier:
    """The tier for a chart: raw for two days; else the coarsest that still gives enough buckets; never one that no
    longer reaches back `age_days`."""
    width = span_days * 86_400 / max(points // 2, 1)
    coarse = Tier.DAY if width >= 86_400 else Tier.HOUR if width >= 3_600 else Tier.MINUTE
    wanted = Tier.RAW if span_days <= 2 else coarse
    order = list(Tier)
    for tier in order[order.index(wanted) :]:
        if age_days <= kept.days(tier):
            return tier
    return Tier.DAY
