"""The gateway's HTTP interface: OpenAI's paths, our errors.

Plain ASGI: a framework's routing and request objects would cost more time than the gateway has for a call.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from chengnao.kernel.access.service import digest
from chengnao.kernel.errors import ChengnaoError, Forbidden, Invalid, TooMany, Unauthenticated, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.calls import Calls
from chengnao.models.gateway.model import Caller, Kind
from chengnao.models.gateway.protocol import Asked, read_chat, read_embeddings

log = logging.getLogger(__name__)

BODY_LIMIT = 8 * 2**20
"""Bytes of a JSON body; images lie in it."""
AUDIO_LIMIT = 25 * 2**20
BODIES_LIMIT = 64 * 2**20
"""Bytes of the bodies of all calls under way."""
_BODY_SECONDS = 30.0
"""A sender that takes longer for its body is cut off."""

Headers = dict[bytes, bytes]


class TooLarge(ChengnaoError):
    status = 413


class WrongType(ChengnaoError):
    status = 415


class TooSlow(ChengnaoError):
    status = 408


class _Internal(ChengnaoError):
    status = 500


@dataclass
class Exchange:
    """One request under way; `size` is what its body holds in memory."""

    scope: Scope
    receive: Receive
    send: Send
    headers: Headers
    size: int = 0


class GatewayApp:
    """The application; one for each gateway process."""

    def __init__(self, calls: Calls, model_key: str) -> None:
        self._calls = calls
        self._model_key = digest(model_key)
        self._in_memory = 0
        self._paths: dict[tuple[str, str], Callable[[Exchange], Awaitable[None]]] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/embeddings"): self._embeddings,
            ("POST", "/v1/audio/transcriptions"): self._transcriptions,
            ("GET", "/v1/models"): self._models,
            ("GET", "/healthz"): _healthz,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, receive, send, dict(scope["headers"]))
        handler = self._paths.get((scope["method"], scope["path"]))
        try:
            if handler is None:
                raise _Unknown("http_404", path=scope["path"], method=scope["method"])
            await handler(exchange)
        except ClientDisconnect:
            return
        except ChengnaoError as error:
            await _explain(send, error)
        except SQLAlchemyError as error:
            log.warning("database: %s", error)
            await _explain(send, Unavailable("database_unavailable"))
        except Exception as error:
            trace = new_id()
            log.exception("a call failed, number %s", trace, exc_info=error)
            await _explain(send, _Internal("internal_error", trace=trace))
        finally:
            self._in_memory -= exchange.size

    # --- who asks

    def _caller(self, headers: Headers, route: str) -> tuple[Caller, DataClass]:
        """On whose behalf, and with what class of data; raises Unauthenticated, Forbidden, Invalid."""
        scheme, _, secret = _header(headers, b"authorization").partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Unauthenticated("model_key_missing")
        named = _header(headers, b"x-data-class") or DataClass.INTERNAL.value
        try:
            data = DataClass(named)
        except ValueError:
            known = ", ".join(DataClass)
            raise Invalid(
                "model_body_unfit", field="X-Data-Class", reason_zh=f"可选：{known}", reason_en=f"choose from {known}"
            ) from None
        purpose, trace = _header(headers, b"x-chengnao-purpose"), _header(headers, b"x-chengnao-trace")
        hashed = digest(secret.strip())
        if hmac.compare_digest(hashed, self._model_key):
            division = _header(headers, b"x-chengnao-division") or CITY
            if not (division.isdecimal() and len(division) in (6, 9)):
                raise Invalid(
                    "model_body_unfit",
                    field="X-Chengnao-Division",
                    reason_zh="应为 6 位或 9 位区划代码",
                    reason_en="it must be a division code of 6 or 9 digits",
                )
            unit = _header(headers, b"x-chengnao-unit") or None
            return Caller(division, unit, None, purpose, trace), data
        key = self._calls.directory.known.keys.get(hashed)
        if key is None or not key.usable(datetime.now(UTC)):
            raise Unauthenticated("model_key_refused")
        if route and key.routes is not None and route not in key.routes:
            raise Forbidden("model_key_route", key=key.name, route=route, routes="、".join(key.routes))
        if not key.data.may_see(data):
            raise Forbidden("model_key_data", key=key.name, data=data.zh, data_en=data.en, highest=key.data.value)
        return Caller(key.division_code, key.unit_id, key.id, purpose or "api", trace), data

    # --- what is asked

    async def _chat(self, exchange: Exchange) -> None:
        self._caller(exchange.headers, "")  # before a body is taken from a stranger
        asked = read_chat(await self._json(exchange))
        if asked.stream:
            await self._stream(asked, exchange)
        else:
            await self._answer(asked, exchange)

    async def _embeddings(self, exchange: Exchange) -> None:
        self._caller(exchange.headers, "")
        await self._answer(read_embeddings(await self._json(exchange)), exchange)

    async def _transcriptions(self, exchange: Exchange) -> None:
        self._caller(exchange.headers, "")
        found = _header(exchange.headers, b"content-type")
        if not found.startswith("multipart/form-data"):
            raise WrongType("model_content_type", found=found, wanted="multipart/form-data")
        raw = await self._body(exchange, AUDIO_LIMIT)
        await self._answer(await _read_form(exchange.scope, raw), exchange)

    async def _models(self, exchange: Exchange) -> None:
        self._caller(exchange.headers, "")
        data = [
            {
                "id": route.name,
                "object": "model",
                "created": 0,
                "owned_by": "chengnao",
                "kind": route.kind.value,
                "title": route.title,
                "grades": sorted({each.grade for each in route.targets}),
                "available": self._calls.available(route),
            }
            for route in self._calls.directory.known.routes.values()
        ]
        await _send(exchange.send, 200, orjson.dumps({"object": "list", "data": data}))

    async def _answer(self, asked: Asked, exchange: Exchange) -> None:
        caller, data = self._caller(exchange.headers, asked.route)
        reply = await self._calls.answer(asked, caller, data, _seconds(exchange.headers))
        told = {
            "x-request-id": reply.request_id,
            "x-chengnao-target": reply.target,
            "x-chengnao-model": reply.model,
            "x-chengnao-money": str(reply.money),
        }
        await _send(exchange.send, 200, reply.raw, told, reply.content_type)

    async def _stream(self, asked: Asked, exchange: Exchange) -> None:
        caller, data = self._caller(exchange.headers, asked.route)
        streaming = await self._calls.stream(asked, caller, data, _seconds(exchange.headers))
        told = {
            "x-request-id": streaming.request_id,
            "x-chengnao-target": streaming.target,
            "x-chengnao-model": streaming.model,
            "cache-control": "no-cache",
        }
        watching = asyncio.create_task(_gone(exchange.receive))
        watching.add_done_callback(lambda _: streaming.leave())

        async def send_on(events: bytes) -> None:
            await exchange.send({"type": "http.response.body", "body": events, "more_body": True})

        try:
            await exchange.send(_start(200, told, "text/event-stream"))
            error = await streaming.send_to(send_on)
        finally:
            watching.cancel()
        if error is not None:
            await send_on(b"data: " + orjson.dumps(_error_body(error)) + b"\n\n")
        await exchange.send({"type": "http.response.body", "body": b""})

    # --- bodies

    async def _json(self, exchange: Exchange) -> bytes:
        kind = _header(exchange.headers, b"content-type").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise WrongType("model_content_type", found=kind, wanted="application/json")
        return await self._body(exchange, BODY_LIMIT)

    async def _body(self, exchange: Exchange, limit: int) -> bytes:
        """The whole body; what those of all calls under way hold together is bounded too."""
        coding = _header(exchange.headers, b"content-encoding") or "identity"
        if coding != "identity":
            raise WrongType("model_content_type", found=coding, wanted="identity")
        declared = _header(exchange.headers, b"content-length")
        if declared.isdecimal() and int(declared) > limit:
            raise TooLarge("too_large", size=int(declared), limit=limit)
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                more = True
                while more:
                    message = await exchange.receive()
                    if message["type"] == "http.disconnect":
                        raise ClientDisconnect
                    parts.append(message.get("body", b""))
                    exchange.size += len(parts[-1])
                    self._in_memory += len(parts[-1])
                    more = message.get("more_body", False)
                    if exchange.size > limit:
                        raise TooLarge("too_large", size=exchange.size, limit=limit)
                    if self._in_memory > BODIES_LIMIT:
                        raise Unavailable("model_gateway_busy", retry_after=2)
        except TimeoutError as error:
            raise TooSlow("model_body_too_slow", seconds=int(_BODY_SECONDS), size=exchange.size) from error
        return b"".join(parts)


class _Unknown(ChengnaoError):
    status = 404


async def _gone(receive: Receive) -> None:
    """Return when the caller has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read_form(scope: Scope, raw: bytes) -> Asked:
    """A recording and what is asked of it; raises Invalid."""

    async def receive() -> Message:
        return {"type": "http.request", "body": raw, "more_body": False}

    request = Request(scope, receive)
    try:
        async with request.form(max_files=1, max_fields=20) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Invalid(
                    "model_body_unfit", field="file", reason_zh="缺少录音文件", reason_en="the recording is missing"
                )
            content = await file.read()
            fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
            route = dict(fields).get("model", "")
            kept = tuple((name, value) for name, value in fields if name not in ("model", "stream"))
            named = (file.filename or "recording", file.content_type or "application/octet-stream", content)
    except MultiPartException as error:
        raise Invalid("model_body_unreadable", field="body", reason=error.message[:120]) from error
    return Asked(Kind.TRANSCRIPTION, route, form=kept, file=named)


async def _healthz(exchange: Exchange) -> None:
    await _send(exchange.send, 200, b'{"status":"ok"}')


def _header(headers: Headers, name: bytes) -> str:
    """A header as text: UTF-8, short, without what the database does not take."""
    return headers.get(name, b"").decode("utf-8", "replace").replace("\0", "")[:500]


def _seconds(headers: Headers) -> float | None:
    """The time that the caller gives the whole call."""
    try:
        seconds = float(_header(headers, b"x-chengnao-seconds") or "nan")
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _start(status: int, told: dict[str, str], content_type: str) -> dict[str, Any]:
    headers = [(b"content-type", content_type.encode("latin-1", "replace"))]
    # Names of models are the vendor's: what is no header text must not break the answer.
    headers += [(name.encode(), value.encode("ascii", "replace")) for name, value in told.items()]
    return {"type": "http.response.start", "status": status, "headers": headers}


async def _send(
    send: Send,
    status: int,
    body: bytes,
    told: dict[str, str] | None = None,
    content_type: str = "application/json",
) -> None:
    start = _start(status, told or {}, content_type)
    start["headers"].append((b"content-length", str(len(body)).encode()))
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def _explain(send: Send, error: ChengnaoError) -> None:
    told = {}
    if isinstance(error, TooMany | Unavailable):
        told["retry-after"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        told["www-authenticate"] = "Bearer"
    if isinstance(error, TooSlow):
        told["connection"] = "close"
    with suppress(RuntimeError):  # where an answer has begun, nothing more can be said
        await _send(send, error.status, orjson.dumps(_error_body(error), default=str), told)


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def _error_body(error: ChengnaoError) -> dict[str, Any]:
    """The error in OpenAI's shape, with our code and both texts."""
    known = error.to_dict()
    kind = _TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
    return {
        "error": {
            "message": f"{known['message']} / {known['message_en']}",
            "type": kind,
            "param": error.params.get("field"),
            "code": known["code"],
            "message_zh": known["message"],
            "message_en": known["message_en"],
            "params": known["params"],
        }
    }
