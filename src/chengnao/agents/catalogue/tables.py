"""Tables of the agent catalogue. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class AgentRow(Owned, Base):
    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    builtin: Mapped[bool]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    created_by_name: Mapped[str]
    latest_version: Mapped[int]
    published_version: Mapped[int | None]
    published_at: Mapped[datetime | None]
    published_by: Mapped[str | None]
    retired_at: Mapped[datetime | None]


class AgentVersionRow(Base):
    """Never changed and never deleted: a trigger of the database sees to it."""

    __tablename__ = "agent_versions"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str]
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)  # JSONB would lose the order of properties
    author: Mapped[str]
    author_name: Mapped[str]
    at: Mapped[datetime]
    note: Mapped[str]


class AgentPublicationRow(Base):
    __tablename__ = "agent_publications"

    id: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id"), index=True)
    step: Mapped[str]
    version: Mapped[int | None]
    previous: Mapped[int | None]
    by: Mapped[str]
    by_name: Mapped[str]
    at: Mapped[datetime]
    note: Mapped[str]
    score: Mapped[float | None]
    eval_run_id: Mapped[str | None]
    waived: Mapped[str | None]


class AgentShareRow(Base):
    """`kind`: unit or division; a division stands for all that lies in it."""

    __tablename__ = "agent_shares"

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True, index=True)
