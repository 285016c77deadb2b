"""The process that owns the readings' files."""

import asyncio
import logging
import os

import uvicorn

from chengnao.kernel.health import Heartbeat
from chengnao.kernel.serving import Server
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.sensing.store.engine import Engine
from chengnao.sensing.store.http import StoreApplication

log = logging.getLogger(__name__)

_MEMORY = 1024 * 2**20
_SECONDS_TO_FINISH = 8
_SECONDS_BETWEEN_CHECKS = 5
_SECONDS_TO_HANG = 90


async def run(settings: Settings) -> None:
    """Serve ClickHouse's HTTP interface on loopback until cancelled; then finish what is under way."""
    secrets = load_secrets(settings.home)
    engine = Engine(settings.home / "store", _MEMORY)
    async with Heartbeat(settings.home, "store") as heartbeat:
        await asyncio.to_thread(engine.open)
        application = StoreApplication(engine, secrets.store_user, secrets.store_password, engine.folder)
        server = Server(
            uvicorn.Config(
                application,
                host="127.0.0.1",
                port=settings.port("store"),
                lifespan="off",
                access_log=False,
                server_header=False,
                log_level="warning",
                timeout_keep_alive=120,
                timeout_graceful_shutdown=_SECONDS_TO_FINISH,
            )
        )
        watching = asyncio.ensure_future(_end_when_stuck(application))
        try:
            heartbeat.detail = f"ClickHouse {engine.version}"
            await server.serve_until_cancelled(heartbeat)
        finally:
            watching.cancel()
            await asyncio.to_thread(application.close)
            engine.close()


async def _end_when_stuck(application: StoreApplication) -> None:
    """A start takes a second and loses nothing acknowledged; an engine that hangs would stop the city's readings."""
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_CHECKS)
        try:
            await application.check(_SECONDS_TO_HANG)
        except TimeoutError:
            log.critical("the engine has not answered for %d s; the process ends to be started again", _SECONDS_TO_HANG)
            os._exit(os.EX_SOFTWARE)
