"""A vendor of models: an OpenAI-compatible server on a real socket that says what a test tells it to say.

    with Vendor() as vendor:
        vendor.say("好的", {"category": "noise"}, Said(status=500), Said(delay=3.0))
        ...                                   # ask at vendor.url
        assert vendor.asked[0].body["messages"][0]["content"] == "..."

What is said first is answered first; where nothing is left to say, `vendor.otherwise` is. `vendor.respond`, a function
of the request, goes before both where it gives an answer.
"""

import asyncio
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Said:
    """One answer. A text, unless `raw` gives the body as it is."""

    text: str = "好的"
    status: int = 200
    usage: tuple[int, int] | None = (10, 5)
    """Tokens in and out; None leaves the usage away, as some vendors do."""
    delay: float = 0.0
    """Seconds until the first byte of the answer."""
    drip: float = 0.0
    """Seconds between the parts of the body: events of a stream, else 16 bytes each."""
    cut_after: int | None = None
    """Closes the connection after so many bytes of the body."""
    raw: bytes | None = None
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request that came in; `body` is None where it is no JSON."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    body: dict[str, Any] | None

    @property
    def streamed(self) -> bool:
        return bool(self.body and self.body.get("stream"))


class Vendor:
    """The server, in a thread of its own while entered."""

    def __init__(self, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self.otherwise = Said()
        self.respond: Callable[[Asked], Said | str | dict[str, Any] | None] | None = None
        self.cut_off = 0
        """Answers during which the other side went away."""
        self._script: deque[Said] = deque()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def say(self, *answers: Said | str | dict[str, Any]) -> None:
        """Put answers in the queue: a text, a JSON object that the text holds, or one described in full."""
        self._script.extend(_said(each) for each in answers)

    def start(self) -> None:
        """Listen, again on the same port after `stop`."""
        if not self._thread.is_alive():
            self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=2**20))
        self._port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Go down at once: connections are cut, new ones refused."""
        self._run(self._stop())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False where the connection ends with it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        asked = Asked(method, path, headers, raw, _json(raw))
        self.asked.append(asked)
        said = self._answer(asked)
        await asyncio.sleep(said.delay)
        kind = said.content_type or ("text/event-stream" if _streams(asked, said) else "application/json")
        whole = b"".join(_parts(asked, said))
        length = "" if _streams(asked, said) else f"Content-Length: {len(whole)}\r\n"
        extra = "".join(f"{name}: {value}\r\n" for name, value in said.headers.items())
        coding = "Transfer-Encoding: chunked\r\n" if not length else ""
        writer.write(f"HTTP/1.1 {said.status} Said\r\nContent-Type: {kind}\r\n{length}{coding}{extra}\r\n".encode())
        sent = 0
        try:
            for whole_part in _parts(asked, said):
                part = whole_part if said.cut_after is None else whole_part[: said.cut_after - sent]
                writer.write(part if length else f"{len(part):x}\r\n".encode() + part + b"\r\n")
                sent += len(part)
                if said.cut_after is not None and sent >= said.cut_after:
                    await writer.drain()
                    return False
                if said.drip:
                    await writer.drain()
                    await asyncio.sleep(said.drip)
            writer.write(b"" if length else b"0\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            self.cut_off += 1
            raise
        return True

    def _answer(self, asked: Asked) -> Said:
        if self.respond is not None and (given := self.respond(asked)) is not None:
            return _said(given)
        if asked.method == "GET":
            return Said(raw=b'{"object":"list","data":[{"id":"stub","object":"model"}]}')
        return self._script.popleft() if self._script else self.otherwise


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _said(given: Said | str | dict[str, Any]) -> Said:
    if isinstance(given, dict):
        return Said(json.dumps(given, ensure_ascii=False))
    return replace(Said(), text=given) if isinstance(given, str) else given


def _json(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _streams(asked: Asked, said: Said) -> bool:
    return asked.streamed and said.raw is None and said.status == 200


def _parts(asked: Asked, said: Said) -> Iterator[bytes]:
    """The body, in the pieces that it is written in."""
    if _streams(asked, said):
        yield from _events(asked, said)
        return
    whole = said.raw if said.raw is not None else json.dumps(_body(asked, said), ensure_ascii=False).encode()
    step = 16 if said.drip else max(len(whole), 1)
    for start in range(0, len(whole), step):
        yield whole[start : start + step]


def _body(asked: Asked, said: Said) -> dict[str, Any]:
    body = asked.body or {}
    if said.status != 200:
        return {"error": {"message": said.text, "type": "server_error", "code": None, "param": None}}
    if asked.path.endswith("/audio/transcriptions"):
        return {"text": said.text}
    usage = {} if said.usage is None else {"usage": _usage(said)}
    if asked.path.endswith("/embeddings"):
        given = body.get("input", [])
        texts = [given] if isinstance(given, str) else given
        data = [{"object": "embedding", "index": n, "embedding": _vector(text)} for n, text in enumerate(texts)]
        return {"object": "list", "model": body.get("model"), "data": data, **usage}
    message = {"role": "assistant", "content": said.text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "c-1", "object": "chat.completion", "model": body.get("model"), "choices": [choice], **usage}


def _events(asked: Asked, said: Said) -> Iterator[bytes]:
    body = asked.body or {}
    frame = {"id": "c-1", "object": "chat.completion.chunk", "model": body.get("model")}
    for start in range(0, len(said.text), 2):
        delta = {"role": "assistant", "content": said.text[start : start + 2]}
        yield _event({**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event({**frame, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if said.usage is not None and (body.get("stream_options") or {}).get("include_usage"):
        yield _event({**frame, "choices": [], "usage": _usage(said)})
    yield b"data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def _usage(said: Said) -> dict[str, int]:
    tokens_in, tokens_out = said.usage or (0, 0)
    return {"prompt_tokens": tokens_in, "completion_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


def _vector(text: str) -> list[float]:
    """Eight numbers that depend on the text alone."""
    return [each / 255 for each in hashlib.sha256(text.encode()).digest()[:8]]
