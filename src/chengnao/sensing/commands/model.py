"""What a command to a device goes through, and which commands need a second person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Conflict, Forbidden

ANSWER_SECONDS = 60.0
"""A device that was sent a command answers within so long, in real seconds; what comes later still counts."""

READY = "commands.ready"
"""The subject on which gateways are told that a device has a command waiting."""

LONGEST = timedelta(days=7)
"""A command waits no longer than this for its device to connect."""


class Effect(StrEnum):
    """What a command does."""

    READ = "read"
    TUNE = "tune"
    ACT = "act"

    @property
    def needs_approval(self) -> bool:
        return self is Effect.ACT


class State(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    SENT = "sent"
    OK = "ok"
    FAILED = "failed"
    UNANSWERED = "unanswered"
    EXPIRED = "expired"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.ASKED: frozenset({State.APPROVED, State.REFUSED, State.WITHDRAWN, State.EXPIRED}),
    State.APPROVED: frozenset({State.SENT, State.FAILED, State.WITHDRAWN, State.EXPIRED}),
    # Back to APPROVED where the connection had gone before the command was written.
    State.SENT: frozenset({State.APPROVED, State.OK, State.FAILED, State.UNANSWERED}),
    State.UNANSWERED: frozenset({State.OK, State.FAILED}),
    State.REFUSED: frozenset(),
    State.WITHDRAWN: frozenset(),
    State.OK: frozenset(),
    State.FAILED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""A command is sent once: what was sent and not answered is not sent again, for the device may have done it."""

ENDED = frozenset(State) - {State.ASKED, State.APPROVED, State.SENT}


@dataclass(frozen=True)
class DeviceCommand:
    """One command. `key` is the name under which the device answers, unique for the device."""

    id: str
    device_id: str
    name: str
    arguments: Mapping[str, Any]
    key: str
    effect: Effect
    state: State
    reason: str
    asked_by: str
    asked_by_name: str
    asked_at: datetime
    expires_at: datetime
    division_code: str
    unit_id: str | None
    sent_at: datetime | None = None
    answer_until: datetime | None = None
    ended_at: datetime | None = None
    answer: Mapping[str, Any] | None = None

    def require(self, state: State) -> None:
        """Raise Conflict where the command cannot pass into the state."""
        if state not in TRANSITIONS[self.state]:
            raise Conflict("command_state", id=self.id, state=str(self.state), wanted=str(state))

    def require_second_person(self, person_id: str) -> None:
        """Raise Forbidden where the person is the one who asked."""
        if person_id == self.asked_by:
            raise Forbidden("command_own", id=self.id)


@dataclass(frozen=True)
class Step:
    """One line of a command's record."""

    seq: int
    at: datetime
    state: State
    actor_id: str
    actor_name: str
    detail: Mapping[str, Any]


def effect_of(name: str, class_code: str) -> Effect:
    """What the command does to a device of the class; one that the data file does not name acts."""
    data = _effects()
    of_class = data["classes"].get(class_code, {})
    return Effect(of_class.get(name) or data["commands"].get(name) or Effect.ACT)


def key_at(moment: datetime) -> str:
    """17 digits, the moment in UTC+8 to the millisecond: what HJ 212 wants of a QN, and fit for the others."""
    local = moment.astimezone(CST)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}"


@cache
def _effects() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(
        files("chengnao.sensing.commands").joinpath("effects.yaml").read_text("utf-8")
    )
    return data
