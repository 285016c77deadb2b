"""What incidents, tasks and reports are counted by, for the evaluation. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from chengnao.incident.model import Incident, Task, TimelineEntry
from chengnao.kernel.access.model import Scope
from chengnao.kernel.vocabulary import Tier


class Subject(StrEnum):
    """What is counted."""

    INCIDENT = "incident"
    TASK = "task"
    REPORT = "report"


class Anchor(StrEnum):
    """The moment that puts a subject into a period."""

    OPENED = "opened"
    CLOSED = "closed"
    DISPATCHED = "dispatched"
    RECEIVED = "received"
    RATED = "rated"


By = Literal["unit", "tier", "category", "division", "channel", "day", "week", "month"]
"""What figures are grouped by: the unit that holds the work, its tier, the category, the district, the channel by
which the matter came in, or the day, week or month of the anchor."""


@dataclass(frozen=True)
class Span:
    """A period, and the moment at which it is looked at."""

    since: datetime
    until: datetime
    """Not included."""
    now: datetime


@dataclass(frozen=True)
class Rows:
    """Which subjects are looked at: those in the scope whose anchor lies in the period, perhaps of one category."""

    scope: Scope
    subject: Subject
    anchor: Anchor
    span: Span
    category: str | None = None


@dataclass(frozen=True)
class Grouping:
    by: By
    tiers: Mapping[str, Tier] = field(default_factory=dict)
    """The tier of each unit."""


@dataclass(frozen=True)
class Spread:
    """How long something took: seconds over `count` cases; `odd` ones, which took less than nothing, stand apart."""

    count: int = 0
    odd: int = 0
    median: float | None = None
    p90: float | None = None


@dataclass(frozen=True)
class Figures:
    """What was counted and measured in one group."""

    counts: dict[str, int]
    times: dict[str, Spread]


@dataclass(frozen=True)
class Case:
    """One subject behind a figure."""

    incident: Incident
    at: datetime
    """Its anchor."""
    task: Task | None = None
    tracking_number: str | None = None
    seconds: float | None = None
    """What a time measured."""


@dataclass(frozen=True)
class History:
    """An incident as its columns have it, and as its timeline tells it."""

    incident: Incident
    tasks: Sequence[Task]
    entries: Sequence[TimelineEntry]
