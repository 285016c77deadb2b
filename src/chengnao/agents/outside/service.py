"""Use cases of outside tool servers. None of them commits."""

from typing import Any

from chengnao.agents.tools import Tool
from chengnao.kernel.database import UnitOfWork


async def outside_tools(uow: UnitOfWork) -> dict[str, Tool[Any, Any]]:
    return {}
