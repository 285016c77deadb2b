"""What a replay says of past cases, held against the definitions for anything that can come."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.incident.case_repository import Returned, Told
from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.model import Actor
from chengnao.kernel.calendar import Amount, TimeUnit, WorkingCalendar
from chengnao.kernel.errors import Conflict, Forbidden
from chengnao.kernel.vocabulary import Level
from chengnao.review.proposals import category_rule, limit, responsibility
from chengnao.review.proposals.changes import ProposalKind, ResponsibilityChange, change_of
from chengnao.review.proposals.episodes import Episode, compared
from chengnao.review.proposals.limit import Took
from chengnao.review.proposals.model import (
    FEW,
    Measure,
    Origin,
    Proposal,
    ProposalState,
    Replay,
    Span,
    check_decidable,
    check_undoable,
    effect_spans,
)
from chengnao.review.proposals.patterns import pattern_of
from chengnao.review.proposals.responsibility import Trip, handled_instead, unit_by, with_change

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
UNITS = st.sampled_from(["a", "b", "c"])
MAYBE = st.none() | UNITS


# --- responsibilities


@given(UNITS, MAYBE, MAYBE, MAYBE)
def test_every_past_case_gets_the_one_outcome_that_fits(
    first: str, handled: str | None, was: str | None, would: str | None
) -> None:
    outcome = responsibility.judge(Trip(first, handled), was, would)
    right_first, would_be_right = first == handled, would is not None and would == handled
    match outcome:
        case "untouched":
            assert was == would
        case "by_hand":
            assert would is None
        case "unknown":
            assert handled is None
        case "same":
            assert would == first
        case "straight":
            assert would_be_right
            assert not right_first
        case "wrong":
            assert right_first
            assert not would_be_right
        case "still_wrong":
            assert not right_first
            assert not would_be_right
            assert would != first


ROWS = [
    Responsibility("500000", "*", "city"),
    Responsibility("500103", "noise", "day", hours="08:00-18:00"),
    Responsibility("500103", "noise", "night"),
    Responsibility("500103003", "*", "street"),
]


@pytest.mark.parametrize(
    ("division", "category", "hour", "expected"),
    [
        ("500103", "noise", 2, "day"),  # 10:00 in Chongqing
        ("500103", "noise", 14, "night"),
        ("500103003", "noise", 2, "day"),  # a named category goes before all others, even of a nearer division
        ("500103003", "road", 2, "street"),
        ("500101", "noise", 2, "city"),
    ],
)
def test_the_unit_by_the_rows_follows_the_same_order_as_dispatching(
    division: str, category: str, hour: int, expected: str
) -> None:
    assert unit_by(ROWS, division, category, NOW.replace(hour=hour)) == expected
    assert unit_by([], division, category, NOW) is None


def test_a_change_puts_or_drops_exactly_its_row() -> None:
    night = ResponsibilityChange(division_code="500103", category="noise", unit_id="other", deputy_unit_id="night")
    changed = with_change(ROWS, night)
    assert set(ROWS) - set(changed) == {ROWS[2]}
    assert set(changed) - set(ROWS) == {Responsibility("500103", "noise", "other", "night")}
    dropped = with_change(ROWS, night.model_copy(update={"unit_id": None}))
    assert set(ROWS) - set(dropped) == {ROWS[2]}
    assert len(dropped) == 3


def test_a_deputy_that_takes_over_is_no_deputy_any_more() -> None:
    row = Responsibility("500103", "noise", "a", "b", "08:00-18:00", "6-9")
    assert handled_instead(row, "b") == ResponsibilityChange(
        division_code="500103", category="noise", hours="08:00-18:00", months="6-9", unit_id="b"
    )
    assert handled_instead(row, "c").deputy_unit_id == "b"


# --- returns


@given(st.lists(MAYBE, max_size=12))
def test_a_pattern_is_three_cases_of_which_another_unit_handled_more_than_half(handlers: list[str | None]) -> None:
    cases = [Returned(str(number), "duty", handler) for number, handler in enumerate(handlers)]
    found = pattern_of(cases, "a")
    most = max((handlers.count(unit) for unit in ("b", "c")), default=0)
    assert (found is not None) == (len(cases) >= 3 and 2 * most > len(cases))
    if found is not None:
        assert found.handled_by != "a"
        assert (found.cases, found.handled) == (len(cases), handlers.count(found.handled_by))


# --- limits


AMOUNTS = st.builds(
    Amount, st.integers(1, 40).map(float), st.sampled_from([TimeUnit.HOUR, TimeUnit.WORKING_HOUR, TimeUnit.WORKING_DAY])
)


@given(st.integers(0, 200), st.none() | st.integers(0, 200), AMOUNTS, AMOUNTS)
def test_a_step_is_judged_by_both_limits_in_the_working_calendar(
    begin: int, length: int | None, was: Amount, would: Amount
) -> None:
    calendar, since = WorkingCalendar(), NOW + timedelta(hours=begin)
    end = None if length is None else since + timedelta(hours=length)
    now = since + timedelta(hours=250)
    outcome = limit.judge(Took(since, end), calendar, was, would, now)
    late = [(end or now) > calendar.after(since, amount) for amount in (was, would)]
    expected = {
        (False, False): "on_time" if end else "running",
        (True, True): "late",
        (False, True): "becomes_late",
        (True, False): "becomes_on_time",
    }
    assert outcome == expected[late[0], late[1]]
    assert limit.judge(Took(since, end, paused=True), calendar, was, would, now) == "paused"


# --- thresholds


EPISODES = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, 30), st.sampled_from(list(Level))), min_size=0, max_size=6
).map(
    lambda gaps: [
        Episode("g1", start, level, start + length)
        for start, length, level in zip(
            [sum(gap + length for gap, length, _ in gaps[:n]) + gaps[n][0] for n in range(len(gaps))],
            [length for _, length, _ in gaps],
            [level for _, _, level in gaps],
            strict=True,
        )
    ]
)


@given(EPISODES, EPISODES)
def test_every_warning_before_and_after_stands_in_the_comparison_once_or_with_its_match(
    was: list[Episode], would: list[Episode]
) -> None:
    rows = compared(was, would)
    for outcome, before, after in rows:
        match outcome:
            case "gone":
                assert before is not None
                assert after is None
                assert not any(before.overlaps(each) for each in would)
            case "new":
                assert after is not None
                assert before is None
                assert not any(after.overlaps(each) for each in was)
            case _:
                assert before is not None
                assert after is not None
                assert before.overlaps(after)
                assert (outcome == "kept") == (before.peak is after.peak)
    assert [after for _, _, after in rows if after is not None] == would
    assert {each for each in was if not any(each.overlaps(other) for other in would)} == {
        before for outcome, before, _ in rows if outcome == "gone"
    }


def test_a_warning_that_lasts_overlaps_all_that_come_after() -> None:
    lasting, later = Episode("g1", 10, Level.RED), Episode("g1", 500, Level.RED, 600)
    assert compared([lasting], [later]) == [("kept", lasting, later)]
    assert compared([], []) == []
    assert compared([lasting], [Episode("g2", 500, Level.RED)])[0][0] == "gone"


# --- category rules


@given(UNITS, UNITS, st.booleans(), MAYBE, MAYBE)
def test_a_rule_is_held_against_what_the_report_ended_as(
    came: str, final: str, settled: bool, was: str | None, would: str | None
) -> None:
    told = Told("r", "SB", "", came, "500103", None, NOW, "i", "CQ", final, settled)
    outcome = category_rule.judge(told, was, would)
    if outcome == "corrected":
        assert settled
        assert would == final != came
    if outcome == "spoiled":
        assert settled
        assert came == final != would
    if outcome == "untouched":
        assert was == would


# --- deciding, undoing, measuring


CHANGE = ResponsibilityChange(division_code="500103", category="noise", unit_id="a")
REPLAY = Replay(Span(NOW, NOW), NOW, {"unit_id": "b"}, {})
PROPOSAL = Proposal(
    id="p1",
    number="GJ-1",
    kind=ProposalKind.RESPONSIBILITY,
    change=CHANGE,
    about="噪声由甲负责",
    key="k",
    reason="",
    origin=Origin.PERSON,
    pattern=None,
    state=ProposalState.REPLAYED,
    author=Actor("user", "u1", "张三"),
    division_code="500103",
    target_code="500103",
    made_at=NOW,
    replay=REPLAY,
)


def test_a_decision_needs_another_person_a_replay_and_the_thing_as_it_was_replayed() -> None:
    check_decidable(PROPOSAL, "u2", {"unit_id": "b"}, True)
    with pytest.raises(Forbidden):
        check_decidable(PROPOSAL, "u1", {"unit_id": "b"}, True)
    with pytest.raises(Conflict, match="重新回放"):
        check_decidable(PROPOSAL, "u2", None, True)
    check_decidable(PROPOSAL, "u2", None, False)
    with pytest.raises(Conflict, match="尚未回放"):
        check_decidable(replace(PROPOSAL, replay=None), "u2", None, True)
    check_decidable(replace(PROPOSAL, replay=None), "u2", None, False)
    for state in (ProposalState.APPLIED, ProposalState.REFUSED, ProposalState.WITHDRAWN):
        with pytest.raises(Conflict):
            check_decidable(replace(PROPOSAL, state=state), "u2", {"unit_id": "b"}, False)


def test_only_what_is_in_force_and_untouched_since_is_undone() -> None:
    applied = replace(PROPOSAL, state=ProposalState.APPLIED, after={"unit_id": "a"})
    check_undoable(applied, {"unit_id": "a"})
    with pytest.raises(Conflict, match="又被改过"):
        check_undoable(applied, {"unit_id": "c"})
    with pytest.raises(Conflict):
        check_undoable(PROPOSAL, None)


@given(st.integers(0, 60), st.none() | st.integers(0, 60))
def test_effect_periods_are_equally_long_and_never_reach_beyond_what_was(passed: int, ended: int | None) -> None:
    now = NOW + timedelta(days=passed)
    end = None if ended is None else NOW + timedelta(days=ended)
    before, after, complete = effect_spans(NOW, end, now, timedelta(days=30))
    assert before.until == after.since == NOW
    assert before.until - before.since == after.until - after.since
    assert NOW <= after.until <= min(now, end or now)
    assert complete == (after.until - after.since == timedelta(days=30))


@pytest.mark.parametrize(
    ("count", "of", "daily", "few"),
    [(0, FEW, False, False), (5, FEW - 1, False, True), (FEW, 3.0, True, False), (3, 30.0, True, True)],
)
def test_too_few_cases_are_called_so(count: int, of: float, daily: bool, few: bool) -> None:
    measure = Measure("m", "率", "rate", count, of, daily=daily)
    assert measure.few is few
    assert Measure("m", "率", "rate", 0, 0).value is None


def test_a_change_comes_back_from_the_store_as_it_was() -> None:
    assert change_of(CHANGE.model_dump(mode="json")) == CHANGE
