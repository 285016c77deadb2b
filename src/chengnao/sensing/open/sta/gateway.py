"""New observations go to a gateway over its own interface: the same limits, qualities and quarantine for everyone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from chengnao.kernel.errors import Forbidden, Invalid, TooMany, Unauthenticated, Unavailable
from chengnao.kernel.settings import Settings
from chengnao.sensing.open.sta.creating import NewReading

TIMEOUT_SECONDS = 20.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True)
class Taken:
    """How many rows are on the log's disk, and why the others are not, by their number."""

    accepted: int
    refused: dict[int, dict[str, Any]] = field(default_factory=dict)


async def send_readings(settings: Settings, secret: str, readings: Sequence[NewReading]) -> Taken:
    """Hand the readings over with the sender's own token.

    Raises what the gateway says of the whole: that the token is no sender's, that it is too much, that it is away.
    """
    host = _ANYWHERE.get(settings.host, settings.host)
    url = f"http://{host}:{settings.port('gateway')}/readings"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as client:
            headers = {"Authorization": f"Bearer {secret}"}
            answer = await client.post(url, json=[each.row() for each in readings], headers=headers)
    except httpx.HTTPError as error:
        raise Unavailable("bus_unavailable", reason=type(error).__name__) from error
    body = answer.json()
    if answer.is_success:
        return Taken(int(body["accepted"]), {int(each["index"]): each for each in body["rejected"]})
    code, params = body["error"]["code"], body["error"]["params"]
    retry_after = int(params.pop("retry_after", 1))
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise TooMany(code, retry_after=retry_after, **params)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise Unauthenticated(code, **params)
    if answer.status_code == httpx.codes.FORBIDDEN:
        raise Forbidden(code, **params)
    if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise Unavailable(code, retry_after=retry_after, **params)
    raise Invalid(code, **params)
