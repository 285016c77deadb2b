"""How the platform's own code asks a model: by route, through the gateway, in the name of a unit."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from chengnao.kernel.errors import ChengnaoError, Invalid
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.models.errors import BudgetSpent, ModelUnavailable

Message = dict[str, Any]
"""A message in OpenAI's shape: role, and content as a text or as parts."""

_KNOWN_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """What a model is asked, and on whose behalf.

    `route` is a name of the gateway's table, never a vendor's model. `schema` is a JSON schema that the answer must
    fulfil. `data` is public, internal or sensitive: no model below that class sees the messages. `seconds` bounds
    the whole call, with all that is tried again.
    """

    messages: Sequence[Message]
    purpose: str
    route: str = "chat"
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    data: str = "internal"
    unit_id: str | None = None
    division_code: str | None = None
    trace: str | None = None
    seconds: float = 60.0


@dataclass(frozen=True, kw_only=True)
class ChatReply:
    """What a model answered; `money` in yuan, `model` as name@version where the target tells a version."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    money: float
    model: str
    target: str


class ModelClient:
    """A client of the gateway of this installation; one for a process, and for one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._on = settings.models
        self._home = settings.home
        self._address = f"http://127.0.0.1:{settings.port('models')}/v1"
        self._http: httpx.AsyncClient | None = None
        self._routes: tuple[float, frozenset[str]] = (-_KNOWN_SECONDS, frozenset())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    async def chat(self, request: ChatRequest) -> ChatReply:
        """The answer of a model.

        Raises ModelUnavailable where no model gives one that can be used, BudgetSpent where a limit is reached,
        Invalid where the request itself is at fault, such as an unknown route.
        """
        body: dict[str, Any] = {"model": request.route, "messages": list(request.messages)}
        if request.max_tokens is not None:
            body["max_tokens"] = request.max_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if request.schema is not None:
            schema = {"name": "answer", "schema": request.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        answer = await self._ask("POST", "/chat/completions", request.seconds, json=body, headers=_headers(request))
        try:
            given = answer.json()
            usage = given.get("usage") or {}
            return ChatReply(
                text=given["choices"][0]["message"]["content"] or "",
                prompt_tokens=int(usage.get("prompt_tokens", 0)),
                completion_tokens=int(usage.get("completion_tokens", 0)),
                money=int(answer.headers.get("x-chengnao-money", "0")) / 1_000_000,
                model=answer.headers.get("x-chengnao-model", str(given.get("model", ""))),
                target=answer.headers.get("x-chengnao-target", ""),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ModelUnavailable("model_answer_unreadable", reason=repr(error)) from error

    async def available(self, route: str) -> bool:
        """Whether the route has a target that is not known to be down; false too where the gateway is."""
        if not self._on:
            return False
        at, routes = self._routes
        if time.monotonic() - at >= _KNOWN_SECONDS:
            try:
                answer = await self._ask("GET", "/models", 2.0)
                routes = frozenset(each["id"] for each in answer.json()["data"] if each["available"])
            except (ChengnaoError, ValueError, LookupError, TypeError):
                routes = frozenset()
            self._routes = (time.monotonic(), routes)
        return route in routes

    async def _ask(self, method: str, path: str, seconds: float, **options: Any) -> httpx.Response:
        if not self._on:
            raise ModelUnavailable("models_off", retry_after=3600)
        if self._http is None:
            key = load_secrets(self._home).model_key
            # The gateway keeps the time; the client waits a little longer, for its answer that time is up.
            self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False)
        try:
            answer = await self._http.request(method, self._address + path, timeout=seconds + 2.0, **options)
        except httpx.TimeoutException as error:
            raise ModelUnavailable("model_too_slow", seconds=seconds) from error
        except httpx.HTTPError as error:
            raise ModelUnavailable("models_down", reason=type(error).__name__) from error
        if answer.is_error:
            raise _error(answer)
        return answer


def _headers(request: ChatRequest) -> dict[bytes, bytes]:
    named = {
        "X-Chengnao-Unit": request.unit_id,
        "X-Chengnao-Division": request.division_code,
        "X-Chengnao-Purpose": request.purpose,
        "X-Chengnao-Trace": request.trace,
        "X-Chengnao-Seconds": f"{request.seconds:g}",
        "X-Data-Class": request.data,
    }
    return {name.encode(): value.encode() for name, value in named.items() if value}


def _error(answer: httpx.Response) -> ChengnaoError:
    """The error that the gateway answered, as an exception of ours."""
    try:
        given = answer.json()["error"]
        code, params = str(given["code"]), dict(given["params"])
    except (ValueError, LookupError, TypeError):
        return ModelUnavailable("model_answer_unreadable", reason=f"HTTP {answer.status_code}")
    retry_after = int(params.pop("retry_after", 5))
    if answer.status_code == 429:
        return BudgetSpent(code, retry_after=retry_after, **params)
    if answer.status_code >= 500:
        return ModelUnavailable(code, retry_after=retry_after, **params)
    return Invalid(code, **params)
