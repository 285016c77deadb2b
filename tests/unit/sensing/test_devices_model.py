"""Devices and their classes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chengnao.kernel.errors import Conflict, Invalid
from chengnao.sensing.devices.model import (
    Device,
    Fault,
    Protocol,
    Status,
    check_device_id,
    device_class,
    device_classes,
    place_of,
)
from chengnao.sensing.quarantine.model import TRANSITIONS, Form, Held, State

NOW = datetime(2026, 1, 31, tzinfo=UTC)
DEVICE = Device(
    "p-1", "压力站", "water_pressure", "500103", None, Protocol.HTTP, None, 106.5, 29.5, True, interval_seconds=60
)


def test_status_goes_by_the_interval_and_the_clock() -> None:
    assert DEVICE.status(None, NOW) is Status.OFFLINE
    assert DEVICE.status(NOW - timedelta(seconds=180), NOW) is Status.ONLINE
    assert DEVICE.status(NOW - timedelta(seconds=181), NOW) is Status.OFFLINE
    assert replace(DEVICE, faults=(Fault("", "missing", NOW),)).status(NOW, NOW) is Status.FAULTY


@pytest.mark.parametrize(
    ("lon", "lat", "expected"),
    [
        (106.5, 29.5, (106.5, 29.5, True)),
        ("106.5", "29.5", (106.5, 29.5, True)),
        (1065.0, 29.5, (1065.0, 29.5, False)),
        (0, 0, (0.0, 0.0, False)),
        (None, 29.5, (None, 29.5, False)),
        ("east", "", (None, None, False)),
        (float("nan"), float("inf"), (None, None, False)),
        (True, 29.5, (None, 29.5, False)),
        (106.5, "1e999", (106.5, None, False)),
    ],
)
def test_a_broken_coordinate_is_kept_and_flagged(lon: object, lat: object, expected: tuple[object, ...]) -> None:
    assert place_of(lon, lat) == expected


@pytest.mark.parametrize("device_id", ["", "-a", "a b", "a/b", "a.b", "a" * 65, "设备", "a\n"])
def test_ids_that_topics_and_addresses_could_not_carry(device_id: str) -> None:
    with pytest.raises(Invalid):
        check_device_id(device_id)


def test_classes_are_consistent() -> None:
    for kind in device_classes().values():
        assert kind.metrics
        assert kind.interval_seconds > 0
        assert kind.name_zh
        assert kind.name_en
    with pytest.raises(Invalid, match="water_pressure"):
        device_class("nothing")


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_states_of_a_held_piece(before: State, after: State) -> None:
    piece = Held("1", Protocol.HTTP, "", "", "x", {}, b"", Form.ROW, before, 0, "500000", None, NOW, NOW)
    if after in TRANSITIONS[before]:
        piece.require(after)
    else:
        with pytest.raises(Conflict):
            piece.require(after)
