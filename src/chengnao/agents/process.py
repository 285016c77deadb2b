"""The `agents` process: runs agents and evaluations, and lets outside clients use agents by MCP and A2A."""

import asyncio

import uvicorn

from chengnao.agents.evals.worker import EvalWorker
from chengnao.agents.runtime.executor import Runs
from chengnao.agents.runtime.loop import Loop
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.serving import Server
from chengnao.kernel.settings import Settings
from chengnao.models.client import ModelClient


async def run(settings: Settings) -> None:
    """Serve until cancelled."""
    # Imported here: the protocols' libraries take seconds that no other process of the platform should pay.
    from chengnao.agents.outside.app import create_app  # noqa: PLC0415
    from chengnao.agents.outside.watch import Watch  # noqa: PLC0415

    database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed))
    authority = Authority.load()
    server = Server(
        uvicorn.Config(
            create_app(database, settings, authority),
            host=settings.host,
            port=settings.port("agents"),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
        )
    )
    async with Heartbeat(settings.home, "agents") as heartbeat, ModelClient(settings) as client:
        runs = Runs(database, Loop(database, settings, authority, client))
        try:
            await runs.launch()
            async with asyncio.TaskGroup() as group:
                group.create_task(runs.run())
                group.create_task(EvalWorker(database, settings).run())
                group.create_task(Watch(database, settings).run())
                group.create_task(server.serve_until_cancelled(heartbeat))
                group.create_task(_tell(heartbeat, runs))
        finally:
            await runs.close()
            await database.close()


async def _tell(heartbeat: Heartbeat, runs: Runs) -> None:
    while True:
        heartbeat.detail = f"runs under way: {runs.under_way}"
        await asyncio.sleep(1.0)
