"""The `agents` process: runs agents, and lets outside clients use them by MCP and A2A."""

import asyncio

from chengnao.kernel.health import Heartbeat
from chengnao.kernel.settings import Settings


async def run(settings: Settings) -> None:
    """Serve until cancelled."""
    async with Heartbeat(settings.home, "agents") as heartbeat:
        heartbeat.ready = True
        await asyncio.Event().wait()
