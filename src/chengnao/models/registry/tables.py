"""The registry's tables. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class ModelRow(Base):
    __tablename__ = "models"

    id: Mapped[str] = mapped_column(primary_key=True)
    name_zh: Mapped[str]
    name_en: Mapped[str]
    kind: Mapped[str] = mapped_column(index=True)
    builtin: Mapped[bool]
    versions: Mapped[int]
    """Kept with the rows of versions, so that a list reads none of them."""
    latest: Mapped[str]
    created_at: Mapped[datetime]


class VersionRow(Base):
    __tablename__ = "model_versions"
    __table_args__ = (
        ForeignKeyConstraint(["model_id"], ["models.id"]),
        UniqueConstraint("model_id", "digest"),
        Index(None, "model_id", "created_at"),
    )

    model_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    format: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    folder: Mapped[str | None]
    card: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    created_by_name: Mapped[str]


class AliasRow(Base):
    __tablename__ = "model_aliases"
    __table_args__ = (
        ForeignKeyConstraint(["model_id", "version"], ["model_versions.model_id", "model_versions.version"]),
    )

    model_id: Mapped[str] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]


class AliasMoveRow(Base):
    __tablename__ = "model_alias_moves"
    __table_args__ = (Index(None, "model_id", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str]
    alias: Mapped[str]
    from_version: Mapped[str | None]
    to_version: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]
    by_name: Mapped[str]
    note: Mapped[str]


class ObservationRow(Base):
    __tablename__ = "model_observations"
    __table_args__ = (Index(None, "model_id", "version", "at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    model_id: Mapped[str]
    version: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    label: Mapped[str | None]
    confidence: Mapped[float | None]
    length: Mapped[int | None]
