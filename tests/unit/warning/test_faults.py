"""Stuck values and silence, against readings written out by hand."""

import pytest

from chengnao.warning.faults import Duty, FaultDetector
from chengnao.warning.model import FaultKind
from tests.unit.warning.test_evaluator import START, batch, index

DUTY = Duty({("gauge", "level"): 100.0}, {"d0": 10.0, "d1": 10.0})
Row = tuple[str, str, float, float] | tuple[str, str, float, float, str]


def detector(known: tuple[tuple[str, str, FaultKind], ...] = ()) -> FaultDetector:
    return FaultDetector(index(), DUTY, known, START)


def feed(faults: FaultDetector, *rows: Row) -> None:
    faults.observe(faults.index.read(batch(rows)))


def sweep(faults: FaultDetector, second: float, *, missing: bool = True) -> list[tuple[str, str, str, bool, float]]:
    return [
        (step.device_id, step.metric, step.kind.value, step.opened, (step.since - START) / 1000)
        for step in faults.sweep(START + int(second * 1000), missing=missing)
    ]


def test_a_value_that_rests_too_long_is_stuck_until_it_moves() -> None:
    faults = detector()
    for second in range(0, 100, 5):
        feed(faults, ("d0", "level", second, 4.2))
    assert sweep(faults, 95) == []
    feed(faults, ("d0", "level", 100, 4.2))
    assert sweep(faults, 100) == [("d0", "level", "stuck", True, 0)]
    assert sweep(faults, 101) == []
    feed(faults, ("d0", "level", 105, 4.3))
    assert sweep(faults, 106) == [("d0", "level", "stuck", False, 106)]


def test_one_batch_may_hold_many_readings_of_a_series() -> None:
    faults = detector()
    feed(faults, *[("d0", "level", second, 1.0 if second < 50 else 2.0) for second in range(0, 160, 10)])
    assert sweep(faults, 150, missing=False) == [("d0", "level", "stuck", True, 50)]


def test_a_metric_without_a_window_may_rest_forever() -> None:
    faults = detector()
    for second in range(0, 1000, 5):
        feed(faults, ("d0", "flow", second, 0.0))
    assert sweep(faults, 1000) == []


def test_late_readings_do_not_count_as_movement() -> None:
    faults = detector()
    feed(faults, ("d0", "level", 0, 1.0), ("d0", "level", 100, 1.0))
    feed(faults, ("d0", "level", 50, 9.0))
    assert ("d0", "level", "stuck", True, 0) in sweep(faults, 100)


def test_silence_for_three_intervals_is_missing_until_a_sign_of_life() -> None:
    faults = detector()
    feed(faults, ("d0", "level", 0, 1.0), ("d1", "level", 0, 1.0))
    assert sweep(faults, 30) == []
    feed(faults, ("d1", "flow", 30, 1.0, "fault"))
    assert sweep(faults, 31) == [("d0", "", "missing", True, 0)]
    feed(faults, ("d0", "level", 40, 2.0, "out_of_range"))
    assert sweep(faults, 41) == [("d0", "", "missing", False, 41)]


def test_silence_is_not_judged_while_readings_queue_up() -> None:
    faults = detector()
    feed(faults, ("d0", "level", 0, 1.0))
    assert sweep(faults, 500, missing=False) == []


def test_silence_before_watching_began_proves_nothing() -> None:
    faults = detector()
    faults.remember(["d0", "stranger"], [START - 10_000_000, START])
    assert sweep(faults, 29) == []
    assert sweep(faults, 31) == [("d0", "", "missing", True, -10_000)]


def test_a_device_that_never_spoke_is_not_called_missing() -> None:
    assert sweep(detector(), 10_000) == []


@pytest.mark.parametrize("kind", [FaultKind.MISSING, FaultKind.STUCK])
def test_a_fault_known_from_before_stays_until_there_is_proof(kind: FaultKind) -> None:
    metric = "level" if kind is FaultKind.STUCK else ""
    faults = detector((("d0", metric, kind),))
    assert sweep(faults, 1) == []
    feed(faults, ("d0", "level", 2, 1.0))
    assert sweep(faults, 3) == [("d0", metric, kind.value, False, 3)]


def test_a_new_index_keeps_what_was_seen() -> None:
    old = detector()
    feed(old, ("d0", "level", 0, 1.0))
    new = FaultDetector(index(3), DUTY, [], START + 90_000)
    new.carry_from(old)
    feed(new, ("d0", "level", 100, 1.0))
    assert sweep(new, 100) == [("d0", "level", "stuck", True, 0)]
