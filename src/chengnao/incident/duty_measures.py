"""What brings incidents before a leader, as the repository finds it. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chengnao.incident.model import Action, Incident, TimelineEntry
from chengnao.incident.requests.model import TimeRequest


@dataclass(frozen=True)
class Repetition:
    """From so many incidents of one category on, so near to each other, within so many days."""

    count: int
    metres: float
    days: int


@dataclass(frozen=True)
class DutyCase:
    """An incident that a leader has to see to."""

    incident: Incident
    reasons: tuple[str, ...]
    request: TimeRequest | None
    """The one that waits for a decision."""
    nearby: int
    """Incidents of its category around it, itself among them; 0 where they are no repetition."""


@dataclass(frozen=True)
class Urge:
    """An urge, and what another person did first after it."""

    incident: Incident
    entry: TimelineEntry
    answer: TimelineEntry | None

    @property
    def said(self) -> str | None:
        """The answer in words."""
        if self.answer is None:
            return None
        names = {action.value: action.zh for action in Action}
        words = (names.get(self.answer.action, self.answer.action), self.answer.reason, self.answer.data.get("result"))
        return "：".join(each for each in words if each)


class Part(StrEnum):
    """One number of a weekly letter."""

    DISPATCHED = "dispatched"
    ACCEPT_DUE = "accept_due"
    ACCEPT_LATE = "accept_late"
    HANDLE_DUE = "handle_due"
    HANDLE_LATE = "handle_late"
    OVERDUE = "overdue"
    RETURNED = "returned"
    REWORKED = "reworked"
    REOPENED = "reopened"
    URGED = "urged"
    UNANSWERED = "unanswered"


@dataclass(frozen=True)
class LetterCase:
    """One case behind a number of a weekly letter."""

    unit_id: str
    """Empty where no unit held it."""
    incident_id: str
    number: str
    title: str
    grade: int
    at: datetime | None
    """When it began for the unit."""
    due: datetime | None
    done: datetime | None
    remark: str
