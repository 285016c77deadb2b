"""The `models` process: the gateway, the models that are deployed, and training jobs."""

import asyncio
from contextlib import AsyncExitStack

from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.settings import Settings
from chengnao.models.deployment.manager import DeploymentManager
from chengnao.models.gateway.server import gateway
from chengnao.models.training.runner import Runner


async def run(settings: Settings) -> None:
    """Serve until cancelled."""
    database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed), pool_size=5)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        heartbeat = await stack.enter_async_context(Heartbeat(settings.home, "models"))
        deployments = DeploymentManager(settings.home, database)
        served = await stack.enter_async_context(gateway(settings, database, deployments))
        async with asyncio.TaskGroup() as group:
            group.create_task(deployments.run())
            group.create_task(served.server.serve_until_cancelled(heartbeat))
            group.create_task(_ended(served.duties))
            group.create_task(Runner(database, settings.home, at_once=settings.training_at_once).run())


async def _ended(duties: "asyncio.Task[None]") -> None:
    # A duty ends only by an error, and then the process must not pretend to work. The gateway itself ends them, after
    # the last call.
    await asyncio.shield(duties)
