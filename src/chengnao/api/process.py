"""The `web` process."""

import asyncio

import uvicorn

from chengnao.api.app import create_app
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import Context
from chengnao.sensing.readings.store import ReadingsStore


async def run(settings: Settings) -> None:
    """Serve the API and the console until cancelled."""
    clock = load_clock(settings.home, settings.clock_speed)
    database = Database.connect(database_url(settings), clock)
    bus = await Bus.connect(settings, "web")
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    app = create_app(Context(settings, clock, database, bus, Authority.load()), store)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port("web"),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=3,
        )
    )
    async with Heartbeat(settings.home, "web") as heartbeat:
        serving = asyncio.create_task(_serve(server))
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.05)
            heartbeat.ready = server.started
            await serving
        finally:
            server.should_exit = True
            await asyncio.gather(serving, return_exceptions=True)
            await bus.close()
            await database.close()


async def _serve(server: uvicorn.Server) -> None:
    # uvicorn would take over the signals that the process's own main answers to.
    await server._serve()
