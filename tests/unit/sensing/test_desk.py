"""The quarantine under floods: bounded, quick, and nothing goes uncounted."""

import time
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import FixedClock
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.desk import KEPT_PER_MINUTE, KEPT_PER_MINUTE_IN_ALL, QuarantineDesk
from chengnao.sensing.quarantine.model import Form


@pytest.fixture
def desk() -> QuarantineDesk:
    return QuarantineDesk(cast(Any, None), FixedClock(datetime(2026, 1, 31, tzinfo=UTC)))


def hold(desk: QuarantineDesk, hint: str, reason: str = "bad_crc", payload: bytes = b"x") -> None:
    desk.hold(Protocol.HJ212, "10.0.0.1:5", hint, reason, {"field": hint}, payload, Form.FRAME, Scope())


def told(desk: QuarantineDesk) -> tuple[int, int]:
    return len(desk._queue), sum(desk._more.values())


def test_one_device_is_kept_a_few_times_and_then_counted(desk: QuarantineDesk) -> None:
    for _ in range(500):
        hold(desk, "A")
    hold(desk, "B")
    hold(desk, "A", "bad_length")
    assert told(desk) == (KEPT_PER_MINUTE + 2, 500 - KEPT_PER_MINUTE)
    kept_of_a = [piece.id for piece in desk._queue if (piece.device_hint, piece.reason) == ("A", "bad_crc")]
    assert list(desk._more) == [kept_of_a[-1]]


def test_a_flood_of_ever_new_senders_stays_bounded_and_quick(desk: QuarantineDesk) -> None:
    began = time.monotonic()
    for number in range(50_000):
        hold(desk, f"MN{number}")
    kept, more = told(desk)
    assert kept == KEPT_PER_MINUTE_IN_ALL
    assert kept + more == desk.refused == 50_000
    assert len(desk._windows) <= 10_000
    assert time.monotonic() - began < 10


def test_a_new_minute_is_a_new_chance(desk: QuarantineDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [time.monotonic()]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    for _ in range(20):
        hold(desk, "A")
    now[0] += 61
    hold(desk, "A")
    assert told(desk) == (KEPT_PER_MINUTE + 1, 20 - KEPT_PER_MINUTE)


def test_what_no_text_column_holds_is_made_storable(desk: QuarantineDesk) -> None:
    hold(desk, "a\x00\ud800b", payload=b"y" * 100_000)
    piece = desk._queue[0]
    assert piece.device_hint == piece.params["field"] == "a�?b"
    assert len(piece.payload) == 64 * 1024
