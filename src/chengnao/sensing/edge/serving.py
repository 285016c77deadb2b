"""What edges are served by the centre's gateway, on the port where readings come in: `/edge/...` with their token."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chengnao.kernel.access.model import Role, Scope
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from chengnao.sensing.commands import service as commands
from chengnao.sensing.commands.repository import CommandRepository
from chengnao.sensing.devices.snapshot_repository import SnapshotRepository
from chengnao.sensing.edge import service
from chengnao.sensing.edge.model import Change, Edge, Happening
from chengnao.sensing.edge.receiving import EdgeTokens, Receiver
from chengnao.sensing.edge.records import unpack_all
from chengnao.sensing.edge.repository import EdgeRepository
from chengnao.sensing.edge.service import real_now
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.registry import Tokens, may_write
from chengnao.sensing.protocols.shape import Receipt

M = TypeVar("M", bound=BaseModel)

MAX_RECORDS = 6 * 2**20
_MAX_TOLD = 256 * 1024
_MAX_WAITING = 500
_MARK_SECONDS = 10.0


class _Told(BaseModel):
    """One thing that happened at the edge. `id` makes it safe to tell again."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=8, max_length=64)
    at: datetime
    kind: Change
    detail: dict[str, Any] = {}


class _Answer(BaseModel):
    """What a device answered to a command."""

    device: str = Field(max_length=64)
    key: str = Field(max_length=64)
    ok: bool
    detail: dict[str, Any] = {}


class Hello(BaseModel):
    """What an edge says of itself every two seconds."""

    model_config = ConfigDict(extra="ignore")

    epoch: str = Field(min_length=1, max_length=64)
    at: datetime
    status: dict[str, Any]
    told: list[_Told] = Field([], max_length=500)


class _Marks:
    """What the registry of each scope stands at, looked up now and then for all edges of the scope together."""

    def __init__(self) -> None:
        self._known: dict[Scope, tuple[float, str, str]] = {}

    async def of(self, uow: UnitOfWork, scope: Scope, *, now: bool = False) -> str:
        """The mark; `now`: as of this moment, not of up to ten seconds ago."""
        at, written, content = self._known.get(scope, (-_MARK_SECONDS, "", ""))
        if not now and time.monotonic() - at < _MARK_SECONDS:
            return content
        repository = SnapshotRepository(uow.session)
        newest = await repository.mark(scope)
        if newest != written:
            content = await repository.content(scope)
        self._known[scope] = (time.monotonic(), newest, content)
        return content


class EdgeService:
    """The routes; one for each gateway process."""

    def __init__(self, intake: Intake, tokens: Tokens, database: Database) -> None:
        self._intake = intake
        self._tokens = tokens
        self._database = database
        self._edges = EdgeTokens(database)
        self._receiver = Receiver(intake, database)
        self._marks = _Marks()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/edge/hello", self._hello, methods=["POST"]),
            Route("/edge/records", self._records, methods=["POST"]),
            Route("/edge/registry", self._registry, methods=["GET"]),
            Route("/edge/token", self._token, methods=["POST"]),
            Route("/edge/commands", self._claim, methods=["POST"]),
            Route("/edge/commands/{command_id}/unsent", self._unsent, methods=["POST"]),
            Route("/edge/receipts", self._receipts, methods=["POST"]),
        ]

    @asynccontextmanager
    async def _unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        try:
            async with self._database.unit_of_work() as uow:
                yield uow
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable("database_unavailable") from error

    async def _edge(self, request: Request) -> Edge:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Unauthenticated("token_missing")
        principal = await self._tokens.principal(secret.strip())
        if principal is None:
            raise Forbidden("token_refused")
        edge = await self._edges.edge(principal.id)
        if edge is None or edge.ended_at is not None:
            raise Forbidden("edge_unknown")
        return edge

    async def _hello(self, request: Request) -> Response:
        known = await self._edge(request)
        hello = _parsed(Hello, await _body(request, _MAX_TOLD))
        now = real_now()
        status = hello.status | {"clock_offset": round((hello.at - now).total_seconds(), 3)}
        async with self._unit_of_work() as uow:
            repository = EdgeRepository(uow.session)
            edge = await service.require_edge(uow, Scope(), known.id, lock=True)
            told = [Happening(each.id, edge.id, each.at, each.kind, each.detail) for each in hello.told]
            await service.hear(uow, edge, status, told)
            sequence = await repository.progress(edge.id, hello.epoch)
            mark = await self._marks.of(uow, _scope(edge))
            waiting = await CommandRepository(uow.session).waiting_devices()
            await uow.commit()
        return _json(
            {
                "edge": {"id": edge.id, "name": edge.name},
                "time": now,
                "sequence": sequence,
                "registry": mark,
                "wanted": edge.wanted,
                "wanted_revision": edge.wanted_revision,
                "wanted_version": edge.wanted_version,
                "commands": sorted(device for device in waiting if self._is_of(device, edge))[:_MAX_WAITING],
            }
        )

    async def _records(self, request: Request) -> Response:
        edge = await self._edge(request)
        epoch = request.headers.get("x-edge-epoch", "")[:64]
        if not epoch:
            raise Invalid(
                "invalid_value", field="X-Edge-Epoch", value="", reason_zh="不能为空", reason_en="it is missing"
            )
        body = await _body(request, MAX_RECORDS)
        records = await asyncio.to_thread(unpack_all, body)
        taken = await self._receiver.take(edge, epoch, records)
        return _json(asdict(taken))

    async def _registry(self, request: Request) -> Response:
        """All devices of the edge's scope; a 304 where they are those that the edge has."""
        edge = await self._edge(request)
        async with self._unit_of_work() as uow:
            mark = await self._marks.of(uow, _scope(edge), now=True)
            if request.headers.get("if-none-match") == mark:
                return Response(status_code=304)
            devices = await SnapshotRepository(uow.session).all(_scope(edge))
        body = await asyncio.to_thread(
            orjson.dumps,
            {"mark": mark, "division_code": edge.division_code, "unit_id": edge.unit_id, "devices": devices},
            default=str,
        )
        return Response(body, media_type="application/json", headers={"ETag": mark})

    async def _token(self, request: Request) -> Response:
        """Whether a machine that speaks to the edge may: asked by the hash of its secret."""
        await self._edge(request)
        digest = str(_object(await _body(request, 4096)).get("digest", ""))[:64]
        async with self._unit_of_work() as uow:
            token = await AccessRepository(uow.session).token_of(digest, real_now())
        if token is None or token.role is not Role.GATEWAY:
            return _json({"token": None})
        shown = {"id": token.id, "name": token.name, "division_code": token.division_code, "unit_id": token.unit_id}
        return _json({"token": shown})

    async def _claim(self, request: Request) -> Response:
        """The next command of a device that is connected to the edge, which is now taken as sent."""
        edge = await self._edge(request)
        device = str(_object(await _body(request, 4096)).get("device", ""))
        if not self._is_of(device, edge):
            raise NotFound("not_found", kind="设备 device", id=device[:64])
        async with self._unit_of_work() as uow:
            command = await commands.claim(uow, device)
            await uow.commit()
        if command is None:
            return _json({"command": None})
        given = {"id": command.id, "key": command.key, "name": command.name, "arguments": command.arguments}
        return _json({"command": given})

    async def _unsent(self, request: Request) -> Response:
        """The command could not be given: the connection had gone, or the protocol has none such."""
        edge = await self._edge(request)
        command_id = request.path_params["command_id"]
        told = _object(await _body(request, 16 * 1024))
        async with self._unit_of_work() as uow:
            command = await CommandRepository(uow.session).command(_scope(edge), command_id)
            if command is None:
                raise commands.command_not_found(command_id)
            if told.get("code"):
                params = told.get("params")
                error = Invalid(str(told["code"])[:64], **(params if isinstance(params, dict) else {}))
                await commands.fail(uow, command_id, error)
            else:
                await commands.give_back(uow, command_id)
            await uow.commit()
        return _json({})

    async def _receipts(self, request: Request) -> Response:
        edge = await self._edge(request)
        told = _object(await _body(request, _MAX_TOLD)).get("receipts")
        answers = [_parsed(_Answer, orjson.dumps(each)) for each in (told if isinstance(told, list) else [])[:500]]
        async with self._unit_of_work() as uow:
            for each in answers:
                if self._is_of(each.device, edge):
                    await commands.take_receipt(uow, each.device, Receipt(each.key, each.ok, each.detail))
            await uow.commit()
        return _json({"taken": len(answers)})

    def _is_of(self, device_id: str, edge: Edge) -> bool:
        entry = self._intake.cache.devices.get(device_id)
        return entry is not None and may_write(_scope(edge), entry)


def _scope(edge: Edge) -> Scope:
    return Scope(edge.division_code, edge.unit_id)


async def _body(request: Request, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge("too_large", size=size, limit=limit)
        chunks.append(chunk)
    return b"".join(chunks)


class TooLarge(ChengnaoError):
    status = 413


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _unreadable(str(error)) from error
    if not isinstance(given, dict):
        raise _unreadable("not an object")
    return given


def _parsed(kind: type[M], body: bytes) -> M:
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        raise _unreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _unreadable(reason: str) -> Invalid:
    return Invalid("invalid_request", field="body", reason=reason)


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value, default=str), media_type="application/json")
