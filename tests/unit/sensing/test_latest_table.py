"""The table of newest values says what the store's own table says, whatever the order of arrival."""

import random
from datetime import UTC, datetime, timedelta

from chengnao.sensing.readings.latest import LatestTable, Newest
from chengnao.sensing.readings.model import Quality, Reading, to_table

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def test_newest_by_its_own_time_stands_and_at_one_time_the_last_received() -> None:
    table = LatestTable()
    table.put(to_table([Reading("d", "m", NOON, 1.0, NOON), Reading("d", "m", NOON - timedelta(hours=1), 2.0, NOON)]))
    table.put(to_table([Reading("d", "m", NOON, 3.0, NOON + timedelta(seconds=2), Quality.LATE)]))
    table.put(to_table([Reading("d", "m", NOON, 4.0, NOON + timedelta(seconds=1))]))
    assert table.of(["d", "nobody"]) == {"d": [Newest("m", NOON, 3.0, "late")]}
    assert table.of(["nobody"]) == {}


def test_any_order_of_many_series_in_many_batches() -> None:
    chance = random.Random(3)
    rows = [
        Reading(
            f"d{chance.randrange(900)}",
            f"m{chance.randrange(4)}",
            NOON + timedelta(seconds=chance.randrange(50)),
            chance.random(),
            NOON + timedelta(milliseconds=number),
        )
        for number in range(20_000)
    ]
    expected: dict[tuple[str, str], Reading] = {}
    for row in sorted(rows, key=lambda row: (row.time, row.received_at)):
        expected[row.device, row.metric] = row
    chance.shuffle(rows)
    table = LatestTable()
    for start in range(0, len(rows), 700):
        table.put(to_table(rows[start : start + 700]))
    assert len(table) == len(expected)
    for (device, metric), row in expected.items():
        assert table.of([device], metric) == {device: [Newest(metric, row.time, row.value, "good")]}
