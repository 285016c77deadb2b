"""What callers ask, in OpenAI's shapes: read with distrust, and written for a vendor."""

import re
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
