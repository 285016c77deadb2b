from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chengnao.kernel.clock import AcceleratedClock, FixedClock, SystemClock, load_clock


def test_real_operation_has_real_time(tmp_path: Path) -> None:
    clock = load_clock(tmp_path, 1.0)
    assert isinstance(clock, SystemClock)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert not (tmp_path / "clock.json").exists()


def test_every_process_of_a_data_folder_has_the_same_city_time(tmp_path: Path) -> None:
    one, other = load_clock(tmp_path, 30.0), load_clock(tmp_path, 30.0)
    assert abs(one.now() - other.now()) < timedelta(seconds=1)


def test_city_time_runs_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr("time.time", lambda: 1_010.0)
    clock = AcceleratedClock(1_000.0, start, 30.0)
    assert clock.now() == start + timedelta(seconds=300)
    assert clock.real_seconds(start + timedelta(seconds=600)) == pytest.approx(10.0)
    assert clock.real_seconds(start) == 0.0


def test_time_never_runs_backwards_when_the_speed_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    fast = load_clock(tmp_path, 60.0)
    now[0] += 3_600
    ahead = fast.now()
    for speed in (10.0, 1.0):
        assert load_clock(tmp_path, speed).now() >= ahead
    now[0] += 10
    assert load_clock(tmp_path, 1.0).now() == ahead + timedelta(seconds=10)


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(90)
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
