"""How much one device may send."""

import numpy as np
import pytest

from chengnao.sensing.gateways.limits import DeviceLimiter


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_a_bucket_empties_and_fills_again(seconds: list[float]) -> None:
    limiter = DeviceLimiter(rate=10, burst=100)
    assert limiter.take(0, 100)
    assert not limiter.take(0, 1)
    seconds[0] += 1
    assert limiter.take(0, 10)
    assert not limiter.take(0, 1)
    seconds[0] += 3_600
    assert limiter.take(0, 100)
    assert not limiter.take(0, 1)
    assert limiter.refused == 3


def test_devices_do_not_share_a_bucket(seconds: list[float]) -> None:
    limiter = DeviceLimiter(rate=10, burst=100)
    assert limiter.take(3, 100)
    assert limiter.take(5_000, 100)


def test_many_at_once_get_what_is_left(seconds: list[float]) -> None:
    limiter = DeviceLimiter(rate=10, burst=100)
    limiter.take(1, 70)
    allowed = limiter.take_many(np.array([0, 1, 2]), np.array([5, 50, 500]))
    assert allowed.tolist() == [5, 30, 100]
    assert limiter.refused == 420
    assert limiter.take_many(np.array([], np.int64), np.array([], np.int64)).tolist() == []
