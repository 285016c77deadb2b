"""Flags on readings: what is known of the device, and what was taken in before."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chengnao.sensing.devices.model import Device, Fault, Life, Protocol
from chengnao.sensing.gateways.flags import Recent, flagged
from chengnao.sensing.gateways.registry import Entry, RegistryCache
from chengnao.sensing.readings.model import Quality, Reading, to_table

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
SINCE = NOW - timedelta(hours=7)


def entry(**more: Any) -> Entry:
    given = {"class_code": "water_pressure", "division_code": "500103", "unit_id": None, "protocol": Protocol.HTTP}
    place = {"address": None, "lon": None, "lat": None, "place_ok": False, "interval_seconds": 300}
    cache = RegistryCache()
    cache.put([Device("p-1", "泵", **(given | place | more))])
    return cache.devices["p-1"]


@pytest.mark.parametrize(
    ("quality", "value", "more", "expected"),
    [
        (Quality.GOOD, 30.0, {}, Quality.GOOD),
        (Quality.OUT_OF_RANGE, 500.0, {}, Quality.OUT_OF_RANGE),
        (Quality.OUT_OF_RANGE, -9999.0, {}, Quality.SENTINEL),
        (Quality.GOOD, 99.0, {}, Quality.GOOD),
        (Quality.GOOD, 30.0, {"life": Life.MAINTENANCE}, Quality.CALIBRATING),
        (Quality.LATE, 30.0, {"life": Life.PLANNED}, Quality.CALIBRATING),
        (Quality.OUT_OF_RANGE, 9999.0, {"life": Life.MAINTENANCE}, Quality.SENTINEL),
        (Quality.FAULT, 30.0, {"life": Life.MAINTENANCE}, Quality.FAULT),
        (Quality.GOOD, 31.5, {"faults": (Fault("pressure", "stuck", SINCE, 31.5),)}, Quality.STUCK),
        (Quality.GOOD, 31.6, {"faults": (Fault("pressure", "stuck", SINCE, 31.5),)}, Quality.GOOD),
        (Quality.LATE, 31.5, {"faults": (Fault("pressure", "stuck", SINCE, 31.5),)}, Quality.LATE),
        (Quality.GOOD, 31.5, {"faults": (Fault("", "missing", SINCE),)}, Quality.GOOD),
    ],
)
def test_flags_that_follow_from_the_device(
    quality: Quality, value: float, more: dict[str, Any], expected: Quality
) -> None:
    assert flagged(quality, "pressure", value, value, entry(**more)) is expected


def test_a_sentinel_is_seen_before_it_is_converted() -> None:
    assert flagged(Quality.OUT_OF_RANGE, "pressure", 3276.71, 32767.0, entry()) is Quality.SENTINEL


def table(*rows: tuple[str, float, int]) -> Any:
    return to_table([Reading(name, "pressure", NOW + timedelta(seconds=at), value, NOW) for name, value, at in rows])


def qualities(marked: Any) -> list[str]:
    found: list[str] = marked.column("quality").to_pylist()
    return found


def test_a_second_value_of_the_same_moment_is_a_duplicate_and_the_same_value_again_is_not() -> None:
    recent = Recent(1024)
    assert qualities(recent.marked(table(("a", 1.0, 0), ("a", 2.0, 1), ("b", 1.0, 0)))) == ["good"] * 3
    assert qualities(recent.marked(table(("a", 1.0, 0), ("a", 5.0, 1), ("c", 1.0, 0)))) == ["good", "duplicate", "good"]


def test_two_values_of_one_moment_in_one_batch() -> None:
    assert qualities(Recent(1024).marked(table(("a", 1.0, 0), ("b", 3.0, 0), ("a", 2.0, 0)))) == [
        "good",
        "good",
        "duplicate",
    ]


def test_memory_of_what_was_taken_in_is_bounded() -> None:
    recent = Recent(64)
    for number in range(20):
        recent.marked(table(*((f"d-{number}-{each}", 1.0, 0) for each in range(100))))
    assert recent._key.nbytes == 64 * 8


def test_the_address_of_a_retired_device_is_free_for_the_one_that_follows() -> None:
    base = {"class_code": "air_station", "division_code": "500103", "unit_id": None, "protocol": Protocol.HJ212}
    place = {"lon": None, "lat": None, "place_ok": False, "interval_seconds": 60, "address": "MN1"}
    old = Device("old", "旧站", life=Life.RETIRED, **base, **place)  # type: ignore[arg-type]
    new = Device("new", "新站", **base, **place)  # type: ignore[arg-type]
    for order in ([old, new], [new, old]):
        cache = RegistryCache()
        cache.put(order)
        found = cache.of_address("hj212", "MN1")
        assert found is not None
        assert found.id == "new"
