"""States of commands, and which of them need a second person."""

from datetime import UTC, datetime, timedelta

import pytest

from chengnao.kernel.errors import Conflict, Forbidden
from chengnao.sensing.commands.model import (
    ENDED,
    TRANSITIONS,
    DeviceCommand,
    Effect,
    State,
    effect_of,
    key_at,
)

NOW = datetime(2026, 11, 25, 4, 5, 6, 789_000, UTC)


def command(state: State = State.ASKED) -> DeviceCommand:
    return DeviceCommand(
        "c1",
        "d1",
        "calibrate",
        {},
        "k",
        Effect.ACT,
        state,
        "",
        "u1",
        "甲",
        NOW,
        NOW + timedelta(hours=1),
        "500103",
        None,
    )


def test_a_command_goes_out_once() -> None:
    """The transitions, by hand: only APPROVED leads to SENT, and only a late answer leads out of an end."""
    wanted = {
        "asked": {"approved", "refused", "withdrawn", "expired"},
        "approved": {"sent", "failed", "withdrawn", "expired"},
        "sent": {"approved", "ok", "failed", "unanswered"},
        "unanswered": {"ok", "failed"},
        "refused": set(),
        "withdrawn": set(),
        "ok": set(),
        "failed": set(),
        "expired": set(),
    }
    assert {str(state): {str(each) for each in after} for state, after in TRANSITIONS.items()} == wanted
    assert {state for state in State if not TRANSITIONS[state]} | {State.UNANSWERED} == ENDED
    with pytest.raises(Conflict):
        command(State.UNANSWERED).require(State.SENT)


def test_what_acts_or_is_unknown_waits_for_a_second_person() -> None:
    assert not effect_of("set_clock", "air_station").needs_approval
    assert effect_of("calibrate", "air_station").needs_approval
    assert effect_of("open_the_sluice", "river_station") is Effect.ACT


def test_nobody_approves_the_own_command() -> None:
    with pytest.raises(Forbidden):
        command().require_second_person("u1")
    command().require_second_person("u2")


def test_the_key_is_a_qn_of_hj212() -> None:
    assert key_at(NOW) == "20261125120506789"
