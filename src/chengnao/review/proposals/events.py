"""What happened to proposals."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@dataclass(frozen=True, kw_only=True)
class ProposalEvent(DomainEvent):
    """`subject` is the proposal; `state` as it is after what happened."""

    number: str
    kind: str
    about: str
    origin: str
    state: str
    actor: str


@domain_event("proposal.made")
@dataclass(frozen=True, kw_only=True)
class ProposalMade(ProposalEvent):
    pass


@domain_event("proposal.decided")
@dataclass(frozen=True, kw_only=True)
class ProposalDecided(ProposalEvent):
    """Also where one in force was withdrawn."""
