"""Clients across the border, and the HTTP application of the `agents` process on a real socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

from chengnao.agents.catalogue import publishing
from chengnao.agents.catalogue import service as catalogue
from chengnao.agents.model import Agent
from chengnao.agents.offered import Offered
from chengnao.agents.outside.app import create_app
from chengnao.kernel.access import service as access
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role, User
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import Database
from chengnao.kernel.ids import new_id
from chengnao.kernel.serving import Server
from chengnao.kernel.settings import Settings
from tests.support.agents import RULES, TOOLS
from tests.support.ports import free_block

AUTHORITY = Authority.load()


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """The application on a port of its own; gives its address."""
    port = free_block()
    server = Server(uvicorn.Config(app, port=port, log_level="warning", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def door(database: Database, settings: Settings, **options: Any) -> AsyncIterator[str]:
    """The platform's door to outside clients; gives its address."""
    async with listening(create_app(database, settings, AUTHORITY, **options)) as address:
        yield address


async def enrol(database: Database, role: Role, division: str, unit: str | None = None) -> tuple[Principal, str]:
    """A person with an account, and the secret of a client that speaks for it."""
    async with database.unit_of_work() as uow:
        user = User(new_id(), f"{role}-{new_id()[-6:]}", f"{role}", frozenset({role}), division, unit)
        await AccessRepository(uow.session).add_user(user, "no password")
        _, secret = await access.create_client_token(uow, user.principal, "桌面助手", 30)
        await uow.commit()
    return user.principal, secret


async def publish(database: Database, by: Principal, agent: Agent) -> None:
    """Make the agent and put its first version into use."""
    offer = Offered(TOOLS, RULES)
    async with database.unit_of_work() as uow:
        version = await catalogue.create(uow, AUTHORITY, by, agent, offer)
        await publishing.publish(uow, AUTHORITY, by, agent.id, version.version, offer)
        await uow.commit()


@asynccontextmanager
async def mcp_client(address: str, secret: str, **options: Any) -> AsyncIterator[Client]:
    """The SDK's own client, with the token in its headers."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{address}/mcp", http_client=http)
        async with Client(transport, **options) as client:
            yield client
