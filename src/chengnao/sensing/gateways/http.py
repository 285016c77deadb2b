"""Readings in by HTTP: `POST /readings` with a bearer token, answered once they are on the log's disk."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chengnao.kernel.access.model import Principal
from chengnao.kernel.errors import ChengnaoError, Forbidden, Invalid, TooMany, Unauthenticated, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.messages import message
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.arrow_bodies import unreadable
from chengnao.sensing.gateways.bodies import Refused, parse_body
from chengnao.sensing.gateways.intake import STEP, Intake, Outcome
from chengnao.sensing.gateways.registry import Tokens, sender_scope

log = logging.getLogger(__name__)

MAX_BODY = 16 * 2**20
MAX_BODIES_BYTES = 128 * 2**20


class TooLarge(ChengnaoError):
    status = 413


class HttpGateway:
    """The application; one for each gateway process."""

    def __init__(self, intake: Intake, tokens: Tokens, more: Sequence[BaseRoute] = ()) -> None:
        self.intake = intake
        self.tokens = tokens
        self._in_memory = 0
        self.app = Starlette(
            routes=[
                Route("/readings", self._post, methods=["POST"]),
                Route("/healthz", _healthz, methods=["GET"]),
                *more,
            ],
            exception_handlers={ChengnaoError: _explain, Exception: _fail},  # type: ignore[dict-item]
        )

    async def _post(self, request: Request) -> Response:
        principal = await self._sender(request)
        coding = request.headers.get("content-encoding", "identity")
        if coding != "identity":
            raise unreadable(f"不接受 Content-Encoding: {coding}", f"Content-Encoding {coding} is not served")
        body = await self._read(request)
        try:
            parsed = parse_body(request.headers.get("content-type", ""), body)
            peer = f"{principal.name} {request.client.host if request.client else ''}".strip()
            outcome = await self.intake.offer(parsed, sender_scope(principal), Protocol.HTTP, peer)
        finally:
            self._in_memory -= len(body)
        if outcome.all_limited:
            first = outcome.refused[0].params
            raise TooMany("rate_limited", retry_after=1, value=first["value"], limit=first["limit"])
        return await _answer(outcome)

    async def _sender(self, request: Request) -> Principal:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Unauthenticated("token_missing")
        principal = await self.tokens.principal(secret.strip())
        if principal is None:
            raise Forbidden("token_refused")
        return principal

    async def _read(self, request: Request) -> bytes:
        """The whole body; what all requests hold together is bounded, too."""
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > MAX_BODY:
            raise TooLarge("too_large", size=int(declared), limit=MAX_BODY)
        chunks: list[bytes] = []
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                self._in_memory += len(chunk)
                chunks.append(chunk)
                if size > MAX_BODY:
                    raise TooLarge("too_large", size=size, limit=MAX_BODY)
                if self._in_memory > MAX_BODIES_BYTES:
                    raise Unavailable("gateway_busy", retry_after=2)
        except (ChengnaoError, ClientDisconnect):
            self._in_memory -= size
            raise
        return b"".join(chunks)


async def _answer(outcome: Outcome) -> Response:
    rejected: list[dict[str, Any]] = []
    for start in range(0, len(outcome.refused), STEP):
        rejected += [shown(each) for each in outcome.refused[start : start + STEP]]
        await asyncio.sleep(0)
    return Response(
        orjson.dumps({"accepted": outcome.accepted, "rejected": rejected}, default=str), media_type="application/json"
    )


def shown(refused: Refused) -> dict[str, Any]:
    """A refused row as the sender is told of it."""
    return {
        "index": refused.index,
        "code": refused.code,
        "message": message(refused.code, "zh", **refused.params),
        "message_en": message(refused.code, "en", **refused.params),
        "params": refused.params,
    }


async def _healthz(request: Request) -> Response:
    return Response(b'{"status":"ok"}', media_type="application/json")


async def _explain(request: Request, error: ChengnaoError) -> Response:
    headers = {}
    if isinstance(error, TooMany | Unavailable):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    status = 422 if isinstance(error, Invalid) else error.status
    return Response(orjson.dumps({"error": error.to_dict()}), status, headers, media_type="application/json")


async def _fail(request: Request, error: Exception) -> Response:
    trace = new_id()
    log.error("request failed, trace %s", trace, exc_info=error)
    return await _explain(request, _Internal("internal_error", trace=trace))


class _Internal(ChengnaoError):
    status = 500
