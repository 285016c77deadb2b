"""Tries whether a provider answers, before a route leads to it."""

import asyncio
import time
from dataclasses import dataclass

import orjson

from chengnao.models.gateway.model import Provider
from chengnao.models.gateway.wire import Address, Cut, TooLong, Unreachable, Wire

_SECONDS = 20.0
_LIMIT = 2**20


@dataclass(frozen=True)
class Tried:
    """What came of it; `models` are the names that the provider lists."""

    ok: bool
    status: int | None
    milliseconds: int
    detail: str
    models: tuple[str, ...] = ()


async def probe(provider: Provider, secret: str | None, model: str | None) -> Tried:
    """Ask the provider for its models; where one is named, for a word of it."""
    wire, began = Wire(), time.monotonic()
    if model is None:
        method, path, body = "GET", "/models", b""
    else:
        asked = {"model": model, "messages": [{"role": "user", "content": "ping"}], "max_tokens": 1}
        method, path, body = "POST", "/chat/completions", orjson.dumps(asked)
    status, detail, raw = None, "", b""
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await wire.ask(Address.of(provider.base_url), method, path, body=body, secret=secret)
            status, raw = answer.status, await answer.read(_LIMIT)
            detail = "" if status == 200 else f"HTTP {status}"
    except TimeoutError:
        detail = f"no answer in {_SECONDS:.0f} s"
    except (Unreachable, Cut) as error:
        detail = str(error)
    except TooLong:
        detail = f"the answer is longer than {_LIMIT} bytes"
    finally:
        wire.close()
    if not detail and not isinstance(_json(raw), dict):
        detail = "the answer is no JSON object"
    return Tried(not detail, status, round((time.monotonic() - began) * 1000), detail, _names(raw))


def _json(raw: bytes) -> object:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _names(raw: bytes) -> tuple[str, ...]:
    body = _json(raw)
    data = body.get("data") if isinstance(body, dict) else None
    listed = data if isinstance(data, list) else []
    names = [each.get("id") for each in listed if isinstance(each, dict)]
    return tuple(each[:200] for each in names if isinstance(each, str))[:500]
