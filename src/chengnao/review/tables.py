"""Tables of reviews. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class ReviewRow(Owned, Base):
    __tablename__ = "reviews"
    __table_args__ = (Index("reviews_by_state_and_time", "state", "opened_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    state: Mapped[str]
    occasions: Mapped[list[str]] = mapped_column(ARRAY(String))
    opened_at: Mapped[datetime]
    opened_by: Mapped[dict[str, Any]]
    causes: Mapped[list[Any]] = mapped_column(JSONB)
    lessons: Mapped[list[Any]] = mapped_column(JSONB)
    finished_at: Mapped[datetime | None]
    finished_by: Mapped[dict[str, Any] | None]
    version: Mapped[int]


class ReviewIncidentRow(Base):
    """The incidents that a review looks at, in the order in which they came to it."""

    __tablename__ = "review_incidents"

    review_id: Mapped[str] = mapped_column(ForeignKey("reviews.id"), primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True, index=True)
    seq: Mapped[int]
