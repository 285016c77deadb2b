"""Looks at the outside tool servers again and again: what their tools are, and whether they answer."""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from chengnao.agents.outside.mcp_client import describe
from chengnao.agents.outside.model import ToolServer
from chengnao.agents.outside.repository import ServerRepository
from chengnao.agents.outside.service import headers_of
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.settings import Settings

log = logging.getLogger(__name__)

SECONDS = 1.0
"""Between two looks at the table, so that a new server is looked at soon."""

EVERY = timedelta(seconds=60)
"""Of real time between two looks at a server."""

_AT_ONCE = 4


class Watch:
    """Looks at all active servers of the platform."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._home = settings.home
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.step()
            except (SQLAlchemyError, OSError) as error:
                log.warning("tool servers are not looked at for now: %s", error)
            await asyncio.sleep(SECONDS)

    async def step(self) -> None:
        """Look at the servers whose time has come."""
        every = EVERY * self._database.clock.speed
        async with self._database.unit_of_work() as uow:
            now = uow.clock.now()
            servers = await ServerRepository(uow.session).active()
        due = [each for each in servers if each.looked_at is None or now - each.looked_at >= every]
        await asyncio.gather(*(self._look(each) for each in due))

    async def _look(self, server: ToolServer) -> None:
        async with self._slots:
            error = None
            tools = []
            try:
                async with self._database.unit_of_work() as uow:
                    headers = await headers_of(uow, self._home, server.id)
                tools = await describe(server.id, server.url, headers)
            except ChengnaoError as refusal:
                error = refusal.to_dict()
            async with self._database.unit_of_work() as uow:
                repository = ServerRepository(uow.session)
                if error is None:
                    await repository.describe(server.id, tools)
                await repository.touched(server.id, uow.clock.now(), error)
                await uow.commit()
