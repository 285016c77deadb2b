from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class DeviceImportRow(Owned, Base):
    """A file of devices that was handed in, and how far it is."""

    __tablename__ = "device_imports"

    id: Mapped[str] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    digest: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    crs: Mapped[str]
    dry_run: Mapped[bool]
    rows: Mapped[int | None]
    added: Mapped[int]
    changed: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[int]
    errors: Mapped[int]
    columns: Mapped[dict[str, Any]]
    unknown: Mapped[list[str]] = mapped_column(ARRAY(String))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(index=True)
    created_by: Mapped[str]
    created_by_name: Mapped[str]
    finished_at: Mapped[datetime | None]
    attempts: Mapped[int]


class DeviceImportErrorRow(Base):
    """What is wrong with one cell of such a file."""

    __tablename__ = "device_import_errors"

    import_id: Mapped[str] = mapped_column(ForeignKey("device_imports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sheet: Mapped[str]
    row: Mapped[int]
    cell: Mapped[str]
    column: Mapped[str]
    value: Mapped[str]
    code: Mapped[str]
    params: Mapped[dict[str, Any]]
