from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class DraftRow(Owned, Base):
    """A letter or a recording. Its file lies sealed under its digest; what was read in it is sealed here."""

    __tablename__ = "drafts"

    id: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    digest: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    created_by: Mapped[str]
    created_by_name: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    read_until: Mapped[datetime | None]
    problem: Mapped[dict[str, Any] | None]
    engine: Mapped[str | None]
    pages: Mapped[int | None]
    seconds: Mapped[float | None]
    confidence: Mapped[float | None]
    sealed: Mapped[bytes | None]
    report_id: Mapped[str | None] = mapped_column(ForeignKey("incident_reports.id"), index=True)
    ended_by_name: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int]
