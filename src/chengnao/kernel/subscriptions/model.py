"""Who wants which events, and when a delivery is tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chengnao.kernel.organisation.model import CITY

MAX_ATTEMPTS = 15
"""After so many tries, about four hours, an event is a dead letter and the next one of its subject goes out."""

LONGEST_WAIT = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=24)
"""A subscription to which nothing could be delivered for so long is disabled until a person enables it again."""


class SubscriptionState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True)
class Subscription:
    """`types` are names of events or beginnings such as `warning.*`; `filters` maps an attribute of the envelope, or
    `data.NAME`, to the values that are wanted."""

    id: str
    name: str
    url: str
    types: Sequence[str]
    filters: Mapping[str, Sequence[Any]]
    state: SubscriptionState
    division_code: str
    unit_id: str | None
    created_by: str
    created_at: datetime
    delivered_at: datetime | None = None
    failing_since: datetime | None = None
    last_error: str | None = None

    def wants(self, envelope: Mapping[str, Any]) -> bool:
        """Whether the event is one of those asked for, of the own division and unit."""
        if self.state is not SubscriptionState.ACTIVE:
            return False
        if self.division_code != CITY and not str(envelope["divisioncode"]).startswith(self.division_code):
            return False
        if self.unit_id is not None and envelope["unitid"] != self.unit_id:
            return False
        return any(matches(pattern, envelope["type"]) for pattern in self.types) and all(
            _attribute(envelope, name) in values for name, values in self.filters.items()
        )


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one subscriber."""

    sequence: int
    subscription_id: str
    event_id: str
    subject: str
    envelope: Mapping[str, Any]
    state: DeliveryState
    attempts: int
    made_at: datetime
    next_at: datetime
    ended_at: datetime | None = None
    last_error: str | None = None


@dataclass(frozen=True)
class Result:
    """How one try ended: `problem` empty where it was taken; `gone` where the receiver wants no more, ever."""

    problem: str = ""
    gone: bool = False
    retry_after: timedelta = field(default=timedelta())


def matches(pattern: str, event_type: str) -> bool:
    """Whether an event's type is the pattern or, for `warning.*`, begins like it."""
    return event_type == pattern or (pattern.endswith("*") and event_type.startswith(pattern[:-1]))


def wait_after(attempts: int, told: timedelta) -> timedelta:
    """How long to wait after so many tries: 1 s, twice as long each time, an hour at most; or as the receiver says."""
    return min(LONGEST_WAIT, max(told, timedelta(seconds=2.0 ** min(attempts - 1, 12))))


def outward(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The envelope as CloudEvents has it: an attribute without a value is left out."""
    return {key: value for key, value in envelope.items() if value is not None}


def _attribute(envelope: Mapping[str, Any], name: str) -> Any:
    head, _, rest = name.partition(".")
    return envelope.get("data", {}).get(rest) if head == "data" and rest else envelope.get(name)
