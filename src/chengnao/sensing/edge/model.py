"""An edge gateway as the centre knows it: where it stands, what it last said of itself, what is wanted of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

SILENT_AFTER = timedelta(seconds=30)
"""An edge speaks every two seconds; one that has not for so long is silent. Real time, as lines are real."""
CLOCK_OFF_SECONDS = 60.0
NEARLY_FULL = 0.8
BEHIND_SECONDS = 600.0


class EdgeState(StrEnum):
    """How an edge is, the worst last."""

    NEVER = "never"
    GOOD = "good"
    ON_STANDBY = "on_standby"
    BEHIND = "behind"
    CLOCK_OFF = "clock_off"
    NEARLY_FULL = "nearly_full"
    SILENT = "silent"
    ENDED = "ended"


class Change(StrEnum):
    """What an edge's history tells of."""

    REGISTERED = "registered"
    STARTED = "started"
    SWITCHED = "switched"
    SILENT = "silent"
    BACK = "back"
    DROPPED = "dropped"
    WANTED = "wanted"
    APPLIED = "applied"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True)
class Edge:
    """One edge gateway. `status`: what it last said of itself; `wanted`: the tuning and version it is to have."""

    id: str
    name: str
    place: str
    lon: float | None
    lat: float | None
    division_code: str
    unit_id: str | None
    token_id: str
    registered_at: datetime
    seen_at: datetime | None = None
    silent: bool = False
    ended_at: datetime | None = None
    status: Mapping[str, Any] = field(default_factory=dict)
    wanted: Mapping[str, Any] = field(default_factory=dict)
    wanted_revision: int = 0
    wanted_version: str | None = None
    readings: int = 0
    """Readings that have come in through it."""

    def state(self, now: datetime) -> EdgeState:
        """The worst that is to be said of it."""
        if self.ended_at is not None:
            return EdgeState.ENDED
        if self.seen_at is None:
            return EdgeState.NEVER
        if now - self.seen_at > SILENT_AFTER:
            return EdgeState.SILENT
        buffer = self.status.get("buffer", {})
        if buffer.get("bytes", 0) > NEARLY_FULL * buffer.get("limit", 1):
            return EdgeState.NEARLY_FULL
        if abs(self.status.get("clock_offset", 0.0) or 0.0) > CLOCK_OFF_SECONDS:
            return EdgeState.CLOCK_OFF
        if (buffer.get("oldest_seconds") or 0.0) > BEHIND_SECONDS:
            return EdgeState.BEHIND
        return EdgeState.ON_STANDBY if self.status.get("line") == "standby" else EdgeState.GOOD


@dataclass(frozen=True)
class Happening:
    """One line of an edge's history."""

    id: str
    edge_id: str
    at: datetime
    kind: Change
    detail: Mapping[str, Any]
