"""The table of merges. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class MergeRow(Base):
    """What became one, by whom and why, and all that is needed to take it apart again."""

    __tablename__ = "incident_merges"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"), index=True)
    report_id: Mapped[str | None] = mapped_column(ForeignKey("incident_reports.id"), index=True)
    into_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    probability: Mapped[float | None]
    reasons: Mapped[dict[str, Any]]
    kept: Mapped[dict[str, Any]]
    by: Mapped[str]
    by_name: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by_name: Mapped[str | None]
