"""The state machine, row by row and pair by pair."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from chengnao.incident.catalogue import categories, category, limits, parse_duration
from chengnao.incident.model import (
    SYSTEM,
    TRANSITIONS,
    Action,
    Incident,
    Need,
    Source,
    State,
    Transition,
    check_needs,
    media_type_of,
    transition,
)
from chengnao.incident.service import permitted, possible, related
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM as PLATFORM
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.errors import Conflict, Invalid

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
DESK = {"duty_officer", "dispatcher"}

# Written out by hand: (state, action) -> (next state, who may, what is needed).
MAP = {
    ("new", "dispatch"): ("dispatched", DESK | {SYSTEM}, {"unit"}),
    ("new", "dismiss"): ("dismissed", DESK, {"reason"}),
    ("dispatched", "accept"): ("accepted", {"handler"}, set()),
    ("dispatched", "return"): ("returned", {"handler"}, {"reason"}),
    ("accepted", "handle"): ("handled", {"handler"}, {"result"}),
    ("accepted", "return"): ("returned", {"handler"}, {"reason"}),
    ("returned", "dispatch"): ("dispatched", DESK, {"unit"}),
    ("returned", "dismiss"): ("dismissed", DESK, {"reason"}),
    ("handled", "verify"): ("verified", {"verifier"}, set()),
    ("handled", "rework"): ("accepted", {"verifier"}, {"reason"}),
    ("verified", "close"): ("closed", {"duty_officer"}, set()),
}
for _state in State:
    MAP[_state.value, "note"] = (_state.value, DESK | {"handler", "verifier", SYSTEM}, {"reason"})
    if _state not in (State.CLOSED, State.DISMISSED):
        MAP[_state.value, "urge"] = (_state.value, DESK | {SYSTEM}, set())


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.load()


def incident(state: State, unit_id: str | None = "water") -> Incident:
    return Incident(
        id="i",
        number="CQ-20261125-000001",
        title="t",
        description="",
        category="other",
        grade=4,
        state=state,
        source=Source.MANUAL,
        division_code="500103001",
        unit_id=unit_id,
        lon=None,
        lat=None,
        address="",
        opened_at=NOW,
        entered_at=NOW,
        due_at=NOW,
    )


def person(role: Role, division: str = "500000", unit: str | None = "water") -> Principal:
    return Principal("p", "p", "user", frozenset({role}), division, unit)


@pytest.mark.parametrize(("state", "action"), list(product(State, Action)))
def test_every_pair_is_as_written(state: State, action: Action) -> None:
    expected = MAP.get((state.value, action.value))
    if expected is None:
        with pytest.raises(Conflict) as error:
            transition(state, action)
        assert state.zh in error.value.text("zh")
        assert action.en in error.value.text("en")
        return
    row = transition(state, action)
    assert (row.target.value, set(row.roles), {need.value for need in row.needs}) == expected


@pytest.mark.parametrize("state", list(State))
def test_every_role_may_do_just_what_is_written(state: State, authority: Authority) -> None:
    """Both walls together: the policies must not let through, nor stop, anything else than the table says."""
    for role in Role:
        allowed = {row.action.value for row in possible(authority, person(role), incident(state))}
        assert allowed == {action for (at, action), (_, who, _) in MAP.items() if at == state.value and role in who}
    allowed = {row.action.value for row in possible(authority, PLATFORM, incident(state))}
    assert allowed == {action for (at, action), (_, who, _) in MAP.items() if at == state.value and SYSTEM in who}


@pytest.mark.parametrize("role", [Role.DUTY_OFFICER, Role.DISPATCHER, Role.HANDLER, Role.VERIFIER])
def test_nobody_acts_in_a_foreign_district(role: Role, authority: Authority) -> None:
    for state in State:
        assert possible(authority, person(role, "500112"), incident(state)) == []


def test_a_handler_acts_for_the_own_unit_only(authority: Authority) -> None:
    for state in (State.DISPATCHED, State.ACCEPTED):
        for foreign in (person(Role.HANDLER, unit="gas"), person(Role.HANDLER, unit=None)):
            assert possible(authority, foreign, incident(state)) == []
    row = TRANSITIONS[State.DISPATCHED, Action.ACCEPT]
    assert not permitted(authority, person(Role.HANDLER, unit=None), incident(State.DISPATCHED, None), row)


def test_every_state_but_the_final_ones_leads_on() -> None:
    for state in State:
        leaves = [row for row in TRANSITIONS.values() if row.source is state and row.target is not state]
        assert bool(leaves) is not state.final
        assert sum(row.primary for row in leaves) == (0 if state.final else 1)


@pytest.mark.parametrize("row", list(TRANSITIONS.values()), ids=lambda row: f"{row.source}-{row.action}")
def test_what_is_needed_is_asked_for_by_name(row: Transition) -> None:
    full = {"reason": "because", "unit_id": "water", "result": "done"}
    check_needs(row, reason=full["reason"], unit_id=full["unit_id"], result=full["result"])
    fields = {Need.REASON: "reason", Need.UNIT: "unit_id", Need.RESULT: "result"}
    for need in row.needs:
        for blank in ("", "  "):
            given = full | {fields[need]: blank}
            if need is Need.UNIT and blank:
                continue
            with pytest.raises(Invalid) as error:
                check_needs(row, reason=given["reason"], unit_id=given["unit_id"] or None, result=given["result"])
            assert error.value.params["field"] == fields[need]


def test_limits_grow_with_the_grade_and_cover_every_open_state() -> None:
    assert list(limits()) == [1, 2, 3, 4]
    for state in State:
        lengths = [limits()[grade].of(state) for grade in (1, 2, 3, 4)]
        if state.final:
            assert lengths == [None] * 4
        else:
            known = [length for length in lengths if length is not None]
            assert len(known) == 4
            assert known == sorted(known)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90 s", timedelta(seconds=90)),
        ("15 min", timedelta(minutes=15)),
        ("2 h", timedelta(hours=2)),
        ("3 d", timedelta(days=3)),
    ],
)
def test_durations_are_read(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["15", "15m", "h", "x h", "2 weeks"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|convert"):
        parse_duration(text)


def test_categories_are_sound() -> None:
    for code, found in categories().items():
        assert found.code == code
        assert 1 <= found.grade <= 4
        assert found.name != found.name_en
    with pytest.raises(Invalid) as error:
        category("dragon")
    assert "dragon" in error.value.text("en")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe0 jfif", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", None),
        (b"GIF89a", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_an_image_is_told_by_its_first_bytes(data: bytes, expected: str | None) -> None:
    assert media_type_of(data) == expected


def test_divisions_are_related_up_and_down() -> None:
    assert related("500000", "500103001")
    assert related("500103001", "500103")
    assert not related("500103", "500112001")
    assert not related("500103001", "500103002")


def test_lateness_is_by_the_clock() -> None:
    clock = FixedClock(NOW)
    assert not incident(State.NEW).overdue(clock.now())
    clock.advance(1)
    assert incident(State.NEW).overdue(clock.now())
