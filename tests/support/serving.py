"""The API and a gateway on real sockets, in the test's own process, over the engines of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from chengnao.api.app import create_app
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Role
from chengnao.kernel.access.service import create_token
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.serving import Server
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import Context
from chengnao.sensing.gateways.http import HttpGateway
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.registry import TokenCache
from chengnao.sensing.readings.store import ReadingsStore


class Served:
    """The platform as programs of others reach it."""

    def __init__(self, settings: Settings, database: Database, store: ReadingsStore) -> None:
        self.address = f"http://127.0.0.1:{settings.port('web')}"
        self.database = database
        self.store = store

    async def token(self, role: Role, division: str = "500103", unit: str | None = None) -> str:
        """The secret of a new machine."""
        async with self.database.unit_of_work() as uow:
            _, secret = await create_token(uow, name=role, role=role, division_code=division, unit_id=unit)
            await uow.commit()
        return secret


@asynccontextmanager
async def served(settings: Settings, database: Database, bus: Bus, intake: Intake) -> AsyncIterator[Served]:
    """Both listening, until the block ends."""
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    await store.ensure_schema()
    app = create_app(Context(settings, database.clock, database, bus, Authority.load()), store)
    async with AsyncExitStack() as stack:
        for each, port in (
            (app, settings.port("web")),
            (HttpGateway(intake, TokenCache(database)).app, settings.port("gateway")),
        ):
            await stack.enter_async_context(_listening(each, port))
        yield Served(settings, database, store)
    await store.close()


@asynccontextmanager
async def _listening(app: ASGIApp, port: int) -> AsyncIterator[None]:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off")
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done(), f"port {port} cannot be listened on"
        await asyncio.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving
