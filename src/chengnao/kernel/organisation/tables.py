from datetime import date, datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class DivisionRow(Base):
    __tablename__ = "divisions"

    code: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    valid_to: Mapped[date | None]
    name: Mapped[str]
    tier: Mapped[str]
    kind: Mapped[str]
    zone: Mapped[str]
    parent_code: Mapped[str | None] = mapped_column(index=True)
    successor_codes: Mapped[list[str]] = mapped_column(ARRAY(String))
    label_lon: Mapped[float | None]
    label_lat: Mapped[float | None]


class UnitRow(Base):
    __tablename__ = "units"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    division_code: Mapped[str] = mapped_column(index=True)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("units.id"))
    phone: Mapped[str]
    capacity: Mapped[int | None]


class DutyRow(Base):
    __tablename__ = "duties"

    id: Mapped[str] = mapped_column(primary_key=True)
    unit_id: Mapped[str] = mapped_column(ForeignKey("units.id"), index=True)
    user_id: Mapped[str] = mapped_column(index=True)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
