"""The HTTP application of the `agents` process: MCP and A2A behind one door."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from chengnao.agents.outside.a2a_server import A2aServer
from chengnao.agents.outside.counter import Counter
from chengnao.agents.outside.guard import Guard
from chengnao.agents.outside.mcp_server import IDLE_SECONDS, McpServer
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings


def create_app(
    database: Database, settings: Settings, authority: Authority, *, idle_seconds: float = IDLE_SECONDS
) -> Starlette:
    """The application; `idle_seconds`: how long an MCP session lives without a request."""
    counter = Counter(database, settings, authority)
    mcp = McpServer(counter, idle_seconds=idle_seconds)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with mcp.run():
            yield

    return Starlette(
        routes=[Route("/mcp", mcp, methods=["GET", "POST", "DELETE"]), *A2aServer(counter).routes],
        middleware=[Middleware(Guard, database, settings)],
        lifespan=lifespan,
    )
