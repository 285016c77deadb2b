"""What the gateways could not take in, kept so that a person can look at it and have it tried again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from chengnao.kernel.errors import Conflict
from chengnao.sensing.devices.model import Protocol


class Form(StrEnum):
    """What the kept bytes are."""

    FRAME = "frame"
    ROW = "row"
    MESSAGE = "message"


class State(StrEnum):
    WAITING = "waiting"
    REPLAY_REQUESTED = "replay_requested"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.WAITING: frozenset({State.REPLAY_REQUESTED, State.DISCARDED}),
    State.REPLAY_REQUESTED: frozenset({State.REPLAYED, State.WAITING}),
    State.REPLAYED: frozenset(),
    State.DISCARDED: frozenset(),
}
"""A replay that fails leads back to WAITING, with the new reason in `outcome`."""


@dataclass(frozen=True)
class Held:
    """One piece that was refused. `count` tells how many more like it came in the same minute and were not kept."""

    id: str
    source: Protocol
    peer: str
    device_hint: str
    reason: str
    params: Mapping[str, Any]
    payload: bytes
    form: Form
    state: State
    count: int
    division_code: str
    unit_id: str | None
    received_at: datetime
    updated_at: datetime
    outcome: Mapping[str, Any] | None = None
    handled_by: str | None = None

    def require(self, state: State) -> None:
        """Raise Conflict where the piece cannot pass into the state."""
        if state not in TRANSITIONS[self.state]:
            raise Conflict("quarantine_state", id=self.id, state=str(self.state), wanted=str(state))
