from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class EdgeRow(Base, Owned):
    __tablename__ = "edges"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    place: Mapped[str]
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    token_id: Mapped[str] = mapped_column(ForeignKey("tokens.id"), unique=True)
    registered_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    silent: Mapped[bool]
    ended_at: Mapped[datetime | None]
    status: Mapped[dict[str, Any]] = mapped_column(JSONB)
    wanted: Mapped[dict[str, Any]] = mapped_column(JSONB)
    wanted_revision: Mapped[int]
    wanted_version: Mapped[str | None]
    readings: Mapped[int] = mapped_column(BigInteger)


class EdgeProgressRow(Base):
    """How far the records of one edge's log have come."""

    __tablename__ = "edge_progress"

    edge_id: Mapped[str] = mapped_column(ForeignKey("edges.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[str] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)


class EdgeHistoryRow(Base):
    __tablename__ = "edge_history"
    __table_args__ = (Index("ix_edge_history_edge", "edge_id", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    edge_id: Mapped[str] = mapped_column(ForeignKey("edges.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
