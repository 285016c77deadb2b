from datetime import date, datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class UpkeepRow(Base):
    """What somebody did to a device."""

    __tablename__ = "device_upkeep"
    __table_args__ = (Index("ix_device_upkeep_device", "device_id", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str]
    note: Mapped[str]
    person: Mapped[str]
    next_due: Mapped[date | None]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]


class CredentialRow(Base):
    """A device's own secret, as a digest."""

    __tablename__ = "device_credentials"

    id: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[str] = mapped_column(index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    revoked_at: Mapped[datetime | None]
