"""The table of content reviews. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class ContentReviewRow(Owned, Base):
    __tablename__ = "content_reviews"

    id: Mapped[str] = mapped_column(primary_key=True)
    text: Mapped[str]
    channel: Mapped[str]
    ai_generated: Mapped[bool]
    passed: Mapped[bool]
    issues: Mapped[dict[str, Any]]
    state: Mapped[str]
    asked_by: Mapped[str]
    asked_by_name: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    appeal: Mapped[str]
    appealed_at: Mapped[datetime | None]
    decision: Mapped[str]
    decided_by: Mapped[str | None]
    decided_by_name: Mapped[str | None]
    decided_at: Mapped[datetime | None]
