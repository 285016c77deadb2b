"""CoAP: `POST /readings`, answered 2.04 once the readings are on the log's disk.

The body is that of HTTP (JSON) or SenML. A device shows its secret, or a machine its token, as `token` in the query.
There is no DTLS: outside a private network devices belong behind an edge gateway.
"""

import asyncio
import logging
import socket
from collections import OrderedDict
from typing import Any

import aiocoap
import orjson
from aiocoap import blockwise, error, resource
from aiocoap.numbers.codes import Code

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import ChengnaoError, Forbidden, Invalid, TooMany, Unauthenticated, Unavailable
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.gateways.bodies import Body, parse_body, rows_to_body
from chengnao.sensing.gateways.credentials import CredentialCache
from chengnao.sensing.gateways.http import identify
from chengnao.sensing.gateways.intake import Intake, Outcome
from chengnao.sensing.gateways.registry import Tokens
from chengnao.sensing.gateways.reporting import row_of
from chengnao.sensing.gateways.topics import Row
from chengnao.sensing.protocols import senml
from chengnao.sensing.protocols.shape import Refusal

log = logging.getLogger(__name__)

MAX_BODY = 256 * 1024
MAX_ASSEMBLIES = 500
MAX_AT_ONCE = 1_000
MAX_REMEMBERED = 20_000
_JSON = 50
_TOLD = 8  # an answer is one datagram
_CODES = ((Unauthenticated, Code.UNAUTHORIZED), (Forbidden, Code.FORBIDDEN), (TooMany, Code.TOO_MANY_REQUESTS),
          (Unavailable, Code.SERVICE_UNAVAILABLE), (Invalid, Code.BAD_REQUEST))  # fmt: skip


class CoapGateway:
    """The server; it listens on UDP."""

    def __init__(self, intake: Intake, tokens: Tokens, credentials: CredentialCache | None = None) -> None:
        self.intake = intake
        self.tokens = tokens
        self.credentials = credentials
        self.requests = 0
        self._context: Any = None

    async def start(self, host: str, port: int) -> None:
        site = resource.Site()
        site.add_resource(["readings"], _Readings(self))
        # The library's usual transport serves IPv4 by sockets of IPv6, which some systems have switched off.
        transport = "udp6" if _has_ipv6() else "simplesocketserver"
        self._context = await aiocoap.Context.create_server_context(site, bind=(host, port), transports=[transport])
        for tokens in self._context.request_interfaces:
            _forget_soon(tokens.token_interface)

    async def close(self) -> None:
        if self._context is not None:
            await self._context.shutdown()

    async def take(self, payload: bytes, form: int, secret: str, peer: str) -> Outcome:
        """Take in a body; raises a ChengnaoError where nothing of it can be."""
        if not secret:
            raise Unauthenticated("token_missing")
        _, scope, only = await identify(self.tokens, self.credentials, None, secret)
        body = self._senml(payload, only, scope, peer) if form == senml.CONTENT_FORMAT else _json(payload, form)
        return await self.intake.offer(body, scope, Protocol.COAP, peer, only=only)

    def _senml(self, payload: bytes, only: str | None, scope: Scope, peer: str) -> Body:
        """Names are `device/metric`; of a device that sends for itself, the metric alone will do."""
        pack = senml.read_pack(payload, self.intake.clock.now())
        if isinstance(pack, Refusal):
            raise Invalid(pack.code, **pack.params)
        rows = []
        for each in pack:
            device, _, point = each.name.rpartition("/")
            row = row_of(
                self.intake.cache, Protocol.COAP, Row(device or only, point, each.time.isoformat(), each.value)
            )
            rows += [] if row is None else [row]
        return rows_to_body(rows)


class _Tuning(aiocoap.numbers.TransportTuning):  # type: ignore[misc]
    """The library remembers each request for 247 seconds, so that one that comes twice is done once. Under a flood that
    is a gigabyte; a reading that comes twice is the same reading, and a sender asks again within seconds."""

    EXCHANGE_LIFETIME = 20.0


def _forget_soon(manager: Any) -> None:
    """Bound what a message manager remembers; what goes beyond is dropped, and a sender that wants it done repeats."""
    tuning, take = _Tuning(), manager.dispatch_message

    def dispatch(message: Any) -> None:
        if message.code.is_request() and len(manager._recent_messages) >= MAX_REMEMBERED:
            return
        message.transport_tuning = tuning
        take(message)

    manager.dispatch_message = dispatch


class _Spool:
    """Bodies in blocks, put together; bounded in size and number, and let go once they are whole."""

    def __init__(self) -> None:
        self._begun: OrderedDict[Any, Any] = OrderedDict()

    def feed_and_take(self, request: Any) -> Any:
        """The request once it is whole; raises what tells the sender to go on, or to begin again."""
        block = request.opt.block1
        if block is None:
            return request
        key = blockwise._extract_block_key(request)
        if block.start + len(request.payload) > MAX_BODY:
            self._begun.pop(key, None)
            raise error.RequestEntityTooLarge
        if block.block_number == 0:
            self._begun[key] = request
            self._begun.move_to_end(key)
            if len(self._begun) > MAX_ASSEMBLIES:
                self._begun.popitem(last=False)  # its sender begins again
        else:
            try:
                self._begun[key]._append_request_block(request)
            except (KeyError, ValueError, error.Error):
                self._begun.pop(key, None)
                raise blockwise.IncompleteException from None
        if block.more:
            raise blockwise.ContinueException(block)
        return self._begun.pop(key)


class _Readings(resource.Resource):  # type: ignore[misc]
    def __init__(self, gateway: CoapGateway) -> None:
        super().__init__()
        self._gateway = gateway
        self._block1 = _Spool()
        self._room = asyncio.Semaphore(MAX_AT_ONCE)

    async def render_post(self, request: Any) -> Any:
        gateway = self._gateway
        gateway.requests += 1
        form = _JSON if request.opt.content_format is None else int(request.opt.content_format)
        query = dict(part.partition("=")[::2] for part in request.opt.uri_query)
        peer = str(getattr(request.remote, "hostinfo", ""))
        if self._room.locked():
            return aiocoap.Message(code=Code.SERVICE_UNAVAILABLE, max_age=2)
        async with self._room:
            try:
                outcome = await gateway.take(request.payload, form, query.get("token", ""), peer)
            except ChengnaoError as problem:
                return _explained(problem)
            except Exception:
                log.exception("a CoAP request of %s failed", peer)
                return aiocoap.Message(code=Code.INTERNAL_SERVER_ERROR)
        return _told(outcome)


def _has_ipv6() -> bool:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def _json(payload: bytes, form: int) -> Body:
    if form != _JSON:
        raise Invalid(
            "body_unreadable",
            field="body",
            reason_zh=f"不接受 Content-Format {form}，应为 50（JSON）或 110（SenML JSON）",
            reason_en=f"Content-Format {form} is not served; 50 (JSON) and 110 (SenML JSON) are",
        )
    return parse_body("application/json", payload)


def _told(outcome: Outcome) -> Any:
    if outcome.all_limited:
        return aiocoap.Message(code=Code.TOO_MANY_REQUESTS, max_age=1)
    rejected = [{"index": each.index, "code": each.code} for each in outcome.refused[:_TOLD]]
    told = {"accepted": outcome.accepted, "refused": len(outcome.refused), "rejected": rejected}
    nothing = outcome.accepted == 0 and outcome.refused
    code = Code.UNPROCESSABLE_ENTITY if nothing else Code.CHANGED
    return aiocoap.Message(code=code, payload=orjson.dumps(told), content_format=_JSON)


def _explained(problem: ChengnaoError) -> Any:
    code = next((code for kind, code in _CODES if isinstance(problem, kind)), Code.INTERNAL_SERVER_ERROR)
    answer = aiocoap.Message(code=code, payload=orjson.dumps({"code": problem.code, "message": str(problem)[:600]}))
    if isinstance(problem, TooMany | Unavailable):
        answer.opt.max_age = int(problem.retry_after)
    return answer
