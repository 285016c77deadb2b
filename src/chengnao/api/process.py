"""The `web` process."""

import asyncio
import logging

import uvicorn

from chengnao.api.app import create_app
from chengnao.incident.classification.service import understand_text
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.serving import Server
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import Context
from chengnao.sensing.readings.store import ReadingsStore

log = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Serve the API and the console until cancelled."""
    clock = load_clock(settings.home, settings.clock_speed)
    database = Database.connect(database_url(settings), clock)
    bus = await Bus.connect(settings, "web")
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    app = create_app(Context(settings, clock, database, bus, Authority.load()), store)
    server = Server(
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
        warming = asyncio.create_task(_warm(database, settings))
        try:
            await server.serve_until_cancelled(heartbeat)
        finally:
            warming.cancel()
            await bus.close()
            await database.close()


async def _warm(database: Database, settings: Settings) -> None:
    """Load what understanding a text needs, some seconds' worth, before the first caller waits for it."""
    try:
        async with database.unit_of_work() as uow:
            await understand_text(uow, settings.home, "解放碑昨天晚上路灯不亮", uow.clock.now())
    except Exception as error:
        log.warning("the first text will wait a little: %s", error)
