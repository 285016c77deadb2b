from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.incident.dispatch.model import return_reasons
from chengnao.incident.measure_repository import CONDITIONS, TIMES
from chengnao.incident.measures import Spread, Subject
from chengnao.kernel.errors import Invalid
from chengnao.supervision.evaluation.model import Count, Group, Rate, Time, duration, indicators, read_indicators, shown
from chengnao.supervision.evaluation.routes import Definition, EvaluationRow

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
KNOWN = indicators()
COUNTS = {
    "opened": 10, "closable": 8, "closed": 6, "accept_due": 10, "accepted_on_time": 9, "handle_due": 8,
    "handled_on_time": 6, "dispatched": 12, "returned": 3, "reworked": 1, "rated": 3, "satisfied": 1,
}  # fmt: skip


def rate(key: str) -> Rate:
    found = KNOWN.get(key)
    assert isinstance(found, Rate)
    return found


def test_rates_are_what_their_definitions_say() -> None:
    group = Group("g", "g", COUNTS)
    expected = {"accept_rate": 0.9, "handle_rate": 0.75, "close_rate": 0.75, "return_rate": 0.25}
    assert {key: group.value(rate(key)) for key in expected} == expected
    assert group.value(rate("satisfaction_rate")) == 0.3333


def test_a_rate_over_nothing_and_the_time_of_nothing_are_unknown() -> None:
    group = Group("g", "g")
    assert [group.value(each) for each in KNOWN.rates + KNOWN.times] == [None] * len(KNOWN.rates + KNOWN.times)
    assert all(shown(each, None) == "—" for each in KNOWN.all)


@given(st.dictionaries(st.sampled_from([each.key for each in KNOWN.counts]), st.integers(0, 10**9)))
def test_a_rate_is_never_more_than_the_parts_allow(counts: dict[str, int]) -> None:
    group = Group("g", "g", counts)
    for each in KNOWN.rates:
        below = counts.get(each.denominator.key, 0)
        value = group.value(each)
        assert (value is None) == (below == 0)
        if value is not None:
            assert value == pytest.approx(counts.get(each.numerator.key, 0) / below, abs=5e-5)


def test_every_count_and_time_has_its_condition_and_no_condition_is_idle() -> None:
    for subject in Subject:
        named = {each.key for each in KNOWN.counts if each.subject is subject}
        assert named == CONDITIONS[subject](NOW).keys()
    assert {each.key for each in KNOWN.times} == TIMES.keys()


def test_the_row_of_the_interface_shows_every_indicator() -> None:
    assert set(EvaluationRow.model_fields) - {"key", "name"} == {each.key for each in KNOWN.all}
    group = Group("u", "市水务集团", COUNTS, {"time_whole": Spread(3, 1, 60.0, 90.0)})
    row = EvaluationRow.of(group)
    assert (row.opened, row.imported, row.accept_rate, row.reopen_rate) == (10, 0, 0.9, None)
    assert (row.time_whole.odd, row.time_whole.median, row.time_close.count) == (1, 60.0, 0)


def test_every_definition_says_what_is_counted_in_both_languages() -> None:
    keys = [each.key for each in KNOWN.all]
    assert len(keys) == len(set(keys))
    for each in KNOWN.all:
        definition = Definition.of(each)
        assert all((definition.name, definition.name_en, definition.numerator, definition.numerator_en)), each.key
        if isinstance(each, Rate):
            assert all((definition.denominator, definition.denominator_en, definition.exclusions)), each.key
            assert definition.unit == "%"
            # "follows", never "conforms": the standard's text was not at hand.
            assert "符合" not in (definition.follows or "")
            assert "conform" not in (definition.follows_en or "")


def test_the_text_of_misdispatch_names_the_reasons_that_count() -> None:
    count = KNOWN.get("misdispatched")
    assert isinstance(count, Count)
    for reason in return_reasons().values():
        assert (reason.name in count.text) == reason.wrong_unit


def test_plans_cover_everything_once() -> None:
    plans = KNOWN.plans()
    assert sorted(key for plan in plans for key in plan.counts) == sorted(each.key for each in KNOWN.counts)
    assert sorted(key for plan in plans for key in plan.times) == sorted(each.key for each in KNOWN.times)
    assert len({(plan.subject, plan.anchor) for plan in plans}) == len(plans)


def test_an_unknown_indicator_is_named() -> None:
    with pytest.raises(Invalid) as raised:
        KNOWN.get("happiness")
    assert raised.value.code == "indicator_unknown"
    assert "accept_rate" in raised.value.text("zh")


RATE = """
counts:
- {key: a, subject: incident, anchor: opened, name: {zh: 甲, en: a}, text: {zh: 甲, en: a}}
- {key: b, subject: incident, anchor: closed, name: {zh: 乙, en: b}, text: {zh: 乙, en: b}}
rates:
- {key: r, name: {zh: 丙, en: r}, numerator: a, denominator: NAME, better: higher, exclusions: {zh: 无, en: none}}
times: []
"""


def test_a_rate_needs_counts_that_can_be_divided() -> None:
    with pytest.raises(ValueError, match="do not count the same"):
        read_indicators(RATE.replace("NAME", "b"))
    with pytest.raises(KeyError):
        read_indicators(RATE.replace("NAME", "c"))
    assert read_indicators(RATE.replace("NAME", "a")).rates[0].better == "higher"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 秒"), (59.4, "59 秒"), (60, "1 分"), (3_600, "1 小时"), (7_500, "2 小时 5 分"), (90_061, "1 天 1 小时")],
)
def test_a_time_is_told_in_the_units_that_matter(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    whole = KNOWN.get("time_whole")
    assert isinstance(whole, Time)
    assert shown(whole, seconds) == text
