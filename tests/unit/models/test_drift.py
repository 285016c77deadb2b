"""The index against its definition, known values, and chance."""

import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.models.registry.drift import Verdict, by_chance, judged, psi, windows

COUNTS = st.lists(st.integers(0, 5000), min_size=2, max_size=12)
NAMES = ("类别", "classes")


def test_a_value_worked_out_by_hand() -> None:
    # Shares .6/.4 and .4/.6: 2 * .2 * ln 1.5
    assert psi([600_000, 400_000], [400_000, 600_000]) == pytest.approx(0.4 * math.log(1.5), rel=1e-4)


@given(COUNTS)
def test_the_same_distribution_has_none(counts: list[int]) -> None:
    assert psi(counts, counts) == pytest.approx(0)


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=2, max_size=12))
def test_it_is_symmetrical_and_never_negative(pairs: list[tuple[int, int]]) -> None:
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assert psi(one, other) >= 0
    assert psi(one, other) == pytest.approx(psi(other, one))


def test_chance_bound_is_the_chi_square_quantile() -> None:
    # chi-square, 9 degrees of freedom, .99: 21.666 (tables)
    assert by_chance(10, 1000, 1000) == pytest.approx(21.666 * 2 / 1000, rel=2e-3)
    assert by_chance(10, 500, 10**9) == pytest.approx(21.666 / 500, rel=2e-3)


def test_without_a_shift_the_bound_is_rarely_passed() -> None:
    chance = random.Random(7)
    weights = [5, 4, 3, 3, 2, 2, 1, 1, 1, 1]

    def sample(n: int) -> list[int]:
        counts = [0] * 10
        for part in chance.choices(range(10), weights, k=n):
            counts[part] += 1
        return counts

    passed = sum(psi(sample(800), sample(150)) > by_chance(10, 800, 150) for _ in range(1000))
    assert passed < 30, "1 in 100 is expected"


def test_verdicts() -> None:
    assert judged("label", NAMES, [500, 500], [90, 5]).verdict is Verdict.UNKNOWN
    assert judged("label", NAMES, [500, 500], [260, 240]).verdict is Verdict.STEADY
    assert judged("label", NAMES, [5000, 5000], [340, 660]).verdict is Verdict.SOME
    shifted = judged("label", NAMES, [5000, 5000], [100, 900])
    assert shifted.verdict is Verdict.SHIFTED
    assert shifted.psi is not None
    assert shifted.psi > 0.25
    assert judged("label", NAMES, [100] * 10, [16, 4, 10, 10, 10, 10, 10, 10, 10, 10]).verdict is Verdict.STEADY, (
        "a hundred values tell no such small change from chance"
    )


def test_windows_never_overlap() -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC)
    for days in (0, 3, 7, 8, 20, 37, 100):
        reference, present = windows(first, first + timedelta(days=days))
        assert reference.start <= reference.end
        assert reference.end <= max(present.start, first)
    reference, _ = windows(first, first + timedelta(days=100))
    assert reference.end - reference.start == timedelta(days=30)
