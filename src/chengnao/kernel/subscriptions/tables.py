"""Tables of subscriptions and deliveries. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class SubscriptionRow(Owned, Base):
    __tablename__ = "event_subscriptions"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    url: Mapped[str]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    types: Mapped[list[str]] = mapped_column(JSONB)
    filters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    failing_since: Mapped[datetime | None]
    last_error: Mapped[str | None]


class DeliveryRow(Base):
    __tablename__ = "event_deliveries"
    __table_args__ = (
        UniqueConstraint("subscription_id", "event_id"),
        Index(None, "subscription_id", "subject", "sequence", postgresql_where=text("state = 'waiting'")),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=True)
    subscription_id: Mapped[str] = mapped_column(ForeignKey("event_subscriptions.id", ondelete="CASCADE"))
    event_id: Mapped[str]
    subject: Mapped[str]
    envelope: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str]
    attempts: Mapped[int]
    made_at: Mapped[datetime]
    next_at: Mapped[datetime]
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    last_error: Mapped[str | None]
