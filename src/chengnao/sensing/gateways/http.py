"""Readings in by HTTP: `POST /readings` with a bearer token, answered once they are on the log's disk."""

import asyncio
import logging
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import ChengnaoError, Forbidden, Invalid, TooMany, Unauthenticated, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.messages import message
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.arrow_bodies import unreadable
from chengnao.sensing.gateways.bodies import Refused, parse_body
from chengnao.sensing.gateways.credentials import CredentialCache
from chengnao.sensing.gateways.intake import STEP, Intake, Outcome
from chengnao.sensing.gateways.lorawan import LorawanGateway
from chengnao.sensing.gateways.registry import Tokens, sender_scope
from chengnao.sensing.protocols.shape import Refusal

log = logging.getLogger(__name__)

MAX_BODY = 16 * 2**20
MAX_BODIES_BYTES = 128 * 2**20


class TooLarge(ChengnaoError):
    status = 413


class HttpGateway:
    """The application; one for each gateway process."""

    def __init__(
        self,
        intake: Intake,
        tokens: Tokens,
        more: Sequence[BaseRoute] = (),
        credentials: CredentialCache | None = None,
    ) -> None:
        """`credentials`: devices may send for themselves, by secrets of their own."""
        self.intake = intake
        self.tokens = tokens
        self.credentials = credentials
        self._in_memory = 0
        self._lorawan = LorawanGateway(intake)
        self.app = Starlette(
            routes=[
                Route("/readings", self._post, methods=["POST"]),
                Route("/lorawan", self._post_uplink, methods=["POST"]),
                Route("/healthz", _healthz, methods=["GET"]),
                *more,
            ],
            exception_handlers={ChengnaoError: _explain, Exception: _fail},  # type: ignore[dict-item]
        )

    async def _post(self, request: Request) -> Response:
        name, scope, only = await self._sender(request)
        coding = request.headers.get("content-encoding", "identity")
        if coding != "identity":
            raise unreadable(f"不接受 Content-Encoding: {coding}", f"Content-Encoding {coding} is not served")
        body = await self._read(request)
        try:
            parsed = parse_body(request.headers.get("content-type", ""), body)
            peer = f"{name} {request.client.host if request.client else ''}".strip()
            outcome = await self.intake.offer(parsed, scope, Protocol.HTTP, peer, only=only)
        finally:
            self._in_memory -= len(body)
        if outcome.all_limited:
            first = outcome.refused[0].params
            raise TooMany("rate_limited", retry_after=1, value=first["value"], limit=first["limit"])
        return await _answer(outcome)

    async def _post_uplink(self, request: Request) -> Response:
        """One event of a LoRaWAN network server; answered once its readings are on the log's disk, or it is held."""
        name, scope, only = await self._sender(request)
        raw = await self._read(request)
        try:
            event = request.query_params.get("event", "")
            peer = f"{name} {request.client.host if request.client else ''}".strip()
            found = await self._lorawan.take(raw, event, peer, scope, only)
        finally:
            self._in_memory -= len(raw)
        if isinstance(found, Refusal):
            if found.code == "rate_limited":
                raise TooMany(found.code, **found.params)
            return await _answer(Outcome(0, [Refused(0, found.code, found.params)]))
        return await _answer(Outcome(found, []))

    async def _sender(self, request: Request) -> tuple[str, Scope, str | None]:
        """The sender's name, what it may send for, and the one device that it is where it is one."""
        username, secret = _shown_secret(request.headers.get("authorization", ""))
        return await identify(self.tokens, self.credentials, username, secret)

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


async def identify(
    tokens: Tokens, credentials: CredentialCache | None, username: str | None, secret: str
) -> tuple[str, Scope, str | None]:
    """The sender's name, what it may send for, and the one device that it is where it is one.

    Raises Forbidden for a secret that is nobody's, Unavailable where that cannot be known now.
    """
    if credentials is not None and (device := await credentials.sender(secret, username)) is not None:
        return device.device_id, device.scope, device.device_id
    principal = await tokens.principal(secret) if username is None else None
    if principal is None:
        raise Forbidden("token_refused")
    return principal.name, sender_scope(principal), None


def _shown_secret(authorization: str) -> tuple[str | None, str]:
    """The user, where one is named, and the secret of the header."""
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer" and value:
        return None, value
    if scheme.lower() == "basic":
        try:
            username, _, secret = b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            username = secret = ""
        if secret:
            return username, secret
    raise Unauthenticated("token_missing")


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
