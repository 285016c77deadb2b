from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class ProviderRow(Base):
    __tablename__ = "model_providers"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    base_url: Mapped[str]
    enabled: Mapped[bool]
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class RouteRow(Base):
    __tablename__ = "model_routes"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    targets: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    seconds: Mapped[float]
    answer_tokens: Mapped[int]
    version: Mapped[int]
    updated_at: Mapped[datetime]


class BudgetRow(Base, Owned):
    __tablename__ = "model_budgets"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    key_id: Mapped[str | None]
    route: Mapped[str | None]
    period: Mapped[str]
    requests: Mapped[int | None] = mapped_column(BigInteger)
    tokens: Mapped[int | None] = mapped_column(BigInteger)
    money: Mapped[int | None] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]


class WindowRow(Base):
    """What one period of a budget has spent, and what is reserved for calls under way."""

    __tablename__ = "model_budget_windows"

    budget_id: Mapped[str] = mapped_column(ForeignKey("model_budgets.id", ondelete="CASCADE"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(primary_key=True)
    spent_requests: Mapped[int] = mapped_column(BigInteger)
    spent_tokens: Mapped[int] = mapped_column(BigInteger)
    spent_money: Mapped[int] = mapped_column(BigInteger)
    reserved_requests: Mapped[int] = mapped_column(BigInteger)
    reserved_tokens: Mapped[int] = mapped_column(BigInteger)
    reserved_money: Mapped[int] = mapped_column(BigInteger)


class KeyRow(Base, Owned):
    __tablename__ = "model_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_hash: Mapped[str] = mapped_column(unique=True)
    hint: Mapped[str]
    routes: Mapped[list[str] | None] = mapped_column(JSONB(none_as_null=True))
    data_class: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class HoldRow(Base):
    """The worst case of a call under way; `windows` are the periods of budgets that it is reserved in."""

    __tablename__ = "model_holds"

    id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str]
    at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    division_code: Mapped[str]
    unit_id: Mapped[str | None]
    key_id: Mapped[str | None]
    purpose: Mapped[str]
    trace: Mapped[str]
    route: Mapped[str]
    data_class: Mapped[str]
    requests: Mapped[int] = mapped_column(BigInteger)
    tokens: Mapped[int] = mapped_column(BigInteger)
    money: Mapped[int] = mapped_column(BigInteger)
    windows: Mapped[list[Any]] = mapped_column(JSONB)


class CallRow(Base, Owned):
    """A call that has ended, as it is metered; written with what it spends."""

    __tablename__ = "model_calls"

    id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    key_id: Mapped[str | None]
    purpose: Mapped[str]
    trace: Mapped[str] = mapped_column(index=True)
    route: Mapped[str]
    target: Mapped[str]
    model: Mapped[str]
    data_class: Mapped[str]
    requests: Mapped[int]
    tokens_in: Mapped[int] = mapped_column(BigInteger)
    tokens_out: Mapped[int] = mapped_column(BigInteger)
    money: Mapped[int] = mapped_column(BigInteger)
    milliseconds: Mapped[int]
    outcome: Mapped[str]
    retries: Mapped[int]
    estimated: Mapped[bool]


class TextRow(Base):
    """Prompt and answer of a call, sealed; kept as long as its class allows."""

    __tablename__ = "model_texts"
    __table_args__ = (Index("ix_model_texts_data_class_at", "data_class", "at"),)

    call_id: Mapped[str] = mapped_column(primary_key=True)
    data_class: Mapped[str]
    at: Mapped[datetime]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class RetentionRow(Base):
    __tablename__ = "model_retention"

    data_class: Mapped[str] = mapped_column(primary_key=True)
    days: Mapped[int]
    updated_at: Mapped[datetime]
