"""What happened to runs and approvals. Times are ISO 8601, UTC."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@domain_event("agent.run_ended")
@dataclass(frozen=True, kw_only=True)
class RunEnded(DomainEvent):
    """`subject` is the run; `by` says who answered, `role` whom it was handed to."""

    agent_id: str
    state: str
    by: str | None
    role: str | None


@domain_event("approval.opened")
@dataclass(frozen=True, kw_only=True)
class ApprovalOpened(DomainEvent):
    """`subject` is the approval."""

    run_id: str
    agent_id: str
    tool: str
    effect: str
    expires_at: str


@domain_event("approval.decided")
@dataclass(frozen=True, kw_only=True)
class ApprovalDecided(DomainEvent):
    """`subject` is the approval."""

    run_id: str
    state: str
