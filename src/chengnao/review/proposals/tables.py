"""Tables of proposals. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class ProposalRow(Base):
    __tablename__ = "proposals"
    __table_args__ = (
        Index("proposals_by_state_and_time", "state", "made_at"),
        Index(
            "one_undecided_proposal_for_pattern",
            "pattern",
            unique=True,
            postgresql_where=text("state IN ('draft', 'replayed')"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    change: Mapped[dict[str, Any]]
    about: Mapped[str]
    key: Mapped[str]
    reason: Mapped[str]
    origin: Mapped[str]
    pattern: Mapped[str | None]
    state: Mapped[str]
    author: Mapped[dict[str, Any]]
    division_code: Mapped[str] = mapped_column(index=True)
    target_code: Mapped[str]
    made_at: Mapped[datetime]
    review_id: Mapped[str | None] = mapped_column(ForeignKey("reviews.id"), index=True)
    replay: Mapped[dict[str, Any] | None]
    progress: Mapped[dict[str, Any] | None]
    decision: Mapped[dict[str, Any] | None]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    withdrawal: Mapped[dict[str, Any] | None]
    version: Mapped[int]


class ProposalCaseRow(Owned, Base):
    """A past case as the last replay of a proposal judged it."""

    __tablename__ = "proposal_cases"
    __table_args__ = (Index("proposal_cases_by_outcome", "proposal_id", "outcome"),)

    proposal_id: Mapped[str] = mapped_column(ForeignKey("proposals.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    at: Mapped[datetime]
    incident_id: Mapped[str | None]
    title: Mapped[str]
    detail: Mapped[dict[str, Any]]
