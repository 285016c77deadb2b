"""One attempt at one target: sent, waited for, and read; whatever goes wrong becomes `Failed`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import orjson

from chengnao.kernel.errors import Unavailable
from chengnao.models.gateway.answers import BadAnswer, Understood, understand
from chengnao.models.gateway.deployments import Deployments
from chengnao.models.gateway.directory import Directory, Vendor
from chengnao.models.gateway.model import Kind, Outcome, Target
from chengnao.models.gateway.run import Run
from chengnao.models.gateway.streams import Stream, is_stream
from chengnao.models.gateway.targets import Failed
from chengnao.models.gateway.wire import Address, Answer, Cut, TooLong, Unreachable, Wire

ANSWER_LIMIT = 32 * 2**20
"""Bytes of an answer in one piece; some thousand vectors."""
_ERROR_LIMIT = 64 * 1024
_CONNECT_SECONDS = 5.0
_PATHS = {
    Kind.CHAT: "/chat/completions",
    Kind.EMBEDDING: "/embeddings",
    Kind.TRANSCRIPTION: "/audio/transcriptions",
}
_REFUSALS = {400, 413, 415, 422}
"""What a vendor answers where the request is at fault: another vendor would find it so too."""

Whole = tuple[bytes, str, Understood]
"""An answer as it came, its content type, and what was understood of it."""


class Attempts:
    """Tries targets, each by its kind of source."""

    def __init__(self, directory: Directory, wire: Wire, deployments: Deployments) -> None:
        self._directory = directory
        self._wire = wire
        self._deployments = deployments

    def reachable(self, target: Target) -> bool:
        """Whether there is an address at all, or a model in this process."""
        return target.source.startswith("embedded:") or bool(self._places(target))

    def why_unreachable(self, targets: Sequence[Target]) -> Unavailable | None:
        """Why the first of the targets that is a deployment does not run; None where none is one."""
        names = (each.source.partition(":")[2] for each in targets if each.source.startswith("deployment:"))
        return next((self._deployments.why_none(name) for name in names), None)

    async def whole(self, run: Run, target: Target) -> Whole:
        """The answer in one piece; raises Failed."""
        seconds = min(target.seconds, run.seconds_left)
        try:
            async with asyncio.timeout(seconds):
                if target.source.startswith("embedded:"):
                    return await _embed(run, target)
                async with self._asked(run, target) as answer:
                    raw = await answer.read(ANSWER_LIMIT)
                    if answer.headers.get("content-encoding", "identity") != "identity":
                        raise Failed(Outcome.INVALID, "the answer is compressed, which nobody asked for")
                    content_type = answer.headers.get("content-type", "application/json")
                    return raw, content_type, understand(run.asked, raw)
        except TimeoutError as error:
            raise _too_slow(seconds, target) from error
        except Cut as error:
            raise Failed(Outcome.CUT, str(error)) from error
        except TooLong as error:
            raise Failed(Outcome.INVALID, f"the answer is longer than {ANSWER_LIMIT} bytes") from error
        except BadAnswer as error:
            raise Failed(Outcome.INVALID, str(error), tokens=error.tokens, counts=error.counts) from error

    async def stream(self, run: Run, target: Target) -> Stream:
        """An answer whose first event has come; raises Failed."""
        seconds = min(target.seconds, run.seconds_left)
        answer: Answer | None = None
        try:
            async with asyncio.timeout(seconds):
                answer = await self._head(run, target)
                if not is_stream(answer.headers):
                    raise Failed(Outcome.INVALID, "the answer is no stream")
                stream = Stream(run.asked, answer)
                await stream.begin()
                return stream
        except BaseException as error:
            if answer is not None:
                answer.close()
            if isinstance(error, TimeoutError):
                raise _too_slow(seconds, target) from error
            if isinstance(error, Cut):
                raise Failed(Outcome.CUT, str(error)) from error
            raise

    @asynccontextmanager
    async def _asked(self, run: Run, target: Target) -> AsyncIterator[Answer]:
        answer = await self._head(run, target)
        try:
            yield answer
        finally:
            answer.close()

    async def _head(self, run: Run, target: Target) -> Answer:
        """The head of a good answer, from the first place that can be reached; raises Failed, Cut."""
        body, content_type = run.asked.for_target(target, run.route)
        reason = "no address"
        for place in self._places(target):
            try:
                answer = await self._wire.ask(
                    place.address,
                    "POST",
                    _PATHS[run.asked.kind],
                    body=body,
                    content_type=content_type,
                    secret=place.secret,
                    connect_seconds=min(_CONNECT_SECONDS, target.seconds),
                )
            except Unreachable as error:
                reason = str(error)
                continue
            if answer.status != 200:
                raise await _refused(answer, place)
            return answer
        raise Failed(Outcome.FAILED, reason, free=True)

    def _places(self, target: Target) -> Sequence[Vendor]:
        kind, _, name = target.source.partition(":")
        if kind == "provider":
            vendor = self._directory.known.vendors.get(name)
            return [] if vendor is None else [vendor]
        if kind == "deployment":
            return [Vendor(Address.of(each), None) for each in self._deployments.address(name)]
        return []


def _too_slow(seconds: float, target: Target) -> Failed:
    # That a caller had less time than the target has says nothing of the target.
    return Failed(Outcome.TOO_SLOW, f"no answer in {seconds:.1f} s", counts=seconds >= target.seconds)


async def _refused(answer: Answer, place: Vendor) -> Failed:
    """What an error of the vendor means; it costs nothing."""
    try:
        message = _message(await answer.read(_ERROR_LIMIT))
    except (Cut, TooLong):
        message = ""
    finally:
        answer.close()
    if place.secret:
        message = message.replace(place.secret, "***")
    if answer.status in _REFUSALS:
        return Failed(Outcome.FAILED, message or f"HTTP {answer.status}", free=True, counts=False, again=False)
    # A message of another status is not shown: it may tell of the account at the vendor.
    return Failed(Outcome.FAILED, f"HTTP {answer.status}", free=True)


def _message(raw: bytes) -> str:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return ""
    error: Any = body.get("error", body) if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return message[:300] if isinstance(message, str) else ""


async def _embed(run: Run, target: Target) -> Whole:
    """Vectors of the embedded model, made in a thread; a token is counted for each character."""
    texts: list[str] = run.asked.body["input"]
    module = import_module("chengnao.models.embedded.embedding")
    rows = await asyncio.to_thread(module.embed, texts)
    data = [{"object": "embedding", "index": n, "embedding": row.tolist()} for n, row in enumerate(rows)]
    tokens = sum(map(len, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    raw = orjson.dumps({"object": "list", "model": target.model, "data": data, "usage": usage})
    return raw, "application/json", Understood((tokens, 0), target.model, "")
