"""MCP client: asks outside servers for their tools, and calls one. Whatever a server does is contained here."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from chengnao.agents.outside.model import DESCRIPTION_LIMIT, SCHEMA_LIMIT, Described
from chengnao.kernel.errors import ChengnaoError, Conflict, Unavailable

log = logging.getLogger(__name__)

SECONDS = 20.0
"""For a whole conversation with a server, from the first byte to the last."""

BODY_LIMIT = 4 * 2**20
TOOLS_AT_MOST = 200
TEXT_LIMIT = 20_000
"""Characters of an answer that are passed on."""

_PAGES = 10


class _TooLong(Exception):
    pass


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, inner: Any, limit: int) -> None:
        self._inner = inner
        self._left = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._left -= len(part)
            if self._left < 0:
                raise _TooLong("the answer is too long")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Transport(httpx2.AsyncHTTPTransport):
    """Reads no answer to its end that has none."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        return httpx2.Response(
            status_code=response.status_code,
            headers=response.headers,
            stream=_Bounded(response.stream, BODY_LIMIT),
            extensions=response.extensions,
        )


async def describe(server: str, url: str, headers: Mapping[str, str], seconds: float = SECONDS) -> list[Described]:
    """The tools as the server describes them now, those left out that cannot be taken.

    Raises Unavailable where it does not answer, in time, with what can be understood.
    """
    async with _talking(server, url, headers, seconds) as client:
        return await _tools(client)


async def call(
    server: str,
    url: str,
    headers: Mapping[str, str],
    name: str,
    arguments: Mapping[str, Any],
    *,
    digest: str,
    key: str,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """What the tool answers: `text`, `data`, `is_error`.

    The tool is looked at once more before it is called: where it is not what a person allowed, told by `digest`, it is
    not called. `key` names the call for servers that heed it. Raises Conflict for a changed tool, Unavailable.
    """
    async with _talking(server, url, headers, seconds) as client:
        found = next((each for each in await _tools(client) if each.name == name), None)
        if found is None or found.digest != digest:
            raise Conflict("outside_tool_changed", name=name, server=server)
        meta: Any = {"idempotencyKey": key}
        return _plain(await client.call_tool(name, dict(arguments), meta=meta))


@asynccontextmanager
async def _talking(server: str, url: str, headers: Mapping[str, str], seconds: float) -> AsyncIterator[Client]:
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(headers=dict(headers), timeout=seconds, transport=_Transport()) as http,
            Client(streamable_http_client(url, http_client=http), cache=None) as client,
        ):
            yield client
    except ChengnaoError:
        raise
    except Exception as error:
        known = _first(error)
        if isinstance(known, ChengnaoError):
            raise known from None
        log.warning("tool server %s: %r", server, known)
        reason = "没有在限定时间内回答 / no answer in time" if isinstance(known, TimeoutError) else _short(known)
        raise Unavailable("outside_server_down", server=server, reason=reason) from None


async def _tools(client: Client) -> list[Described]:
    found: dict[str, Described] = {}
    cursor = None
    for _ in range(_PAGES):
        page = await client.list_tools(cursor=cursor)
        for each in page.tools:
            described = Described(each.name, tamed(each.description or ""), each.input_schema)
            if takeable(described) and len(found) < TOOLS_AT_MOST:
                found.setdefault(each.name, described)
        cursor = page.next_cursor
        if cursor is None:
            break
    return list(found.values())


def tamed(text: str) -> str:
    """Foreign text as it may be shown: one paragraph of printable characters, cut where it is too long."""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return plain if len(plain) <= DESCRIPTION_LIMIT else plain[: DESCRIPTION_LIMIT - 1] + "…"


def takeable(tool: Described) -> bool:
    """Whether the platform can take the tool: a plain name, and a schema of moderate length that refers nowhere."""
    plain = tool.name.replace("_", "").replace("-", "")
    if not (plain.isascii() and plain.isalnum() and len(tool.name) <= 64):
        return False
    schema = json.dumps(tool.input_schema, ensure_ascii=False)
    return len(schema) <= SCHEMA_LIMIT and '"$ref"' not in schema.replace('"$ref": "#', "")


def _plain(result: CallToolResult) -> dict[str, Any]:
    texts = [each.text for each in result.content if isinstance(each, TextContent)]
    text = "\n".join(texts)[:TEXT_LIMIT]
    data = result.structured_content
    if data is not None and len(json.dumps(data, ensure_ascii=False)) > TEXT_LIMIT:
        data = None
    return {"text": text, "data": data, "is_error": bool(result.is_error)}


def _first(error: BaseException) -> BaseException:
    """The error that the groups of the library are about."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _short(error: BaseException) -> str:
    return tamed(str(error) or type(error).__name__)[:200]
