"""MCP server: the agents and the tools that a client may use, by streamable HTTP."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from starlette.types import Receive, Scope, Send

from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.model import Agent, Effect
from chengnao.agents.outside.counter import WAIT_SECONDS, Counter, shown_name
from chengnao.agents.outside.guard import principal_of
from chengnao.agents.tools import Tool as PlatformTool
from chengnao.kernel.access.model import Principal
from chengnao.kernel.errors import ChengnaoError

IDLE_SECONDS = 600.0
"""A session without a request for so long is dropped; its client begins a new one."""

SESSIONS = 500
BODY_LIMIT = 2**20
KEY = "chengnao/idempotency-key"
"""In `_meta` of a call: a call that is sent again with the same key is made once and gives the first answer."""

RESULT = "chengnao_result"
_INSTRUCTIONS = (
    "城脑的智能体与工具。agent_ 开头的是智能体。返回 state=waiting 表示需要人工审批，"
    f"之后用 {RESULT} 按 id 取结果。 / Agents and tools of Chengnao. Names that begin with agent_ are agents. "
    f"state=waiting: a person has to decide; fetch the result later by id with {RESULT}."
)


class McpServer:
    """One MCP server with its sessions; `run` it before it handles requests."""

    def __init__(self, counter: Counter, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._counter = counter
        server: Server[Any] = Server(
            "chengnao",
            title="城脑 Chengnao",
            instructions=_INSTRUCTIONS,
            on_list_tools=self._list,
            on_call_tool=self._call,
        )
        self._sessions = StreamableHTTPSessionManager(
            server,
            json_response=True,
            session_idle_timeout=idle_seconds,
            max_request_body_size=BODY_LIMIT,
            max_sessions=SESSIONS,
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Keep sessions while this is entered."""
        async with self._sessions.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        principal: Principal = scope["state"]["principal"]
        # A session belongs to whom its first request spoke for: nobody else can go on with it.
        token = AccessToken(token="-", client_id=principal.id, scopes=[])  # noqa: S106 - the guard has seen the real one
        scope["user"] = AuthenticatedUser(token)
        await self._sessions.handle_request(scope, receive, send)

    async def _list(self, context: ServerRequestContext[Any], params: PaginatedRequestParams | None) -> ListToolsResult:
        principal = principal_of(context.request)
        agents = [_agent_tool(each) for each in await self._counter.agents(principal)]
        tools = [_platform_tool(each) for each in (await self._counter.tools(principal)).values()]
        # The list is this principal's: no cache between two of them may keep it.
        return ListToolsResult(tools=[*agents, *tools, _RESULT_TOOL], cache_scope="private")

    async def _call(self, context: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        try:
            principal = principal_of(context.request)
            key = (context.meta or {}).get(KEY)
            answer = await self._answer(principal, params.name, params.arguments or {}, str(key) if key else None)
        except ChengnaoError as error:
            return _result({"error": error.to_dict()}, is_error=True)
        return _result(answer, is_error=answer.get("state") == "failed")

    async def _answer(
        self, principal: Principal, name: str, arguments: Mapping[str, Any], key: str | None
    ) -> dict[str, Any]:
        if name == RESULT:
            told = await self._counter.wait(principal, str(arguments.get("id", "")), WAIT_SECONDS)
            return told.to_dict()
        if name.startswith(_AGENT):
            asked = await self._counter.ask(principal, name.removeprefix(_AGENT), dict(arguments), key=key)
            return asked.to_dict()
        return await self._counter.call(principal, await self._counter.tool(principal, name), arguments, key=key)


_AGENT = "agent_"


def _agent_tool(version: AgentVersion) -> Tool:
    agent = version.definition
    return Tool(
        name=f"{_AGENT}{agent.id}",
        title=agent.name.zh,
        description=f"{_purpose(agent)}（{agent.name.en}）",
        input_schema=agent.input,
        annotations=ToolAnnotations(read_only_hint=agent.effects_allowed() == {Effect.READ}),
    )


def _purpose(agent: Agent) -> str:
    return agent.purpose if isinstance(agent.purpose, str) else agent.purpose.zh


def _platform_tool(tool: PlatformTool[Any, Any]) -> Tool:
    waits = "" if tool.effect is Effect.READ else "（需人工审批，先返回 waiting）"
    return Tool(
        name=shown_name(tool),
        title=tool.zh,
        description=tool.description + waits,
        input_schema=tool.input.model_json_schema(),
        annotations=ToolAnnotations(read_only_hint=tool.effect is Effect.READ),
    )


_RESULT_TOOL = Tool(
    name=RESULT,
    title="取结果",
    description="按 id 取一次运行或待审批调用的结果 / The result of a run, or of a call that was waiting, by its id",
    input_schema={
        "type": "object",
        "properties": {"id": {"type": "string", "description": "id of the earlier answer"}},
        "required": ["id"],
    },
    annotations=ToolAnnotations(read_only_hint=True),
)


def _result(answer: dict[str, Any], *, is_error: bool) -> CallToolResult:
    text = json.dumps(answer, ensure_ascii=False)
    return CallToolResult(content=[TextContent(text=text)], structured_content=answer, is_error=is_error)
