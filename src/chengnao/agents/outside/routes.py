"""Outside tool servers over HTTP: registered by the operator, their tools judged one by one by a person."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Request
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from chengnao.agents.model import Effect
from chengnao.agents.outside import service
from chengnao.agents.outside.model import ServerTool, ToolServer, ToolState
from chengnao.agents.outside.repository import ServerRepository
from chengnao.kernel.access.model import Principal
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.web import ContextDep, Id, PageDep, PageOf, ScopeDep, UowDep, check, require

router = APIRouter(tags=["agents"])

Connector = Annotated[Principal, Depends(require("agent.connect"))]


def _plain_url(value: str) -> str:
    if "@" in value.split("/")[2]:
        raise ValueError("put secrets into headers, not into the address")
    return value


Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+", max_length=500), AfterValidator(_plain_url)]
Header = Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=r"^[\x20-\x7e]+$")]


class ServerIn(BaseModel):
    """`id` is part of the names that agents use: mcp.ID.TOOL. `headers` hold keys; they are sealed and never shown."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,29}$")]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    url: Url
    headers: Annotated[dict[Header, Header], Field(max_length=20)] = {}


class ServerOut(BaseModel):
    """`looked_at`: None until the first look; `error`: why the last one failed."""

    id: str
    name: str
    url: str
    active: bool
    created_at: datetime
    created_by_name: str
    looked_at: datetime | None
    error: dict[str, Any] | None

    @classmethod
    def of(cls, server: ToolServer) -> Self:
        return cls(**{name: getattr(server, name) for name in cls.model_fields})


class ServerToolOut(BaseModel):
    """A tool as described now, in a foreign server's words, and as it was when a person allowed it."""

    name: str
    full_name: str
    state: ToolState
    state_name: str
    description: str
    input_schema: dict[str, Any]
    digest: str
    effect: Effect
    allowed_description: str | None
    allowed_schema: dict[str, Any] | None
    decided_by_name: str | None
    decided_at: datetime | None

    @classmethod
    def of(cls, tool: ServerTool) -> Self:
        derived = {"state_name": tool.state.zh}
        return cls(**{name: getattr(tool, name) for name in cls.model_fields if name not in derived}, **derived)


@router.get("/tool-servers")
async def list_servers(principal: Connector, scope: ScopeDep, uow: UowDep, page: PageDep) -> PageOf[ServerOut]:
    """The servers of outside tools."""
    found = await ServerRepository(uow.session).servers(scope, page)
    return PageOf.of(found, [ServerOut.of(each) for each in found.items])


@router.post("/tool-servers", status_code=201)
async def register_server(
    body: ServerIn, request: Request, principal: Connector, uow: UowDep, context: ContextDep
) -> ServerOut:
    """Register a server; its tools are listed within seconds, and none of them is used before a person allows it."""
    await check(request, principal, "agent.connect", CITY, None)
    home = context.settings.home
    made = await service.register(uow, home, principal, body.id, body.name, body.url, body.headers)
    await uow.commit()
    return ServerOut.of(made)


class SwitchIn(BaseModel):
    active: bool = True


@router.post("/tool-servers/{server_id}/look")
async def look_at_server(
    server_id: Id, body: SwitchIn, request: Request, principal: Connector, uow: UowDep
) -> ServerOut:
    """Switch a server on or off; one that is on is looked at anew."""
    await check(request, principal, "agent.connect", CITY, None)
    server = await service.look_again(uow, principal, server_id, active=body.active)
    await uow.commit()
    return ServerOut.of(server)


@router.delete("/tool-servers/{server_id}", status_code=204)
async def remove_server(server_id: Id, request: Request, principal: Connector, uow: UowDep) -> None:
    """Forget a server; what was allowed of it is allowed no more."""
    await check(request, principal, "agent.connect", CITY, None)
    await service.remove(uow, principal, server_id)
    await uow.commit()


@router.get("/tool-servers/{server_id}/tools")
async def list_server_tools(
    server_id: Id, request: Request, principal: Connector, scope: ScopeDep, uow: UowDep
) -> list[ServerToolOut]:
    """The tools of a server and how each stands."""
    await check(request, principal, "agent.connect", CITY, None)
    await service.require_server(uow, scope, server_id)
    return [ServerToolOut.of(each) for each in await ServerRepository(uow.session).tools(server_id)]


class DecisionIn(BaseModel):
    """`digest`: of the description that was read; `effect`: what the tool does to the world, outward in doubt."""

    allowed: bool
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    effect: Effect = Effect.OUTWARD


@router.put("/tool-servers/{server_id}/tools/{tool_name}")
async def decide_tool(
    server_id: Id, tool_name: Id, body: DecisionIn, request: Request, principal: Connector, uow: UowDep
) -> ServerToolOut:
    """Allow a tool as it is described now, or not; it is suspended as soon as its description changes."""
    await check(request, principal, "agent.connect", CITY, None)
    kept = await service.decide(
        uow, principal, server_id, tool_name, body.digest, allowed=body.allowed, effect=body.effect
    )
    await uow.commit()
    return ServerToolOut.of(kept)
