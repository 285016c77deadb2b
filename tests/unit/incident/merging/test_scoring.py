"""How probable one matter is: symmetric, monotone, complete with whatever is missing, and told in words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import cos, radians

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.incident.merging.model import FLAGS, RAMPED, Matter, Weights, default_weights
from chengnao.incident.merging.scoring import score, score_against
from chengnao.kernel.places import Place

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = Place(106.55, 29.56)
LAMP = Matter("a", "民权路路灯不亮，晚上黑漆漆的", "street_light", AT, HERE)
SAME = Matter("b", "街灯坏了，民权路好黑", "street_light", AT + timedelta(minutes=12), HERE)
TEXTS = ["", "路灯不亮", "街灯坏了好黑", "垃圾没人收", "Street light out", "pothole", "民权路水管爆了"]
CATEGORIES = [None, "other", "street_light", "power_facility", "rubbish", "Noise - Residential", "Noise - Vehicle"]

places = st.none() | st.builds(Place, st.floats(106.5, 106.52), st.floats(29.5, 29.52))
times = st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1), timezones=st.just(UTC))  # noqa: DTZ001 - naive bounds are what it takes
matters = st.builds(
    Matter,
    id=st.just("m"),
    text=st.sampled_from(TEXTS),
    category=st.sampled_from(CATEGORIES),
    at=times,
    place=places,
    address=st.sampled_from(["", "民权路12号", "民权路", "青竹路", "BROADWAY"]),
    source=st.sampled_from([None, "s1", "s2"]),
    closed_at=times,
)


def east(place: Place, metres: float) -> Place:
    return Place(place.lon + metres / 111_195 / cos(radians(place.lat)), place.lat)


@given(one=matters, other=matters)
@settings(deadline=None, max_examples=150)
def test_the_order_does_not_matter(one: Matter, other: Matter) -> None:
    assert score(one, other).probability == pytest.approx(score(other, one).probability, abs=1e-6)
    assert 0 <= score(one, other).probability <= 1


@given(one=matters, other=matters, near=st.floats(0, 3000), more=st.floats(0, 3000))
@settings(deadline=None, max_examples=100)
def test_farther_apart_is_never_more_probable(one: Matter, other: Matter, near: float, more: float) -> None:
    one = replace(one, place=HERE)
    nearer, farther = (replace(other, place=east(HERE, metres)) for metres in (near, near + more))
    assert score(one, nearer).probability >= score(one, farther).probability - 1e-9


@given(one=matters, other=matters, soon=st.floats(0, 900), more=st.floats(0, 900))
@settings(deadline=None, max_examples=100)
def test_later_is_never_more_probable(one: Matter, other: Matter, soon: float, more: float) -> None:
    one = replace(one, at=AT)
    sooner, later = (replace(other, at=AT + timedelta(hours=hours)) for hours in (soon, soon + more))
    assert score(one, sooner).probability >= score(one, later).probability - 1e-9


@given(one=matters, other=matters)
@settings(deadline=None, max_examples=50)
def test_the_floor_changes_no_score_above_it(one: Matter, other: Matter) -> None:
    full = score(one, other).probability
    [kept] = score_against(one, [other], floor=0.3)
    assert (kept is None) == (full < 0.3)
    assert kept is None or kept.probability == pytest.approx(full, abs=1e-9)


def test_the_same_told_by_two_is_probable_and_says_why() -> None:
    found = score(LAMP, replace(SAME, place=east(HERE, 35)))
    assert found.probability > 0.8
    words = [reason.zh for reason in found.reasons]
    assert "相距 35 米" in words
    assert "相隔 12 分钟" in words
    assert "都提到民权路" in words
    assert "都属于路灯故障" in words
    assert {"35 m apart", "12 minutes apart"} <= {reason.en for reason in found.reasons}
    assert all(reason.speaks_for for reason in found.reasons)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"place": east(HERE, 900)}, "相距 900 米"),
        ({"at": AT + timedelta(days=25)}, "相隔 25 天"),
        ({"text": "垃圾堆了几天没人清运", "category": "rubbish"}, "说的不像一回事"),
    ],
)
def test_what_speaks_against_it(change: dict[str, object], reason: str) -> None:
    found = score(LAMP, replace(SAME, **change))  # type: ignore[arg-type]
    assert found.probability < 0.3
    assert reason in [each.zh for each in found.reasons if not each.speaks_for]


def test_after_it_was_put_right_it_is_another_matter() -> None:
    ended = replace(LAMP, closed_at=AT + timedelta(minutes=5))
    found = score(ended, SAME)
    assert found.probability < score(LAMP, SAME).probability / 2
    assert "前一件已经办结" in [each.zh for each in found.reasons if not each.speaks_for]


def test_another_category_for_the_same_words_at_the_same_place_is_still_probable() -> None:
    """FixMyStreet's issue 871: duplicates were looked for among the pins of one category only."""
    one = replace(LAMP, text="民权路12号水管爆了，水到处流", category="water_leak")
    other = replace(one, id="b", text="民权路12号水管爆裂，水冲得老高", category="waterlogging")
    assert score(one, other).probability > default_weights().settings.offered


@pytest.mark.parametrize("without", ["text", "category", "at", "place", "everything"])
def test_missing_values_are_no_error(without: str) -> None:
    empty: dict[str, object] = {"text": "", "category": None, "at": None, "place": None}
    change = empty if without == "everything" else {without: empty[without]}
    found = score(LAMP, replace(SAME, **change))  # type: ignore[arg-type]
    assert 0 <= found.probability < score(LAMP, SAME).probability
    assert score(replace(LAMP, **empty), replace(SAME, **empty)).probability < 0.05  # type: ignore[arg-type]


def test_english_is_read_too() -> None:
    found = score(LAMP, replace(SAME, text="Street lights are out, pitch dark"))
    other = score(LAMP, replace(SAME, text="Garbage has not been collected"))
    assert found.probability > other.probability


def test_weights_of_the_wrong_sign_are_refused() -> None:
    ramps = {name: [{"full": 1.0, "none": 2.0, "weight": 1.0}] for name in RAMPED}
    good = {"bias": -1.0, "ramps": ramps, "flags": dict.fromkeys(FLAGS, 0.0), "settings": {}}
    settings_ = default_weights().settings.__dict__
    assert Weights.from_data(good | {"settings": settings_}).bias == -1.0
    with pytest.raises(ValueError, match="after_close"):
        Weights.from_data(good | {"settings": settings_, "flags": dict.fromkeys(FLAGS, 0.0) | {"after_close": 1.0}})
