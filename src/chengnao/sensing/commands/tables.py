from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class CommandRow(Owned, Base):
    __tablename__ = "device_commands"
    __table_args__ = (UniqueConstraint("device_id", "key"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    name: Mapped[str]
    arguments: Mapped[dict[str, Any]] = mapped_column(JSONB)
    key: Mapped[str]
    effect: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    asked_by: Mapped[str]
    asked_by_name: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    answer_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB)


class CommandStepRow(Base):
    __tablename__ = "device_command_steps"

    command_id: Mapped[str] = mapped_column(ForeignKey("device_commands.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    state: Mapped[str]
    actor_id: Mapped[str]
    actor_name: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
