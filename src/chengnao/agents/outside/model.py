"""Outside tool servers, and what a person has allowed of them. Pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from chengnao.agents.model import Effect
from chengnao.kernel.vocabulary import Named

DESCRIPTION_LIMIT = 1_000
"""Characters of a foreign description that are kept: shown to people, told to models, trusted by nobody."""

SCHEMA_LIMIT = 16_000
"""Characters of a foreign input schema as JSON; a tool with a longer one is not taken."""


class ToolState(Named):
    """How an outside tool stands."""

    NEW = "new", "待审查", "to be judged"
    ALLOWED = "allowed", "已允许", "allowed"
    BARRED = "barred", "未允许", "not allowed"
    SUSPENDED = "suspended", "已暂停（说明有变）", "suspended: its description has changed"
    GONE = "gone", "服务端已撤下", "withdrawn by its server"


@dataclass(frozen=True)
class ToolServer:
    """A server of tools that the operator has registered; its headers stay sealed."""

    id: str
    name: str
    url: str
    active: bool
    division_code: str
    unit_id: str | None
    created_at: datetime
    created_by_name: str
    looked_at: datetime | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Described:
    """A tool as its server describes it now: untrusted text."""

    name: str
    description: str
    input_schema: dict[str, Any]

    @property
    def digest(self) -> str:
        """Changes with every change of what a person or a model would read."""
        whole = [self.name, self.description, self.input_schema]
        return hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True)
class ServerTool:
    """A tool of a server: as described now, and as a person judged it."""

    server_id: str
    name: str
    description: str
    input_schema: dict[str, Any]
    digest: str
    present: bool
    allowed: bool
    effect: Effect
    allowed_digest: str | None = None
    allowed_description: str | None = None
    allowed_schema: dict[str, Any] | None = None
    decided_by_name: str | None = None
    decided_at: datetime | None = None

    @property
    def full_name(self) -> str:
        """The name that agents use."""
        return f"mcp.{self.server_id}.{self.name}"

    @property
    def state(self) -> ToolState:
        if not self.present:
            return ToolState.GONE
        if self.decided_at is None:
            return ToolState.NEW
        if not self.allowed:
            return ToolState.BARRED
        return ToolState.ALLOWED if self.digest == self.allowed_digest else ToolState.SUSPENDED
