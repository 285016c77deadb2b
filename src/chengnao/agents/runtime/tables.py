"""The tables of runs. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class RunRow(Owned, Base):
    """One run of one version of an agent. What it was given and gave is sealed where its data is sensitive."""

    __tablename__ = "agent_runs"
    __table_args__ = (UniqueConstraint("asked_by", "key"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[str] = mapped_column(index=True)
    version: Mapped[int]
    digest: Mapped[str]
    # JSON, not JSONB: a model writes its answer in the order of the schema's properties, which JSONB would lose.
    definition: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Of a draft that is tried; None where the catalogue has it."""
    state: Mapped[str] = mapped_column(index=True)
    trial: Mapped[bool]
    data: Mapped[str]
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """`input`, `result`, `evidence`; None once they are sealed, or purged."""
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    by: Mapped[str | None]
    role: Mapped[str | None]
    """Of the person that it was handed to."""
    confidence: Mapped[float | None]
    error: Mapped[dict[str, Any] | None]
    reason: Mapped[dict[str, Any] | None]
    """Why the fallback answered."""
    model: Mapped[str | None]
    tokens: Mapped[int]
    money: Mapped[float]
    asked_by: Mapped[str]
    asked_by_name: Mapped[str]
    principal: Mapped[dict[str, Any]]
    key: Mapped[str | None]
    cancel: Mapped[bool]
    tries: Mapped[int]
    """How often it was begun since its last step."""
    feedback: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    purge_at: Mapped[datetime | None] = mapped_column(index=True)


class StepRow(Base):
    """One step of a run: its trace, and what it goes on from after a crash."""

    __tablename__ = "agent_steps"

    run_id: Mapped[str] = mapped_column(ForeignKey("agent_runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    at: Mapped[datetime]
    milliseconds: Mapped[int]
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """`input` and `output`; None once they are sealed, or purged."""
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    money: Mapped[float]
    model: Mapped[str | None]
    error: Mapped[dict[str, Any] | None]
    flags: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """Places in the data that read like instructions to the model."""


class ApprovalRow(Owned, Base):
    """A person's leave for one call with exactly these arguments, used once."""

    __tablename__ = "approvals"
    __table_args__ = (UniqueConstraint("run_id", "call_id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("agent_runs.id", ondelete="CASCADE"))
    call_id: Mapped[str]
    agent_id: Mapped[str]
    version: Mapped[int]
    tool: Mapped[str]
    effect: Mapped[str]
    arguments: Mapped[dict[str, Any] | None]
    """None where they are sealed, or purged."""
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    digest: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    asked_by: Mapped[str]
    asked_by_name: Mapped[str]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[str | None]
    decided_by_name: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    used_at: Mapped[datetime | None]


class ActRow(Base):
    """A call that was made, with its answer; kept in one transaction with what the call changed."""

    __tablename__ = "agent_acts"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    call_id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    answer: Mapped[dict[str, Any] | None]
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(index=True)
