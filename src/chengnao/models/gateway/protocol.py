"""What callers send and vendors answer, in OpenAI's shapes: read with distrust."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import jsonschema
import orjson
from jsonschema_specifications import REGISTRY

from chengnao.kernel.errors import Invalid
from chengnao.models.gateway.model import Kind, ModelRoute, Target

_MOST_TOKENS = 1_000_000
_MOST_CHOICES = 8
_PER_MESSAGE = 16
"""Tokens that a chat template may add to a message."""


class Validator(Protocol):
    """Checks a value against one JSON schema."""

    def is_valid(self, instance: Any) -> bool: ...


class BadAnswer(Exception):
    """What a vendor answered cannot be used; `tokens` where it told what the answer has cost."""

    def __init__(self, reason: str, tokens: tuple[int, int] | None = None) -> None:
        super().__init__(reason)
        self.tokens = tokens


@dataclass(frozen=True)
class Asked:
    """A request, understood as far as the gateway needs to."""

    kind: Kind
    route: str
    body: dict[str, Any] = field(default_factory=dict)
    stream: bool = False
    usage_wanted: bool = True
    """Whether the caller of a stream wants the event with the usage."""
    validator: Validator | None = None
    json_wanted: bool = False
    images: int = 0
    text_bytes: int = 0
    """The bytes of all that is text: never fewer than its tokens."""
    answer_tokens: int | None = None
    choices: int = 1
    form: tuple[tuple[str, str], ...] = ()
    file: tuple[str, str, bytes] | None = None
    """Name, media type and content of a recording."""

    def most_in(self, target: Target) -> int:
        """No vendor counts more tokens for the request than this: a token has a byte at least."""
        return 0 if self.file is not None else self.text_bytes + self.images * target.image_tokens

    def most_out(self, route: ModelRoute) -> int:
        if self.kind is not Kind.CHAT:
            return 0
        return self.choices * (self.answer_tokens or route.answer_tokens)

    def for_target(self, target: Target, route: ModelRoute) -> tuple[bytes, str]:
        """The body that goes to the target, and its content type."""
        if self.file is not None:
            return _multipart([("model", target.model), *self.form], self.file)
        body = self.body | {"model": target.model}
        if self.kind is Kind.CHAT:
            if self.answer_tokens is None:
                body["max_tokens"] = route.answer_tokens
            if self.stream:
                body["stream_options"] = {"include_usage": True}
        return orjson.dumps(body), "application/json"

    def kept(self) -> dict[str, Any]:
        """What is kept of the request: texts, without images and recordings."""
        if self.file is not None:
            return {"file": self.file[0], "bytes": len(self.file[2])}
        return {name: _without_data(self.body[name]) for name in ("messages", "input") if name in self.body}


def read_chat(raw: bytes) -> Asked:
    """Understand the body of a chat request; raises Invalid."""
    body, route = _object(raw)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise _unfit("messages", "应为非空的消息列表", "it must be a list of messages, not empty")
    stream = _typed(body, "stream", bool, False)
    options = _typed(body, "stream_options", dict, {})
    tokens = _typed(body, "max_completion_tokens", int, None) or _typed(body, "max_tokens", int, None)
    if tokens is not None and not 1 <= tokens <= _MOST_TOKENS:
        raise _unfit("max_tokens", f"应在 1 至 {_MOST_TOKENS} 之间", f"it must be 1 to {_MOST_TOKENS}")
    choices = _typed(body, "n", int, 1)
    if not 1 <= choices <= _MOST_CHOICES:
        raise _unfit("n", f"应在 1 至 {_MOST_CHOICES} 之间", f"it must be 1 to {_MOST_CHOICES}")
    form = _typed(body, "response_format", dict, {})
    validator = _validator(form) if form.get("type") == "json_schema" else None
    images, data_bytes = _data_parts(messages)
    return Asked(
        Kind.CHAT,
        route,
        body,
        stream=stream,
        usage_wanted=options.get("include_usage") is True,
        validator=validator,
        json_wanted=form.get("type") in ("json_schema", "json_object"),
        images=images,
        text_bytes=len(orjson.dumps(body)) - data_bytes + _PER_MESSAGE * len(messages),
        answer_tokens=tokens,
        choices=choices,
    )


def read_embeddings(raw: bytes) -> Asked:
    """Understand the body of a request for embeddings; raises Invalid."""
    body, route = _object(raw)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
        raise _unfit("input", "应为文本或非空的文本列表", "it must be a text or a list of texts, not empty")
    return Asked(Kind.EMBEDDING, route, body | {"input": texts}, text_bytes=len(orjson.dumps(texts)))


def _object(raw: bytes) -> tuple[dict[str, Any], str]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid("model_body_unreadable", field="body", reason=str(error)[:120]) from error
    if not isinstance(body, dict):
        raise _unfit("body", "应为 JSON 对象", "it must be a JSON object")
    route = body.get("model")
    if not isinstance(route, str) or not route:
        raise _unfit("model", "应为通道名称，例如 chat", "it must be the name of a route, such as chat")
    return body, route


def _typed(body: dict[str, Any], name: str, kind: type, standard: Any) -> Any:
    value = body.get(name)
    if value is None:
        return standard
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _unfit(name, f"类型应为 {kind.__name__}", f"it must be of type {kind.__name__}")
    return value


def _unfit(name: str, zh: str, en: str) -> Invalid:
    return Invalid("model_body_unfit", field=name, reason_zh=zh, reason_en=en)


def _data_parts(messages: list[dict[str, Any]]) -> tuple[int, int]:
    """How many images there are, and the bytes of those that lie in the body itself."""
    images = size = 0
    for message in messages:
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and isinstance(part.get("image_url"), dict):
                images += 1
                url = part["image_url"].get("url")
                if isinstance(url, str) and url.startswith("data:") and url.isascii():
                    size += len(url)
    return images, size


def _without_data(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_data(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_data(each) for each in value]
    if isinstance(value, str) and value.startswith("data:"):
        return f"{value[:40].partition(',')[0]}, {len(value)} bytes"
    return value


def _validator(form: dict[str, Any]) -> Validator:
    described = form.get("json_schema")
    schema = described.get("schema") if isinstance(described, dict) else None
    if not isinstance(schema, dict):
        raise _unfit("response_format", "缺少 json_schema.schema", "json_schema.schema is missing")
    return _compiled(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=256)
def _compiled(schema: bytes) -> Validator:
    loaded = orjson.loads(schema)
    try:
        jsonschema.Draft202012Validator.check_schema(loaded)
    except (jsonschema.SchemaError, RecursionError) as error:
        reason = getattr(error, "message", "nested too deeply")[:120]
        raise _unfit("response_format", f"不是有效的 JSON Schema：{reason}", f"no JSON schema: {reason}") from error
    # With a registry of its own no reference is ever fetched from the network.
    validator: Validator = jsonschema.Draft202012Validator(loaded, registry=REGISTRY)
    return validator


def _multipart(form: list[tuple[str, str]], file: tuple[str, str, bytes]) -> tuple[bytes, str]:
    boundary = "chengnao-7e1c4d0b9a52"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'
        for name, value in form
    ]
    name, media_type, content = file
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{_quoted(name)}"\r\n'
        f"Content-Type: {_quoted(media_type)}\r\n\r\n"
    )
    end = f"\r\n--{boundary}--\r\n".encode()
    return "".join(parts).encode() + content + end, f"multipart/form-data; boundary={boundary}"


def _quoted(text: str) -> str:
    return re.sub(r'[\r\n"\\]', "_", text)


# --- answers -----------------------------------------------------------------------------------------------------


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
        raise BadAnswer(f"the text is not JSON: {str(error)[:80]}", tokens) from error
    try:
        valid = asked.validator is None or asked.validator.is_valid(value)
    except Exception as error:  # a reference that leads nowhere, a pattern that is none
        raise BadAnswer(f"the schema cannot be applied: {type(error).__name__}", tokens) from error
    if not valid:
        raise BadAnswer("the text does not fit the schema", tokens)


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
    if not all(type(each) is int and 0 <= each < 2**40 for each in found):
        return None
    return found[0], found[1]


def model_of(body: dict[str, Any]) -> str:
    """The name that the vendor gives the model; empty where it is none."""
    name = body.get("model")
    return name if isinstance(name, str) and name.isprintable() and len(name) <= 200 else ""


# --- streams -----------------------------------------------------------------------------------------------------

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
