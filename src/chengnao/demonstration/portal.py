"""The web API as the demonstration's people and machines use it: over HTTP, with an account or a token."""

from types import TracebackType
from typing import Any, Self

import httpx

_TIMEOUT = httpx.Timeout(20.0, connect=5.0)


class NotNowError(Exception):
    """The platform cannot answer at present (down, busy, restarting): try again later."""


class RefusedError(Exception):
    """The platform has understood and says no; trying the same again is of no use."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


def _client(base_url: str) -> httpx.AsyncClient:
    # trust_env off: a proxy set for the outside world must not get the city's own traffic.
    limits = httpx.Limits(max_connections=2, max_keepalive_connections=1)
    return httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT, trust_env=False, verify=False, limits=limits)  # noqa: S501


async def _send(client: httpx.AsyncClient, method: str, path: str, **request: Any) -> Any:
    try:
        response = await client.request(method, path, **request)
    except httpx.HTTPError as error:
        raise NotNowError(f"{method} {path}: {error!r}") from error
    if response.status_code >= 500 or response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise NotNowError(f"{method} {path}: {response.status_code}")
    try:
        body = response.json() if response.content else None
    except ValueError as error:
        raise NotNowError(f"{method} {path}: an answer that is no JSON") from error
    if response.is_error:
        detail = body.get("error") if isinstance(body, dict) else None
        told = detail if isinstance(detail, dict) else {}
        raise RefusedError(response.status_code, str(told.get("code", "")), str(told.get("message", body)))
    return body


class Machine:
    """A machine with a token."""

    def __init__(self, base_url: str, token: str) -> None:
        self._client = _client(base_url)
        self._client.headers["Authorization"] = f"Bearer {token}"

    async def get(self, path: str, **query: Any) -> Any:
        return await _send(self._client, "GET", path, params=query)

    async def post(self, path: str, body: Any) -> Any:
        return await _send(self._client, "POST", path, json=body)

    async def close(self) -> None:
        await self._client.aclose()


class Account:
    """A simulated person who signs in when needed, and again when the session is gone."""

    def __init__(self, base_url: str, username: str, password: str) -> None:
        self.username = username
        self._password = password
        self._client = _client(base_url)
        self._signed_in = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, **query: Any) -> Any:
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Any) -> Any:
        return await self._call("POST", path, json=body)

    async def upload(self, path: str, name: str, content: bytes, media_type: str) -> Any:
        return await self._call("POST", path, files={"file": (name, content, media_type)})

    async def _call(self, method: str, path: str, **request: Any) -> Any:
        if not self._signed_in:
            await self._sign_in()
        try:
            return await _send(self._client, method, path, **request)
        except RefusedError as refused:
            if refused.status != httpx.codes.UNAUTHORIZED:
                raise
        await self._sign_in()
        return await _send(self._client, method, path, **request)

    async def _sign_in(self) -> None:
        self._signed_in = False
        self._client.cookies.clear()
        self._client.headers.pop("X-CSRF-Token", None)
        me = await _send(
            self._client, "POST", "/api/session", json={"username": self.username, "password": self._password}
        )
        self._client.headers["X-CSRF-Token"] = me["csrf_token"]
        self._signed_in = True
