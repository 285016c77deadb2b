"""What happened to reviews."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@dataclass(frozen=True, kw_only=True)
class ReviewEvent(DomainEvent):
    """`subject` is the review."""

    number: str
    title: str
    incident_ids: list[str]


@domain_event("review.opened")
@dataclass(frozen=True, kw_only=True)
class ReviewOpened(ReviewEvent):
    """Also when a further incident was added to it."""

    occasions: list[str]


@domain_event("review.finished")
@dataclass(frozen=True, kw_only=True)
class ReviewFinished(ReviewEvent):
    actor: str
