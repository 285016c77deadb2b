from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.settings import Settings, load_secrets, load_settings
from chengnao.sensing.readings.model import Quality, Reading, to_table
from chengnao.sensing.readings.store import ReadingsStore

pytestmark = pytest.mark.engines

START = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)


@pytest.fixture
async def readings(store: str, settings: Settings) -> ReadingsStore:
    made = ReadingsStore.create(settings, load_secrets(settings.home))
    await made.ensure_schema()
    return made


def series(device: str, values: Sequence[float], start: datetime = START, received: int = 0) -> list[Reading]:
    at = START + timedelta(days=1, seconds=received)
    return [
        Reading(device, "level", start + timedelta(minutes=number), value, at) for number, value in enumerate(values)
    ]


async def test_the_same_reading_again_is_one_reading_and_the_last_received_stands(readings: ReadingsStore) -> None:
    await readings.insert(to_table(series("twice", [1.0, 2.0, 3.0])))
    await readings.insert(to_table(series("twice", [1.0, 2.0, 3.5], received=5)))
    await readings.insert(to_table(series("twice", [1.0, 2.0, 3.5], received=5)))
    assert await readings.count("twice") == 3
    rows = (await readings.series("twice", "level", START, START + timedelta(hours=1), 100)).to_pylist()
    assert [row["value"] for row in rows] == [1.0, 2.0, 3.5]
    assert rows[0]["time"] == START
    assert rows[0]["quality"] == Quality.GOOD


async def test_the_latest_value_is_the_newest_in_time_not_in_arrival(readings: ReadingsStore) -> None:
    later = START + timedelta(days=40)
    await readings.insert(to_table(series("newest", [7.0, 8.0], later)))
    await readings.insert(to_table(series("newest", [1.0, 2.0])))
    rows = (await readings.latest(["newest", "never-heard"])).to_pylist()
    assert [(row["device"], row["value"], row["time"]) for row in rows] == [
        ("newest", 8.0, later + timedelta(minutes=1))
    ]
    everything = (await readings.latest_all()).to_pylist()
    assert [row["value"] for row in everything if row["device"] == "newest"] == [8.0]


async def test_a_thinned_series_keeps_its_peaks(readings: ReadingsStore) -> None:
    values = [float(number % 7) for number in range(5_000)]
    values[1_234], values[4_321] = 99.0, -99.0
    await readings.insert(to_table(series("peaks", values)))
    thin = await readings.series("peaks", "level", START, START + timedelta(minutes=5_000), 200)
    assert 100 <= len(thin) <= 200
    assert {99.0, -99.0} <= set(thin.column("value").to_pylist())
    times = thin.column("time").to_pylist()
    assert times == sorted(times)


async def test_a_series_ends_before_its_end(readings: ReadingsStore) -> None:
    await readings.insert(to_table(series("bounds", [0.0, 1.0, 2.0, 3.0])))
    got = await readings.series("bounds", "level", START + timedelta(minutes=1), START + timedelta(minutes=3), 10)
    assert got.column("value").to_pylist() == [1.0, 2.0]
    assert len(await readings.series("bounds", "no_such_metric", START, START + timedelta(days=1), 10)) == 0


async def test_names_with_quotes_are_values_and_nothing_else(readings: ReadingsStore) -> None:
    odd = 'o\'dd\\ {x:String} "%s"'
    await readings.insert(to_table(series(odd, [5.0])))
    assert await readings.count(odd) == 1
    assert (await readings.latest([odd])).column("value").to_pylist() == [5.0]


async def test_a_store_that_is_down_is_unavailable_and_says_when_to_try_again(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, base_port=1_900)
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    with pytest.raises(Unavailable) as refused:
        await store.count()
    assert refused.value.retry_after > 0
