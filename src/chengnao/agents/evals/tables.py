"""Tables of evaluation sets and runs. Private to this package's repositories."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class EvalSetRow(Owned, Base):
    __tablename__ = "eval_sets"

    id: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id"), index=True)
    name: Mapped[str]
    name_en: Mapped[str]
    purpose: Mapped[str]
    created_at: Mapped[datetime]
    created_by_name: Mapped[str]
    digest: Mapped[str]


class EvalItemRow(Base):
    __tablename__ = "eval_items"

    set_id: Mapped[str] = mapped_column(ForeignKey("eval_sets.id"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    item: Mapped[dict[str, Any]]


class EvalRunRow(Owned, Base):
    __tablename__ = "eval_runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    set_id: Mapped[str] = mapped_column(ForeignKey("eval_sets.id"), index=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id"), index=True)
    versions: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    digests: Mapped[list[str]] = mapped_column(ARRAY(String))
    mode: Mapped[str]
    split: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    total: Mapped[int]
    done: Mapped[int]
    principal: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cancel: Mapped[bool]
    summary: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    leased_until: Mapped[datetime | None]
    """Until then, in real time, one process works on it."""


class EvalResultRow(Base):
    """An item as it was when the run was asked for, and what a version made of it."""

    __tablename__ = "eval_results"

    eval_run_id: Mapped[str] = mapped_column(ForeignKey("eval_runs.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    item: Mapped[dict[str, Any]]
    run_id: Mapped[str | None]
    score: Mapped[float | None]
    passed: Mapped[bool | None]
    reasons: Mapped[list[str]] = mapped_column(ARRAY(String))
    answer: Mapped[dict[str, Any] | None]
    by: Mapped[str | None]
    tokens: Mapped[int]
    money: Mapped[float]
    milliseconds: Mapped[int]
