"""The tables of the readings store, in SQL that a single engine and a ClickHouse cluster both take.

`readings` holds every reading; the same (device, metric, time) again replaces the row, the one received last stands.
`latest` holds the newest reading of each (device, metric) by its own time, whatever the order of arrival; a
materialized view feeds it. Its version is the reading's time in milliseconds, times 2^21, plus how many seconds later
it was received: newer time wins, and at the same time the later receipt.

An acknowledged insert survives a kill of the engine, and with `fsync_after_insert` a power cut too. That costs 2 to
5 ms for an insert of 20,000 rows (10 to 25 % of the rate, measured on an idle machine with 2 cores), and the log
forgets a reading once the store has it: so it is on.
"""

DATABASE = "chengnao"

_READING_COLUMNS = """
    device String,
    metric LowCardinality(String),
    time DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4),
    value Float64 CODEC(Gorilla, LZ4),
    quality LowCardinality(String),
    received_at DateTime64(3, 'UTC') CODEC(DoubleDelta, LZ4)"""

DURABLE = "fsync_after_insert = 1, fsync_part_directory = 1"

SCHEMA = (
    f"CREATE DATABASE IF NOT EXISTS {DATABASE}",
    f"""CREATE TABLE IF NOT EXISTS {DATABASE}.readings ({_READING_COLUMNS})
    ENGINE = ReplacingMergeTree(received_at)
    PARTITION BY toYYYYMM(time)
    ORDER BY (device, metric, time)
    SETTINGS {DURABLE}""",
    f"""CREATE TABLE IF NOT EXISTS {DATABASE}.latest ({_READING_COLUMNS}, version UInt64)
    ENGINE = ReplacingMergeTree(version)
    ORDER BY (device, metric)
    SETTINGS {DURABLE}""",
    f"""CREATE MATERIALIZED VIEW IF NOT EXISTS {DATABASE}.latest_feed TO {DATABASE}.latest AS
    SELECT *, toUInt64(greatest(toUnixTimestamp64Milli(time), 0)) * 2097152
        + toUInt64(least(greatest(dateDiff('second', time, received_at), 0), 2097151)) AS version
    FROM {DATABASE}.readings""",
)

INSERT_SETTINGS = {"throw_on_max_partitions_per_insert_block": 0}
"""A batch may touch many months: a gateway that was cut off for years must not block the others."""

FINAL_SETTINGS = {"do_not_merge_across_partitions_select_final": 1}
"""A key and all its versions lie in one partition, so partitions need not be merged with each other."""

MOST_PARTS = f"""
SELECT max(parts) FROM (
    SELECT count() AS parts FROM system.parts
    WHERE database = '{DATABASE}' AND table = 'readings' AND active GROUP BY partition
)"""

COUNT = f"SELECT count() FROM {DATABASE}.readings FINAL"
COUNT_OF_DEVICE = f"{COUNT} WHERE device = {{device:String}}"

LATEST_ALL = f"""
SELECT device, metric, time, value, quality, received_at FROM {DATABASE}.latest FINAL ORDER BY device, metric"""

# For few devices grouping is faster than FINAL: it reads their granules only once.
LATEST_OF_DEVICES = f"""
SELECT device, metric, newest.1 AS time, newest.2 AS value, newest.3 AS quality, newest.4 AS received_at
FROM (
    SELECT device, metric, argMax((time, value, quality, received_at), version) AS newest
    FROM {DATABASE}.latest
    WHERE device IN {{devices:Array(String)}}
    GROUP BY device, metric
)
ORDER BY device, metric"""

_IN_RANGE = """device = {device:String} AND metric = {metric:String}
    AND time >= fromUnixTimestamp64Milli({begin:Int64}, 'UTC')
    AND time < fromUnixTimestamp64Milli({end:Int64}, 'UTC')"""

# Each bucket gives its smallest and its largest value, so that no spike is lost; where all rows fit, a bucket is a
# millisecond wide and every row stays.
SERIES = f"""
WITH (
    SELECT (count(), toUnixTimestamp64Milli(min(time)), toUnixTimestamp64Milli(max(time)))
    FROM {DATABASE}.readings FINAL WHERE {_IN_RANGE}
) AS span,
if(span.1 <= {{points:UInt32}}, 1, intDiv(span.3 - span.2, intDiv({{points:UInt32}}, 2)) + 1) AS width
SELECT extreme.1 AS time, extreme.2 AS value, extreme.3 AS quality
FROM (
    SELECT arrayJoin(arrayDistinct([
        argMin((time, value, quality), (value, time)),
        argMax((time, value, quality), (value, time))
    ])) AS extreme
    FROM {DATABASE}.readings FINAL
    WHERE {_IN_RANGE}
    GROUP BY intDiv(toUnixTimestamp64Milli(time) - span.2, width)
)
ORDER BY time"""

OF_DEVICES = f"""
SELECT device, metric, time, value, quality, received_at
FROM {DATABASE}.readings FINAL
WHERE device IN {{devices:Array(String)}} AND metric = {{metric:String}}
    AND time >= fromUnixTimestamp64Milli({{begin:Int64}}, 'UTC')
    AND time < fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')
ORDER BY device, time
LIMIT {{most:UInt64}}"""
