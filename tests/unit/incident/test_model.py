"""The state machine, row by row and pair by pair."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from chengnao.incident.catalogue import categories, category, default_limits
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
from chengnao.incident.rulebook import ANY, STEPS, Rulebook
from chengnao.incident.service import permitted, possible, related
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM as PLATFORM
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.calendar import WorkingCalendar, parse_amount
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.errors import Conflict, Invalid

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
DESK = {"duty_officer", "dispatcher"}
RETURNS = {"reason", "reason_code"}
RECATEGORISES = {"category", "reason"}

# Written out by hand: (state, action) -> (next state, who may, what is needed).
MAP = {
    ("new", "dispatch"): ("dispatched", DESK | {SYSTEM}, {"unit"}),
    ("new", "dismiss"): ("dismissed", DESK, {"reason"}),
    ("new", "answer"): ("closed", DESK, {"result"}),
    ("new", "recategorise"): ("new", DESK, RECATEGORISES),
    ("new", "hand_up"): ("new", DESK, {"reason"}),
    ("new", "hand_down"): ("new", DESK, {"division"}),
    ("dispatched", "accept"): ("accepted", {"handler"}, set()),
    ("dispatched", "return"): ("returned", {"handler"}, RETURNS),
    ("dispatched", "recategorise"): ("new", DESK, RECATEGORISES),
    ("accepted", "handle"): ("handled", {"handler"}, {"result"}),
    ("accepted", "return"): ("returned", {"handler"}, RETURNS),
    ("accepted", "extend"): ("accepted", {SYSTEM}, {"reason"}),
    ("accepted", "suspend"): ("suspended", {SYSTEM}, {"reason"}),
    ("suspended", "resume"): ("accepted", {"handler", SYSTEM}, set()),
    ("returned", "dispatch"): ("dispatched", DESK, {"unit"}),
    ("returned", "dismiss"): ("dismissed", DESK, {"reason"}),
    ("returned", "recategorise"): ("new", DESK, RECATEGORISES),
    ("returned", "hand_up"): ("new", DESK, {"reason"}),
    ("returned", "hand_down"): ("new", DESK, {"division"}),
    ("returned", "dispute"): ("disputed", DESK | {SYSTEM}, {"reason"}),
    ("disputed", "settle"): ("dispatched", DESK, {"unit", "reason"}),
    ("disputed", "dismiss"): ("dismissed", DESK, {"reason"}),
    ("handled", "verify"): ("verified", {"verifier"}, {"evidence"}),
    ("handled", "rework"): ("accepted", {"verifier"}, {"reason"}),
    ("verified", "close"): ("closed", {"duty_officer"}, set()),
    ("closed", "reopen"): ("new", {"duty_officer", SYSTEM}, {"reason"}),
    ("dismissed", "reopen"): ("new", {"duty_officer", SYSTEM}, {"reason"}),
    ("merged", "unmerge"): ("merged", {SYSTEM}, set()),
}
for _state in State:
    MAP[_state.value, "note"] = (_state.value, DESK | {"handler", "verifier", SYSTEM}, {"reason"})
    if _state not in (State.CLOSED, State.DISMISSED, State.MERGED):
        MAP[_state.value, "urge"] = (_state.value, DESK | {SYSTEM}, set())
        MAP[_state.value, "merge"] = ("merged", {SYSTEM}, set())


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
        desk_code="500103",
        unit_id=unit_id,
        lon=None,
        lat=None,
        address="",
        opened_at=NOW,
        entered_at=NOW,
        due_at=NOW,
        close_by=None,
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
        assert sum(row.primary for row in leaves) == (0 if state.final else 1)
        assert {row.action for row in leaves} == {Action.REOPEN} or not state.final or state is State.MERGED


def test_every_state_can_be_reached_and_left_for_the_end() -> None:
    reached = {State.NEW}
    while grown := {row.target for row in TRANSITIONS.values() if row.source in reached} - reached:
        reached |= grown
    assert reached == set(State)
    ends = {State.CLOSED}
    while grown := {row.source for row in TRANSITIONS.values() if row.target in ends and row.roles != {SYSTEM}} - ends:
        ends |= grown
    assert ends >= {state for state in State if not state.final}


@pytest.mark.parametrize("row", list(TRANSITIONS.values()), ids=lambda row: f"{row.source}-{row.action}")
def test_what_is_needed_is_asked_for_by_name(row: Transition) -> None:
    full = dict.fromkeys(Need, "given")
    check_needs(row, full)
    names = {Need.UNIT: "unit_id", Need.DIVISION: "division_code", Need.EVIDENCE: "result"}
    for need in row.needs:
        for missing in ("", None):
            with pytest.raises(Invalid) as error:
                check_needs(row, full | {need: missing})
            assert error.value.params["field"] == names.get(need, need.value)


def test_the_desk_and_those_above_it_dispatch_and_nobody_below(authority: Authority) -> None:
    row = TRANSITIONS[State.NEW, Action.DISPATCH]
    for desk, allowed in (("500103001", {"500103001", "500103", "500000"}), ("500103", {"500103", "500000"})):
        handed = replace(incident(State.NEW, None), desk_code=desk)
        may = {
            division
            for division in ("500103001", "500103002", "500103", "500112", "500000")
            if permitted(authority, person(Role.DISPATCHER, division), handed, row)
        }
        assert may == allowed


def test_a_dispute_is_settled_above_the_desk(authority: Authority) -> None:
    row = TRANSITIONS[State.DISPUTED, Action.SETTLE]
    for desk, allowed in (("500103", {"500000"}), ("500000", {"500000"})):
        disputed = replace(incident(State.DISPUTED, None), desk_code=desk)
        may = {
            division
            for division in ("500103", "500000")
            if permitted(authority, person(Role.DUTY_OFFICER, division), disputed, row)
        }
        assert may == allowed


def test_nobody_verifies_the_own_work(authority: Authority) -> None:
    verifier = person(Role.VERIFIER)
    assert {row.action for row in possible(authority, verifier, incident(State.HANDLED))} >= {Action.VERIFY}
    handled = incident(State.HANDLED)
    for own in (replace(handled, handled_by="p"), replace(handled, assignee_id="p")):
        found = {row.action for row in possible(authority, verifier, own)}
        assert not found & {Action.VERIFY, Action.REWORK}


def test_what_was_settled_cannot_be_returned(authority: Authority) -> None:
    handler = person(Role.HANDLER)
    for state in (State.DISPATCHED, State.ACCEPTED):
        free, bound = incident(state), replace(incident(state), binding=True)
        difference = set(possible(authority, handler, free)) - set(possible(authority, handler, bound))
        assert {row.action for row in difference} == {Action.RETURN}


def test_limits_grow_with_the_grade_and_cover_every_open_state() -> None:
    rulebook = Rulebook(WorkingCalendar())
    assert list(default_limits()) == [1, 2, 3, 4]
    for grade in (1, 2, 3, 4):
        assert tuple(default_limits()[grade]) == STEPS
    for state in State:
        ends = [rulebook.state_due("other", grade, state, NOW) for grade in (1, 2, 3, 4)]
        if state.final or state is State.SUSPENDED:
            assert ends == [None] * 4
        else:
            known = [end for end in ends if end is not None]
            assert len(known) == 4
            assert known == sorted(known)


def test_the_limit_of_the_category_goes_before_the_citys_and_that_before_the_platforms() -> None:
    own = {("noise", 4, "handle"): parse_amount("5 h"), (ANY, 4, "handle"): parse_amount("9 h")}
    rulebook = Rulebook(WorkingCalendar(), own)
    assert str(rulebook.limit("noise", 4, "handle")) == "5 h"
    assert str(rulebook.limit("parking", 4, "handle")) == "9 h"
    assert rulebook.limit("parking", 3, "handle") == default_limits()[3]["handle"]
    assert rulebook.due("noise", 4, "handle", NOW) == NOW + timedelta(hours=5)


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
