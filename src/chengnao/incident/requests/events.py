"""What happened to requests for more time. Times are ISO 8601, UTC."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@domain_event("request.asked")
@dataclass(frozen=True, kw_only=True)
class RequestAsked(DomainEvent):
    """`subject` is the request."""

    incident_id: str
    kind: str
    decide_by: str
