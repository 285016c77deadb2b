from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class DeviceRow(Base, Owned):
    __tablename__ = "devices"
    __table_args__ = (
        Index("ix_devices_place", "lon", "lat", postgresql_where=text("place_ok")),
        # A device that is gone leaves its address to the one that follows it.
        Index("ux_devices_address", "protocol", "address", unique=True, postgresql_where=text("life <> 'retired'")),
        Index("ix_devices_class", "class_code", "id"),
        Index("ix_devices_class_life", "class_code", "life"),
        Index("ix_devices_faulty", "id", postgresql_where=text("faults <> '[]'::jsonb")),
        Index("ix_devices_upkeep_due", "upkeep_due", postgresql_where=text("upkeep_due IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    class_code: Mapped[str]
    protocol: Mapped[str]
    address: Mapped[str | None]
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    place_ok: Mapped[bool]
    interval_seconds: Mapped[int]
    life: Mapped[str]
    owner: Mapped[str]
    vendor: Mapped[str]
    model: Mapped[str]
    serial: Mapped[str]
    upkeep_due: Mapped[date | None]
    faults: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    points: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    # Real time of the database server: gateways ask for what has changed since they last asked.
    updated_at: Mapped[datetime] = mapped_column(
        index=True, server_default=func.clock_timestamp(), onupdate=func.clock_timestamp()
    )


class PresenceRow(Base):
    """Whether a device is heard, as of the last look of those who watch all readings. Apart, since it changes often."""

    __tablename__ = "device_presence"
    __table_args__ = (Index("ix_device_presence_offline", "device_id", postgresql_where=text("NOT online")),)

    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    online: Mapped[bool]


class SearchRow(Base):
    """Every two characters that follow one another in what a device is searched by."""

    __tablename__ = "device_search"
    __table_args__ = (Index("ix_device_search_keys", "keys", postgresql_using="gin"),)

    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    keys: Mapped[list[str]] = mapped_column(ARRAY(String))
