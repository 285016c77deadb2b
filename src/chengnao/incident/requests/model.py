"""A request for more time. Pure."""

from dataclasses import dataclass
from datetime import datetime

from chengnao.incident.model import Action
from chengnao.kernel.vocabulary import Named


class Kind(Named):
    EXTENSION = "extension", "延期", "extension"
    SUSPENSION = "suspension", "挂起", "suspension"

    @property
    def action(self) -> Action:
        """What is done to the incident when it is granted."""
        return Action.EXTEND if self is Kind.EXTENSION else Action.SUSPEND


class RequestState(Named):
    OPEN = "open", "待审批", "to be decided"
    GRANTED = "granted", "已同意", "granted"
    REFUSED = "refused", "未同意", "refused"
    LAPSED = "lapsed", "已失效", "lapsed"
    """The incident went on before it was decided."""


@dataclass(frozen=True)
class TimeRequest:
    id: str
    incident_id: str
    kind: Kind
    state: RequestState
    until: datetime
    reason: str
    division_code: str
    unit_id: str | None
    asked_by: str
    asked_by_name: str
    asked_at: datetime
    decide_by: datetime
    decider_code: str
    """The division whose desk decides; that of a tier above it may too."""
    decided_by_name: str | None = None
    decided_at: datetime | None = None
    decision: str | None = None
    """The reason that was given with it."""
