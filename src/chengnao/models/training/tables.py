"""The table of training jobs. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class TrainingJobRow(Owned, Base):
    __tablename__ = "training_jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    config: Mapped[dict[str, Any]]
    limits: Mapped[dict[str, Any]]
    data: Mapped[dict[str, Any]]
    state: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    created_by_name: Mapped[str]
    queued_at: Mapped[datetime]
    attempts: Mapped[int]
    runner: Mapped[str | None]
    beat: Mapped[int] = mapped_column(BigInteger)
    progress: Mapped[dict[str, Any]]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    promoted_at: Mapped[datetime | None]
    promoted_by_name: Mapped[str | None]

    __table_args__ = (
        Index("training_jobs_by_state", "state", "queued_at"),
        Index("training_jobs_by_time", "created_at"),
    )
