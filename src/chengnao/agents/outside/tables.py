"""Tables of outside tool servers. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class ToolServerRow(Owned, Base):
    __tablename__ = "tool_servers"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    url: Mapped[str]
    headers: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Sealed: they hold keys."""
    active: Mapped[bool]
    created_at: Mapped[datetime]
    created_by_name: Mapped[str]
    looked_at: Mapped[datetime | None]
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


class ServerToolRow(Base):
    """A tool as its server describes it, and as a person has allowed it."""

    __tablename__ = "server_tools"

    server_id: Mapped[str] = mapped_column(ForeignKey("tool_servers.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str]
    input_schema: Mapped[dict[str, Any]]
    digest: Mapped[str]
    present: Mapped[bool]
    allowed: Mapped[bool]
    effect: Mapped[str]
    allowed_digest: Mapped[str | None]
    allowed_description: Mapped[str | None]
    allowed_schema: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    decided_by_name: Mapped[str | None]
    decided_at: Mapped[datetime | None]
