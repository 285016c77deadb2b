"""A2A: a card and a JSON-RPC endpoint for each agent in use. A task is a run; its id is the run's."""

import hashlib
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.server.routes.common import ServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.types.a2a_pb2 import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    Task,
)
from a2a.utils.constants import AGENT_CARD_WELL_KNOWN_PATH, PROTOCOL_VERSION_CURRENT
from a2a.utils.errors import (
    A2AError,
    InternalError,
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from google.protobuf.json_format import MessageToDict, ParseDict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.model import Agent
from chengnao.agents.outside.counter import WAIT_SECONDS, Counter, Told
from chengnao.agents.outside.guard import principal_of
from chengnao.agents.runtime.model import By, RunState
from chengnao.kernel.access.model import Principal
from chengnao.kernel.errors import ChengnaoError, Conflict, Invalid, NotFound

log = logging.getLogger(__name__)

BODY_LIMIT = 2**20
_STATES = {
    RunState.QUEUED: "TASK_STATE_SUBMITTED",
    RunState.RUNNING: "TASK_STATE_WORKING",
    RunState.WAITING: "TASK_STATE_AUTH_REQUIRED",
    RunState.DONE: "TASK_STATE_COMPLETED",
    RunState.FAILED: "TASK_STATE_FAILED",
    RunState.CANCELLED: "TASK_STATE_CANCELED",
}


class A2aServer:
    """The endpoints of all agents; an agent that the caller may not use is not there."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._dispatcher = JsonRpcDispatcher(_Tasks(counter), _Contexts())

    @property
    def routes(self) -> list[Route]:
        return [
            Route(f"/a2a/{{agent_id}}{AGENT_CARD_WELL_KNOWN_PATH}", self._card, methods=["GET"]),
            Route("/a2a/{agent_id}/", self._call, methods=["POST"]),
        ]

    async def _card(self, request: Request) -> Response:
        try:
            version = await self._counter.agent(principal_of(request), request.path_params["agent_id"])
        except ChengnaoError as error:
            return _refusal(error)
        return JSONResponse(agent_card_to_dict(card(version, str(request.base_url))))

    async def _call(self, request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_LIMIT:
            size = int(length) if length.isdigit() else -1
            return _refusal(ChengnaoError("too_large", size=size, limit=BODY_LIMIT), 413)
        try:
            await self._counter.agent(principal_of(request), request.path_params["agent_id"])
        except ChengnaoError as error:
            return _refusal(error)
        return await self._dispatcher.handle_requests(request)


def _refusal(error: ChengnaoError, status: int | None = None) -> JSONResponse:
    return JSONResponse({"error": error.to_dict()}, status or error.status)


class _Contexts(ServerCallContextBuilder):
    def build(self, request: Request) -> ServerCallContext:
        state = {
            "principal": principal_of(request),
            "agent_id": request.path_params["agent_id"],
            "headers": dict(request.headers),  # the protocol's version is read from them
        }
        return ServerCallContext(state=state)


class _Tasks(RequestHandler):
    """Tasks as runs: what the protocol asks for, answered from what the platform keeps of its runs anyway."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    async def on_message_send(self, params: SendMessageRequest, context: ServerCallContext) -> Task | Message:
        principal, agent_id = _who(context)
        try:
            version = await self._counter.agent(principal, agent_id)
            given = _input(version.definition, params.message)
            name = f"{agent_id}\n{params.message.message_id}".encode()
            key = f"a2a:{hashlib.sha256(name).hexdigest()[:48]}" if params.message.message_id else None
            seconds = 0.0 if params.configuration.return_immediately else WAIT_SECONDS
            told = await self._counter.ask(principal, agent_id, given, key=key, seconds=seconds)
        except ChengnaoError as error:
            raise _error(error) from error
        return task(told)

    async def on_get_task(self, params: GetTaskRequest, context: ServerCallContext) -> Task | None:
        principal, agent_id = _who(context)
        try:
            return task(await self._own(principal, agent_id, params.id))
        except ChengnaoError as error:
            raise _error(error) from error

    async def on_cancel_task(self, params: CancelTaskRequest, context: ServerCallContext) -> Task | None:
        principal, agent_id = _who(context)
        try:
            await self._own(principal, agent_id, params.id)
            return task(await self._counter.cancel(principal, params.id))
        except ChengnaoError as error:
            raise _error(error) from error

    async def _own(self, principal: Principal, agent_id: str, run_id: str) -> Told:
        told = await self._counter.told(principal, run_id)
        if told.run.agent_id != agent_id:
            raise NotFound("not_found", kind="运行 run", id=run_id)
        return told

    async def on_list_tasks(self, params: ListTasksRequest, context: ServerCallContext) -> ListTasksResponse:
        raise UnsupportedOperationError

    def on_message_send_stream(
        self, params: SendMessageRequest, context: ServerCallContext
    ) -> AsyncGenerator[Any, None]:
        raise UnsupportedOperationError

    def on_subscribe_to_task(self, params: Any, context: ServerCallContext) -> AsyncGenerator[Any, None]:
        raise UnsupportedOperationError

    async def on_create_task_push_notification_config(self, params: Any, context: ServerCallContext) -> Any:
        raise PushNotificationNotSupportedError

    async def on_get_task_push_notification_config(self, params: Any, context: ServerCallContext) -> Any:
        raise PushNotificationNotSupportedError

    async def on_list_task_push_notification_configs(self, params: Any, context: ServerCallContext) -> Any:
        raise PushNotificationNotSupportedError

    async def on_delete_task_push_notification_config(self, params: Any, context: ServerCallContext) -> None:
        raise PushNotificationNotSupportedError

    async def on_get_extended_agent_card(self, params: Any, context: ServerCallContext) -> AgentCard:
        raise UnsupportedOperationError


def _who(context: ServerCallContext) -> tuple[Principal, str]:
    return context.state["principal"], context.state["agent_id"]


def _error(error: ChengnaoError) -> A2AError:
    kinds: Mapping[type[ChengnaoError], type[A2AError]] = {
        NotFound: TaskNotFoundError,
        Conflict: TaskNotCancelableError if error.code == "agent_run_ended" else InvalidParamsError,
        Invalid: InvalidParamsError,
    }
    return kinds.get(type(error), InternalError)(message=str(error), data={"code": error.code})


def _input(agent: Agent, message: Message) -> dict[str, Any]:
    """What the message gives to the agent: an object as data, or a text where the input is one text.

    Raises Invalid for anything else.
    """
    parts = [MessageToDict(each) for each in message.parts]
    data = [_whole(each["data"]) for each in parts if "data" in each]
    texts = [each["text"] for each in parts if "text" in each]
    if len(data) == 1 and isinstance(data[0], dict) and not texts:
        return cast("dict[str, Any]", data[0])
    named = agent.input.get("required") or list(agent.input["properties"])
    only = named[0] if len(named) == 1 else None
    if texts and not data and only and agent.input["properties"][only].get("type") == "string":
        return {only: "\n".join(texts)}
    raise Invalid("outside_message", agent=agent.id, fields=", ".join(agent.input["properties"]))


def _whole(value: Any) -> Any:
    """Protobuf knows no whole numbers: those that are whole become so again."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value


def task(told: Told) -> Task:
    """The run as a task: its answer as an artifact, what it waits for as the state's message."""
    run, shown = told.run, told.to_dict()
    status: dict[str, Any] = {"state": _STATES[run.state]}
    if note := _note(told):
        status["message"] = {
            "messageId": f"{run.id}-{run.state}",
            "taskId": run.id,
            "contextId": run.id,
            "role": "ROLE_AGENT",
            "parts": [{"text": note}],
        }
    whole: dict[str, Any] = {
        "id": run.id,
        "contextId": run.id,
        "status": status,
        "metadata": {"trace_id": run.trace_id, "approvals": shown["approvals"], "error": shown["error"]},
    }
    if run.result is not None:
        about = {name: shown[name] for name in ("evidence", "confidence", "by", "ai_label")}
        answer = {"artifactId": "answer", "name": "answer", "parts": [{"data": run.result}], "metadata": about}
        whole["artifacts"] = [answer]
    return cast("Task", ParseDict(whole, Task()))


def _note(told: Told) -> str:
    run = told.run
    if run.state is RunState.WAITING:
        return "等待人工审批：" + "、".join(each.tool for each in told.approvals)
    if run.by is By.HUMAN:
        return f"已转人工处理（{run.role}）"
    return str((run.error or {}).get("message", ""))


def card(version: AgentVersion, address: str) -> AgentCard:
    """The card of an agent; `address` is the beginning of the URL it is served at, with its slash."""
    agent = version.definition
    purpose = agent.purpose if isinstance(agent.purpose, str) else agent.purpose.zh
    skill = {
        "id": agent.id,
        "name": agent.name.zh,
        "description": purpose,
        "tags": [agent.capability.value, agent.kind],
    }
    return cast(
        "AgentCard",
        ParseDict(
            {
                "name": agent.name.zh,
                "description": f"{purpose}（{agent.name.en}）",
                "version": str(version.version),
                "supportedInterfaces": [
                    {
                        "url": f"{address}a2a/{agent.id}/",
                        "protocolBinding": "JSONRPC",
                        "protocolVersion": PROTOCOL_VERSION_CURRENT,
                    }
                ],
                "capabilities": {"streaming": False, "pushNotifications": False},
                "defaultInputModes": ["application/json", "text/plain"],
                "defaultOutputModes": ["application/json"],
                "skills": [skill],
                "securitySchemes": {"bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}},
                "securityRequirements": [{"schemes": {"bearer": {"list": []}}}],
            },
            AgentCard(),
        ),
    )
