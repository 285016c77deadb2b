"""A chat answer that comes in events: passed on as it comes, metered at its end, wherever that is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from chengnao.models.gateway.answers import (
    BadAnswer,
    EventReader,
    check_text,
    model_of,
    read_event,
    text_of,
    usage_of,
)
from chengnao.models.gateway.model import Outcome
from chengnao.models.gateway.protocol import Asked
from chengnao.models.gateway.targets import Failed
from chengnao.models.gateway.wire import Answer, Cut

_TEXT_LIMIT = 2**20
_DONE = b"[DONE]"


class Stream:
    """The events of one answer; `tokens` is None until the vendor has told them."""

    def __init__(self, asked: Asked, answer: Answer) -> None:
        self.tokens: tuple[int, int] | None = None
        self.model = ""
        self.left = False
        self._asked = asked
        self._answer = answer
        self._reader = EventReader()
        self._ready: list[bytes] = []
        self._texts: list[str] = []
        self._text_size = 0
        self._finished = False

    @property
    def text(self) -> str:
        return "".join(self._texts)

    async def begin(self) -> None:
        """Return when the first event is here, which another target can no longer give; raises Failed."""
        while not self._ready and not self._finished:
            if not await self._read():
                raise Failed(Outcome.CUT, "the stream ended before it began")

    async def pump(self, send: Callable[[bytes], Awaitable[None]], seconds: float) -> None:
        """Send on what comes, until the end; raises Failed, TimeoutError after so many seconds without anything."""
        while True:
            if self._ready:
                await send(b"".join(self._ready))
                self._ready.clear()
            if self._finished:
                break
            async with asyncio.timeout(seconds):
                if not await self._read():
                    raise Failed(Outcome.CUT, "the stream broke off")
        try:
            check_text(self._asked, self.text, self.tokens)
        except BadAnswer as error:
            raise Failed(Outcome.INVALID, str(error), tokens=error.tokens, counts=error.counts) from error
        await send(b"data: [DONE]\n\n")

    def leave(self) -> None:
        """Nobody listens any more."""
        self.left = True
        self._answer.close()

    def close(self) -> None:
        self._answer.close()

    async def _read(self) -> bool:
        """Take in what comes next; False where nothing does any more."""
        try:
            chunk = await self._answer.next()
            for data in self._reader.feed(chunk):
                self._take(data)
        except Cut as error:
            raise Failed(Outcome.CUT, str(error)) from error
        except BadAnswer as error:
            raise Failed(Outcome.INVALID, str(error)) from error
        return bool(chunk) or self._finished

    def _take(self, data: bytes) -> None:
        if data == _DONE:
            self._finished = True
            return
        event = read_event(data)
        self.model = self.model or model_of(event)
        if (tokens := usage_of(event)) is not None:
            self.tokens = tokens
            if not event.get("choices") and not self._asked.usage_wanted:
                return
        text = text_of(event)
        self._text_size += len(text)
        if self._text_size > _TEXT_LIMIT:
            raise BadAnswer("an answer without an end")
        self._texts.append(text)
        self._ready.append(b"data: " + data + b"\n\n")


def is_stream(headers: dict[str, Any]) -> bool:
    return str(headers.get("content-type", "")).startswith("text/event-stream")
