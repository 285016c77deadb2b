"""Tables of imports. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class ImportRow(Owned, Base):
    __tablename__ = "report_imports"

    id: Mapped[str] = mapped_column(primary_key=True)
    file_name: Mapped[str]
    digest: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    channel: Mapped[str]
    crs: Mapped[str]
    mode: Mapped[str]
    default_division: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    created_by: Mapped[str]
    created_by_name: Mapped[str]
    created_by_kind: Mapped[str]
    finished_at: Mapped[datetime | None]
    historic: Mapped[bool]
    sheets: Mapped[list[Any]] = mapped_column(JSONB)
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    attempts: Mapped[int]


class ImportedRowRow(Base):
    """A row of a file, kept whatever became of it; its cells are sealed."""

    __tablename__ = "report_import_rows"
    __table_args__ = (
        Index("report_import_rows_by_state", "import_id", "state", "number"),
        # Whatever is tried at the same moment: a case is taken in once.
        Index("report_import_rows_once", "key", unique=True, postgresql_where=text("state = 'accepted'")),
    )

    import_id: Mapped[str] = mapped_column(ForeignKey("report_imports.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sheet: Mapped[str]
    row: Mapped[int]
    state: Mapped[str]
    sealed: Mapped[bytes]
    errors: Mapped[list[Any]] = mapped_column(JSONB)
    odd: Mapped[list[str]] = mapped_column(ARRAY(String))
    key: Mapped[str | None]
    report_id: Mapped[str | None]
    incident_id: Mapped[str | None] = mapped_column(index=True)
    reason: Mapped[str | None]
    changed_by: Mapped[str | None]
