"""From a report to readings, where its values have times of their own."""

from datetime import UTC, datetime, timedelta

from chengnao.sensing.devices.model import Protocol, device_class
from chengnao.sensing.gateways.batching import Rows
from chengnao.sensing.gateways.measuring import rows_of
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.protocols.shape import Refusal, Report, Value

NOW = datetime(2026, 11, 25, 4, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
RIVER = Entry(0, "river-1", "500103", None, device_class("river_station"), 0, Protocol.SL651, "1")


def test_each_value_has_its_own_time_or_that_of_the_report() -> None:
    hour, five = NOW - timedelta(hours=2), NOW - timedelta(minutes=5)
    rows = rows_of(Report([Value("A", 1, time=hour), Value("B", 2, time=five), Value("C", 3)], NOW, b""), RIVER, NOW_MS)
    assert isinstance(rows, Rows)
    assert rows.time == [NOW_MS - 7_200_000, NOW_MS - 300_000, NOW_MS]
    assert rows.quality == ["late", "good", "good"]


def test_one_time_outside_the_window_refuses_the_report() -> None:
    report = Report([Value("A", 1, time=NOW - timedelta(days=40)), Value("B", 2)], NOW, b"raw")
    refusal = rows_of(report, RIVER, NOW_MS)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.raw) == ("reading_time_window", b"raw")
