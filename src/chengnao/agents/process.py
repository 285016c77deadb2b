"""The `agents` process: runs agents, and lets outside clients use them by MCP and A2A."""

import asyncio

from chengnao.agents.runtime.executor import Runs
from chengnao.agents.runtime.loop import Loop
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.settings import Settings
from chengnao.models.client import ModelClient


async def run(settings: Settings) -> None:
    """Serve until cancelled."""
    database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed), pool_size=20)
    async with Heartbeat(settings.home, "agents") as heartbeat, ModelClient(settings) as client:
        runs = Runs(database, Loop(database, settings, Authority.load(), client))
        try:
            await runs.launch()
            heartbeat.ready = True
            async with asyncio.TaskGroup() as group:
                group.create_task(runs.run())
                group.create_task(_tell(heartbeat, runs))
        finally:
            await runs.close()
            await database.close()


async def _tell(heartbeat: Heartbeat, runs: Runs) -> None:
    while True:
        heartbeat.detail = f"runs under way: {runs.under_way}"
        await asyncio.sleep(1.0)
