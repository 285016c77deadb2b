"""Stays and deviations, from timelines written out by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chengnao.incident.model import OPEN, Actor, State, TimelineEntry
from chengnao.review.deviations import Alarm, Deviation, DeviationKind, deviations
from chengnao.review.stays import stays

START = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
S = State
Told = tuple[float, str, State | None, State, dict[str, Any]]


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def timeline(*rows: Told) -> list[TimelineEntry]:
    """Entries of (minute, action, from, to, data); `due` and `close` are minutes, `reason` is the reason."""
    entries = []
    for seq, (minute, action, before, after, data) in enumerate(rows, start=1):
        kept = {key: value for key, value in data.items() if key not in ("due", "close", "reason")}
        if "due" in data:
            kept["due_at"] = at(data["due"]).isoformat()
        if "close" in data:
            kept["close_by"] = at(data["close"]).isoformat()
        actor = Actor("user", "u1", "张三")
        entries.append(TimelineEntry("i1", seq, at(minute), actor, action, before, after, data.get("reason", ""), kept))
    return entries


STRAIGHT: tuple[Told, ...] = (
    (0, OPEN, None, S.NEW, {"category": "noise", "grade": 3, "due": 30, "close": 300}),
    (1, "dispatch", S.NEW, S.DISPATCHED, {"unit_id": "a", "task": 1, "due": 61}),
    (20, "accept", S.DISPATCHED, S.ACCEPTED, {"unit_id": "a", "task": 1, "due": 140}),
    (100, "handle", S.ACCEPTED, S.HANDLED, {"unit_id": "a", "task": 1, "due": 160}),
    (120, "verify", S.HANDLED, S.VERIFIED, {"unit_id": "a", "due": 180}),
    (130, "close", S.VERIFIED, S.CLOSED, {"unit_id": "a"}),
)


def kinds(found: list[Deviation]) -> list[DeviationKind]:
    return [each.kind for each in found]


def test_a_case_in_time_has_no_deviation() -> None:
    entries = timeline(*STRAIGHT)
    assert deviations(entries, [], at(1000)) == []
    assert [(stay.state, stay.step) for stay in stays(entries)] == [
        (S.NEW, "dispatch"),
        (S.DISPATCHED, "accept"),
        (S.ACCEPTED, "handle"),
        (S.HANDLED, "verify"),
        (S.VERIFIED, "close"),
    ]
    assert all(stay.until is not None for stay in stays(entries))


def test_each_late_step_is_told_by_how_much_and_who_held_it() -> None:
    late = timeline(*STRAIGHT[:2], (70, "accept", S.DISPATCHED, S.ACCEPTED, {"unit_id": "a", "due": 100}))
    found = deviations(late, [], at(130))
    assert [(each.state, each.seconds, each.unit_id, each.seq) for each in found] == [
        (S.DISPATCHED, 9 * 60, "a", 2),
        (S.ACCEPTED, 30 * 60, "a", 3),  # it still lasts
    ]


def test_a_case_may_be_late_as_a_whole_though_no_step_is() -> None:
    rows = [*STRAIGHT]
    rows[0] = (0, OPEN, None, S.NEW, {"category": "noise", "grade": 3, "due": 30, "close": 125})
    [found] = deviations(timeline(*rows), [], at(1000))
    assert (found.kind, found.seconds) == (DeviationKind.LATE_WHOLE, 5 * 60)


def test_returns_disputes_rework_urges_and_reopening_with_their_reasons() -> None:
    entries = timeline(
        *STRAIGHT[:2],
        (5, "return", S.DISPATCHED, S.RETURNED, {"task": 1, "reason_code": "duty", "reason": "不归我们", "due": 35}),
        (6, "note", S.RETURNED, S.RETURNED, {"reason": "已联系"}),
        (7, "dispute", S.RETURNED, S.DISPUTED, {"due": 60, "reason": "提请裁定"}),
        (8, "settle", S.DISPUTED, S.DISPATCHED, {"unit_id": "b", "task": 2, "due": 60, "reason": "归乙"}),
        (9, "urge", S.DISPATCHED, S.DISPATCHED, {"unit_id": "b", "escalation": 2, "reason": "催"}),
        (10, "accept", S.DISPATCHED, S.ACCEPTED, {"unit_id": "b", "task": 2, "due": 100}),
        (11, "suspend", S.ACCEPTED, S.SUSPENDED, {"unit_id": "b", "task": 2, "due": 300, "reason": "等料"}),
        (41, "resume", S.SUSPENDED, S.ACCEPTED, {"unit_id": "b", "task": 2, "due": 130}),
        (50, "extend", S.ACCEPTED, S.ACCEPTED, {"unit_id": "b", "task": 2, "due": 200, "reason": "雨"}),
        (60, "handle", S.ACCEPTED, S.HANDLED, {"unit_id": "b", "task": 2, "due": 120}),
        (61, "rework", S.HANDLED, S.ACCEPTED, {"unit_id": "b", "task": 2, "due": 200, "reason": "未修好"}),
        (62, "handle", S.ACCEPTED, S.HANDLED, {"unit_id": "b", "task": 2, "due": 120}),
        (63, "verify", S.HANDLED, S.VERIFIED, {"unit_id": "b", "due": 120}),
        (64, "close", S.VERIFIED, S.CLOSED, {"unit_id": "b"}),
        (90, "reopen", S.CLOSED, S.NEW, {"due": 500, "close": 900, "reason": "又坏了"}),
    )
    found = deviations(entries, [], at(91))
    assert kinds(found) == [
        DeviationKind.RETURNED,
        DeviationKind.DISPUTED,
        DeviationKind.URGED,
        DeviationKind.SUSPENDED,
        DeviationKind.EXTENDED,
        DeviationKind.REWORKED,
        DeviationKind.REOPENED,
    ]
    by_kind = {each.kind: each for each in found}
    returned = by_kind[DeviationKind.RETURNED]
    assert (returned.unit_id, returned.reason_code, returned.reason) == ("a", "duty", "不归我们")
    assert by_kind[DeviationKind.URGED].level == 2
    assert by_kind[DeviationKind.SUSPENDED].seconds == 30 * 60
    assert by_kind[DeviationKind.REOPENED].reason == "又坏了"


def test_a_corrected_category_and_a_return_by_a_unit_that_assists() -> None:
    entries = timeline(
        STRAIGHT[0],
        (2, "recategorise", S.NEW, S.NEW, {"category": "manhole", "due": 40, "reason": "是井盖"}),
        (3, "dispatch", S.NEW, S.DISPATCHED, {"unit_id": "a", "assist_unit_ids": ["b"], "task": 1, "due": 61}),
        (4, "note", S.DISPATCHED, S.DISPATCHED, {"assist": "return", "unit_id": "b", "task": 2, "reason_code": "duty"}),
        (5, "return", S.DISPATCHED, S.RETURNED, {"task": 1, "reason_code": "territory", "due": 35}),
    )
    recategorised, assist, lead = deviations(entries, [], at(10))
    assert (recategorised.kind, recategorised.category) == (DeviationKind.RECATEGORISED, "noise")
    assert (assist.kind, assist.unit_id) == (DeviationKind.ASSIST_RETURNED, "b")
    assert (lead.kind, lead.unit_id) == (DeviationKind.RETURNED, "a")
    assert stays(entries)[1].category == "manhole"


def test_a_warning_that_waited_long_for_its_incident_is_told_by_its_first_grave_moment() -> None:
    entries = timeline(*STRAIGHT)
    soon, late, joined = Alarm("w1", "低压", at(-5)), Alarm("w2", "更低", at(-25)), Alarm("w3", "后来", at(50))
    assert deviations(entries, [soon, joined], at(1000)) == []
    [found] = deviations(entries, [soon, late, joined], at(1000))
    assert (found.kind, found.seconds, found.reason) == (DeviationKind.SLOW_WARNING, 25 * 60, "更低")


@given(st.lists(st.integers(0, 400), min_size=5, max_size=5), st.lists(st.integers(1, 300), min_size=5, max_size=5))
def test_a_step_is_late_exactly_where_its_stay_is_longer_than_its_time(waits: list[int], limits: list[int]) -> None:
    rows: list[Told] = []
    minute = 0
    for number, (_, action, before, after, data) in enumerate(STRAIGHT):
        kept = {key: value for key, value in data.items() if key != "close"}
        if number < 5:
            kept["due"] = minute + limits[number]
        rows.append((float(minute), action, before, after, kept))
        if number < 5:
            minute += waits[number]
    found = deviations(timeline(*rows), [], at(minute))
    late = {each.state: each.seconds for each in found}
    states = [row[3] for row in STRAIGHT[:5]]
    assert late == {
        state: (wait - limit) * 60 for state, wait, limit in zip(states, waits, limits, strict=True) if wait > limit
    }
