from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class HeldRow(Base, Owned):
    __tablename__ = "quarantine"
    __table_args__ = (
        Index(
            "ix_quarantine_knocking",
            "source",
            "device_hint",
            postgresql_where=text("reason = 'unknown_device' AND state = 'waiting'"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(index=True)
    peer: Mapped[str]
    device_hint: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(index=True)
    params: Mapped[dict[str, Any]]
    payload: Mapped[bytes]
    form: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    count: Mapped[int]
    received_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    outcome: Mapped[dict[str, Any] | None]
    handled_by: Mapped[str | None]
