"""The tables of deployments. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base


class DeploymentRow(Base):
    __tablename__ = "model_deployments"

    name: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(index=True)
    version: Mapped[str]
    replicas: Mapped[int]
    canary_version: Mapped[str | None]
    canary_share: Mapped[float]
    earlier_version: Mapped[str | None]
    state: Mapped[str]
    threads: Mapped[int | None]
    revision: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    updated_by_name: Mapped[str]


class DeploymentMoveRow(Base):
    __tablename__ = "model_deployment_moves"
    __table_args__ = (Index(None, "deployment", "at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    deployment: Mapped[str]
    action: Mapped[str]
    after: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    by: Mapped[str]
    by_name: Mapped[str]


class ReplicaRow(Base):
    __tablename__ = "model_replicas"

    id: Mapped[str] = mapped_column(primary_key=True)
    node: Mapped[str] = mapped_column(index=True)
    deployment: Mapped[str] = mapped_column(index=True)
    version: Mapped[str]
    state: Mapped[str]
    port: Mapped[int | None]
    pid: Mapped[int | None]
    process_started: Mapped[float | None]
    restarts: Mapped[int]
    memory_mb: Mapped[float | None]
    detail: Mapped[dict[str, Any] | None]
    since: Mapped[datetime]
