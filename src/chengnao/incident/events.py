"""What happened to incidents and tasks. Times are ISO 8601, UTC."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@dataclass(frozen=True, kw_only=True)
class IncidentEvent(DomainEvent):
    """`subject` is the incident; the rest is its state after what happened."""

    number: str
    title: str
    category: str
    grade: int
    state: str
    entry: int
    version: int
    due_at: str | None
    escalation: int
    lon: float | None
    lat: float | None


@domain_event("incident.opened")
@dataclass(frozen=True, kw_only=True)
class IncidentOpened(IncidentEvent):
    source: str


@domain_event("incident.changed")
@dataclass(frozen=True, kw_only=True)
class IncidentChanged(IncidentEvent):
    action: str
    from_state: str
    actor: str
    reason: str


@domain_event("task.changed")
@dataclass(frozen=True, kw_only=True)
class TaskChanged(DomainEvent):
    """`subject` is the task."""

    incident_id: str
    number: str
    title: str
    seq: int
    role: str
    state: str
    """A State, or `withdrawn`."""
    grade: int
