"""What vendors answer, in OpenAI's shapes: read with distrust."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from chengnao.models.gateway.model import Kind
from chengnao.models.gateway.protocol import Asked


class BadAnswer(Exception):
    """What a vendor answered cannot be used.

    `tokens` where it told what the answer has cost. `counts`: it speaks against the vendor; that a text does not fit
    the caller's schema does not, for the schema may be at fault.
    """

    def __init__(self, reason: str, tokens: tuple[int, int] | None = None, *, counts: bool = True) -> None:
        super().__init__(reason)
        self.tokens = tokens
        self.counts = counts


@dataclass(frozen=True)
class Understood:
    """What the gateway takes from an answer; `tokens` None where the vendor does not tell."""

    tokens: tuple[int, int] | None
    model: str
    text: str


def understand(asked: Asked, raw: bytes) -> Understood:
    """Read an answer, and check it as far as was asked; raises BadAnswer."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if asked.kind is Kind.TRANSCRIPTION:  # text, srt and vtt are no JSON
            return Understood(None, "", raw.decode("utf-8", "replace"))
        raise BadAnswer(f"not JSON: {str(error)[:80]}") from error
    if not isinstance(body, dict):
        raise BadAnswer("not a JSON object")
    tokens, model = usage_of(body), model_of(body)
    match asked.kind:
        case Kind.CHAT:
            text = _check_choices(asked, body, tokens)
        case Kind.EMBEDDING:
            text = ""
            _check_vectors(asked, body, tokens)
        case Kind.TRANSCRIPTION:
            text = str(body.get("text", ""))
    return Understood(tokens, model, text)


def _check_choices(asked: Asked, body: dict[str, Any], tokens: tuple[int, int] | None) -> str:
    try:
        messages = [choice["message"] for choice in body["choices"]]
        texts = [message.get("content") or "" for message in messages]
        if not messages or not all(isinstance(text, str) for text in texts):
            raise BadAnswer("no choices", tokens)
    except (LookupError, TypeError, AttributeError) as error:
        raise BadAnswer("no choices", tokens) from error
    for message, text in zip(messages, texts, strict=True):
        if not message.get("tool_calls"):
            check_text(asked, text, tokens)
    return "\n".join(texts)


def check_text(asked: Asked, text: str, tokens: tuple[int, int] | None) -> None:
    """Hold a model's text against the form that was asked for; raises BadAnswer."""
    if not asked.json_wanted:
        return
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadAnswer(f"the text is not JSON: {str(error)[:80]}", tokens, counts=False) from error
    try:
        valid = asked.validator is None or asked.validator.is_valid(value)
    except Exception as error:  # a reference that leads nowhere, a pattern that is none
        reason = f"the schema cannot be applied: {type(error).__name__}"
        raise BadAnswer(reason, tokens, counts=False) from error
    if not valid:
        raise BadAnswer("the text does not fit the schema", tokens, counts=False)


def _check_vectors(asked: Asked, body: dict[str, Any], tokens: tuple[int, int] | None) -> None:
    data = body.get("data")
    if not isinstance(data, list) or len(data) != len(asked.body["input"]):
        raise BadAnswer("not one vector for each text", tokens)


def usage_of(body: dict[str, Any]) -> tuple[int, int] | None:
    """Tokens in and out, where the vendor tells them and they can be true."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    found = [usage.get(name, 0) for name in ("prompt_tokens", "completion_tokens")]
    if "prompt_tokens" not in usage:
        found = [usage.get(name, 0) for name in ("input_tokens", "output_tokens")]
        if "input_tokens" not in usage:
            return None
    if not all(type(each) is int and 0 <= each < 2**31 for each in found):
        return None
    return found[0], found[1]


def model_of(body: dict[str, Any]) -> str:
    """The name that the vendor gives the model; empty where it is none."""
    name = body.get("model")
    return name if isinstance(name, str) and name.isprintable() and len(name) <= 200 else ""


_EVENT_LIMIT = 2**20
_BETWEEN = re.compile(rb"\r?\n\r?\n")


@dataclass
class EventReader:
    """Takes a stream of server-sent events apart, wherever the network has cut it."""

    _rest: bytes = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The data of each event that is complete now; raises BadAnswer for one without an end."""
        *events, self._rest = _BETWEEN.split(self._rest + chunk)
        if len(self._rest) > _EVENT_LIMIT:
            raise BadAnswer("an event without an end")
        for event in events:
            lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
            if lines:
                yield b"\n".join(lines)


def read_event(data: bytes) -> dict[str, Any]:
    """One event of a chat stream; raises BadAnswer for an error in its place."""
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadAnswer(f"an event is not JSON: {str(error)[:80]}") from error
    if not isinstance(event, dict) or "error" in event:
        raise BadAnswer("an error instead of an event")
    return event


def text_of(event: dict[str, Any]) -> str:
    """The text that an event adds to the first choice."""
    try:
        delta = event["choices"][0]["delta"]["content"]
    except (LookupError, TypeError):
        return ""
    return delta if isinstance(delta, str) else ""
