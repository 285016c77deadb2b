"""The `models` process: the gateway, the models that are deployed, and training jobs."""

import asyncio

from chengnao.kernel.health import Heartbeat
from chengnao.kernel.settings import Settings


async def run(settings: Settings) -> None:
    """Serve until cancelled."""
    async with Heartbeat(settings.home, "models") as heartbeat:
        heartbeat.ready = True
        await asyncio.Event().wait()
