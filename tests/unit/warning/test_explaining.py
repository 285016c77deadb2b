"""What readings around a warning say."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.warning.explaining import Course, Point, course_of, in_words
from chengnao.warning.model import Direction

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def points(values: Sequence[float], step: float = 10.0) -> list[Point]:
    """Values at even steps in minutes, the last one now."""
    first = NOW - timedelta(minutes=step * (len(values) - 1))
    return [(first + timedelta(minutes=step * number), value) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "trend"),
    [
        ([176.2, 176.8, 177.5, 178.1, 178.9, 179.6], "rising"),
        ([182.1, 181.6, 181.2, 180.9, 180.5, 180.2], "falling"),
        ([80, 80.3, 79.8, 80.1, 79.9, 80.2], "steady"),
        ([5, 5, 5, 5], "steady"),
        ([1, 2], "unknown"),
        ([], "unknown"),
    ],
)
def test_the_trend(values: list[float], trend: str) -> None:
    assert course_of(points(values), 100.0, Direction.ABOVE).trend == trend


def test_since_when_it_is_beyond_the_threshold() -> None:
    found = course_of(points([12, 31, 12, 33, 35, 36]), 30.0, Direction.ABOVE)
    assert found.beyond_since == NOW - timedelta(minutes=20), "an earlier excursion is not this one"
    assert course_of(points([3, 2, 6]), 5.0, Direction.BELOW).beyond_since is None
    assert course_of(points([5.0]), 5.0, Direction.BELOW).beyond_since == NOW, "at the threshold is beyond it"


def test_the_words_have_the_figures() -> None:
    said = in_words(course_of(points([20, 25, 33, 36]), 30.0, Direction.ABOVE), 30.0, Direction.ABOVE, "mm", NOW)
    assert "36 mm" in said
    assert "30 mm" in said
    assert "6（20%）" in said
    assert "10 分钟" in said
    assert "上升" in said
    back = in_words(course_of(points([36, 33, 20]), 30.0, Direction.ABOVE), 30.0, Direction.ABOVE, "mm", NOW)
    assert "已回到阈值" in back


def test_without_readings_nothing_is_said_of_them() -> None:
    assert "没有读到" in in_words(Course(0), 30.0, Direction.ABOVE, "mm", NOW)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40), st.sampled_from(Direction))
def test_any_readings_have_a_course(values: list[float], direction: Direction) -> None:
    found = course_of(
        points([min(1e12, max(-1e12, each)) if each == each else each for each in values]), 5.0, direction
    )
    assert found.trend in ("rising", "falling", "steady", "unknown")
    assert in_words(found, 5.0, direction, "m", NOW)
