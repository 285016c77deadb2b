"""What agents can use at this moment: the modules' tools and rules, and the tools of outside servers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chengnao.agents.outside.service import outside_tools
from chengnao.agents.tools import Rule, Tool, rules, tools
from chengnao.kernel.database import UnitOfWork


@dataclass(frozen=True)
class Offered:
    """Tools and rules by name."""

    tools: Mapping[str, Tool[Any, Any]]
    rules: Mapping[str, Rule]


async def offered(uow: UnitOfWork) -> Offered:
    """All tools and rules; a tool of an outside server is among them while a person's leave for it holds."""
    return Offered({**tools(), **await outside_tools(uow)}, rules())
