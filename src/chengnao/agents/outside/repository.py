"""All SQL over outside tool servers and their tools."""

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.agents.model import Effect
from chengnao.agents.outside.model import Described, ServerTool, ToolServer
from chengnao.agents.outside.tables import ServerToolRow, ToolServerRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository


class ServerRepository(Repository):
    async def add(self, server: ToolServer, headers: bytes | None) -> bool:
        """Keep a new server; False where the id is taken."""
        values = asdict(server) | {"headers": headers}
        statement = insert(ToolServerRow).values(**values).on_conflict_do_nothing().returning(ToolServerRow.id)
        return await self.session.scalar(statement) is not None

    async def change(self, server_id: str, **values: Any) -> None:
        await self.session.execute(update(ToolServerRow).where(ToolServerRow.id == server_id).values(**values))

    async def drop(self, server_id: str) -> None:
        await self.session.execute(delete(ToolServerRow).where(ToolServerRow.id == server_id))

    async def get(self, scope: Scope, server_id: str) -> ToolServer | None:
        """Locked for this transaction."""
        query = select(ToolServerRow).where(ToolServerRow.id == server_id, scope.where(ToolServerRow))
        row = await self.session.scalar(query.with_for_update().execution_options(populate_existing=True))
        return None if row is None else _server(row)

    async def headers(self, server_id: str) -> bytes | None:
        return await self.session.scalar(select(ToolServerRow.headers).where(ToolServerRow.id == server_id))

    async def servers(self, scope: Scope, request: PageRequest) -> Page[ToolServer]:
        query = select(ToolServerRow).where(scope.where(ToolServerRow)).order_by(ToolServerRow.id)
        return (await self.page(query, request)).map(_server)

    async def active(self) -> list[ToolServer]:
        """The servers that are looked at, of the whole platform."""
        query = select(ToolServerRow).where(ToolServerRow.active).order_by(ToolServerRow.id)
        return [_server(row) for row in await self.session.scalars(query)]

    async def describe(self, server_id: str, tools: Sequence[Described]) -> None:
        """Bring the tools to what their server says now; what it does not name any more is marked as gone."""
        await self.session.execute(
            update(ServerToolRow).where(ServerToolRow.server_id == server_id).values(present=False)
        )
        for each in tools:
            now = {
                "description": each.description,
                "input_schema": each.input_schema,
                "digest": each.digest,
                "present": True,
            }
            new = {"server_id": server_id, "name": each.name, "allowed": False, "effect": Effect.OUTWARD.value} | now
            statement = insert(ServerToolRow).values(**new)
            await self.session.execute(statement.on_conflict_do_update(index_elements=["server_id", "name"], set_=now))

    async def decide(self, server_id: str, name: str, **values: Any) -> None:
        condition = (ServerToolRow.server_id == server_id, ServerToolRow.name == name)
        await self.session.execute(update(ServerToolRow).where(*condition).values(**values))

    async def tool(self, server_id: str, name: str) -> ServerTool | None:
        row = await self.session.get(ServerToolRow, (server_id, name), populate_existing=True)
        return None if row is None else _tool(row)

    async def tools(self, server_id: str) -> list[ServerTool]:
        query = select(ServerToolRow).where(ServerToolRow.server_id == server_id).order_by(ServerToolRow.name)
        rows = await self.session.scalars(query.execution_options(populate_existing=True))
        return [_tool(row) for row in rows]

    async def allowed(self) -> list[tuple[ToolServer, ServerTool]]:
        """The tools that a person's leave holds for, of servers that are active."""
        query = (
            select(ToolServerRow, ServerToolRow)
            .join(ServerToolRow, ServerToolRow.server_id == ToolServerRow.id)
            .where(ToolServerRow.active, ServerToolRow.allowed, ServerToolRow.present)
            .where(ServerToolRow.digest == ServerToolRow.allowed_digest)
        )
        return [(_server(server), _tool(tool)) for server, tool in (await self.session.execute(query)).all()]

    async def touched(self, server_id: str, at: datetime, error: dict[str, Any] | None) -> None:
        """Note that the server was looked at, and how that went."""
        await self.change(server_id, looked_at=at, error=error)


def _server(row: ToolServerRow) -> ToolServer:
    return ToolServer(**{each.name: getattr(row, each.name) for each in fields(ToolServer)})


def _tool(row: ServerToolRow) -> ServerTool:
    values = {each.name: getattr(row, each.name) for each in fields(ServerTool)}
    return ServerTool(**values | {"effect": Effect(row.effect)})
