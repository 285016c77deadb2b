from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class DeviceRow(Base, Owned):
    __tablename__ = "devices"
    __table_args__ = (
        Index("ix_devices_place", "lon", "lat"),
        UniqueConstraint("protocol", "address", name="uq_devices_address"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    class_code: Mapped[str] = mapped_column(index=True)
    protocol: Mapped[str]
    address: Mapped[str | None]
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    place_ok: Mapped[bool]
    interval_seconds: Mapped[int]
    faults: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    points: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    # Real time of the database server: gateways ask for what has changed since they last asked.
    updated_at: Mapped[datetime] = mapped_column(
        index=True, server_default=func.clock_timestamp(), onupdate=func.clock_timestamp()
    )
