"""Devices and their faults."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from chengnao.demonstration.field import Field, silent_device, stuck_device
from chengnao.demonstration.links import Backlog, damage, encode_sample, is_wrong
from chengnao.demonstration.rivers import load_stations
from chengnao.demonstration.seed import demonstration_devices, demonstration_rules
from chengnao.demonstration.water import Waterworks
from chengnao.sensing.devices.model import Protocol, device_class
from chengnao.sensing.protocols.hj212 import Frame, decode

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)

pytest.importorskip("wntr")


def faulty_hours(find: Callable[[int, datetime], str | None]) -> tuple[Counter[str | None], float]:
    hours = [NOW + timedelta(minutes=10 * step) for step in range(6 * 24 * 10)]
    found = Counter(find(7, hour) for hour in hours)
    return found, found[None] / len(hours)


def test_faults_come_and_go_and_wander() -> None:
    stuck, free_of_stuck = faulty_hours(stuck_device)
    silent, free_of_silence = faulty_hours(silent_device)
    assert 0.2 < free_of_stuck < 0.5
    assert 0.6 < free_of_silence < 0.9
    assert len(stuck) > 8
    assert len(silent) > 15


def test_a_stuck_device_repeats_one_value_long_enough_to_be_noticed() -> None:
    begins = next(NOW + timedelta(hours=h) for h in range(100) if stuck_device(7, NOW + timedelta(hours=h)) is None)
    begins = next(t for m in range(3000) if stuck_device(7, t := begins + timedelta(minutes=m)))
    device = stuck_device(7, begins)
    field = Field(7, Waterworks.at(begins), begins)
    values = set()
    minutes = 0
    while stuck_device(7, now := begins + timedelta(minutes=minutes)) == device:
        field.works.advance(now)
        for sample in field.pressures(now):
            if sample.device == device:
                values.add(sample.values["pressure"])
        minutes += 20
    assert len(values) == 1
    patience = device_class("water_pressure").metrics["pressure"].stuck_seconds
    assert patience is not None
    assert minutes * 60 > patience + 3600


def test_all_other_devices_report_metrics_that_their_class_knows() -> None:
    field = Field(7, Waterworks.at(NOW), NOW)
    classes = {device.id: device.class_code for device in demonstration_devices()}
    silent = silent_device(7, NOW)
    gauges = [*field.pressures(NOW), *field.flows(NOW)]
    stations = field.stations(NOW)
    assert {sample.device for sample in (*gauges, *stations)} == classes.keys() - {silent}
    for sample in gauges:
        assert sample.values.keys() <= device_class(classes[sample.device]).metrics.keys()
    for sample in stations:
        assert sample.values.keys() == device_class(classes[sample.device]).points[Protocol.HJ212].keys()


def test_rules_name_metrics_of_their_devices() -> None:
    classes = {device.id: device.class_code for device in demonstration_devices()}
    for rule in demonstration_rules():
        assert rule.device_id is not None
        assert rule.metric in device_class(classes[rule.device_id]).metrics


def test_frames_decode_and_damaged_ones_do_not() -> None:
    field = Field(7, Waterworks.at(NOW), NOW)
    station = load_stations().rivers[0]
    sample = next(each for each in field.stations(NOW) if each.device == station.device)
    frame = encode_sample(station.mn, sample)
    decoded = decode(frame)
    assert isinstance(decoded, Frame)
    assert decoded.mn == station.mn
    assert decoded.cp["DataTime"] == "20261125100000"
    assert float(decoded.factors["LEVEL"]["Rtd"]) == sample.values["LEVEL"]
    assert not is_wrong(frame)
    assert is_wrong(damage(frame))


async def test_a_backlog_drops_the_oldest_and_keeps_the_order() -> None:
    backlog: Backlog[str] = Backlog(2)
    for item in "abc":
        backlog.put(item)
    first = await backlog.head()
    assert first == "b"
    backlog.put("d")  # pushes out what is being delivered
    backlog.delivered(first)
    assert await backlog.head() == "c"
    assert len(backlog) == 2
