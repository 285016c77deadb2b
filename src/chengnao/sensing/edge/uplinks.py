"""The lines to the centre: is each of them up, and which one is to be used now.

Each line is probed all the time, also the one that is not used, so that its state is known before it is needed. A line
is down after a few failures in a row, of probes or of what was sent. The way back to the primary line is taken once it
has stood without a failure for a while; from a dead line to one that stands, at once.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from chengnao.kernel.clock import Clock
from chengnao.sensing.edge.configuration import EdgeSettings, LineSettings, SwitchSettings

log = logging.getLogger(__name__)

_MAX_SWITCHES = 200


@dataclass(frozen=True, slots=True)
class Switch:
    """The line in use changed; empty: none stands."""

    at: datetime
    before: str
    after: str
    reason: str


@dataclass
class Health:
    """Of one line, by a clock that never jumps."""

    up: bool = False
    failures: int = 0
    up_since: float = 0.0
    round_trip: float | None = None
    error: str = ""
    """What went wrong last."""

    def good(self, now: float, round_trip: float | None = None) -> None:
        if not self.up or self.failures:
            self.up_since = now
        self.up, self.failures = True, 0
        if round_trip is not None:
            self.round_trip = round_trip

    def bad(self, error: str, failures: int) -> None:
        self.failures += 1
        self.error = error
        if self.failures >= failures:
            self.up = False


@dataclass
class Line:
    """One way to the centre."""

    name: str
    settings: LineSettings
    client: httpx.AsyncClient
    health: Health = field(default_factory=Health)
    down: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the line is down: whoever waits on it gives up."""

    def good(self, round_trip: float | None = None) -> None:
        self.health.good(time.monotonic(), round_trip)
        self.down.clear()

    def bad(self, error: str, failures: int) -> None:
        self.health.bad(error, failures)
        if not self.health.up:
            self.down.set()

    def shown(self) -> dict[str, Any]:
        health = self.health
        return {
            "url": self.settings.url,
            "up": health.up,
            "round_trip_ms": None if health.round_trip is None else round(health.round_trip * 1000, 1),
            "error": "" if health.up else health.error,
        }


def choose(current: str, healths: dict[str, Health], settings: SwitchSettings, now: float) -> str:
    """The line to use; empty where none stands. `healths` in the order of preference."""
    standing = [name for name, health in healths.items() if health.up]
    if not standing:
        return ""
    if current not in standing:
        return standing[0]
    for name in standing[: standing.index(current)]:
        if now - healths[name].up_since >= settings.return_seconds:
            return name
    return current


class Uplinks:
    """Both lines of an edge."""

    def __init__(self, settings: EdgeSettings, clock: Clock) -> None:
        self.switching = settings.switching
        self._clock = clock
        given = {"primary": settings.primary, "standby": settings.standby}
        self.lines = {
            name: Line(name, line, _client(line, settings.token)) for name, line in given.items() if line is not None
        }
        self.current = ""
        self.switches: deque[Switch] = deque(maxlen=_MAX_SWITCHES)
        """Those that the centre has not been told of yet."""
        self.standing = asyncio.Event()
        self.changed: Callable[[], None] = lambda: None

    @property
    def line(self) -> Line | None:
        return self.lines.get(self.current)

    async def run(self) -> None:
        """Probe until cancelled."""
        async with asyncio.TaskGroup() as group:
            for line in self.lines.values():
                group.create_task(self._probe(line))

    async def close(self) -> None:
        for line in self.lines.values():
            await line.client.aclose()

    def bad(self, line: Line, error: Exception) -> None:
        """Something sent over the line came to nothing."""
        line.bad(_words(error), self.switching.failures)
        self.decide(f"{line.name}: {_words(error)}")

    def decide(self, reason: str) -> None:
        """Take the line that is to be used now."""
        healths = {name: line.health for name, line in self.lines.items()}
        after = choose(self.current, healths, self.switching, time.monotonic())
        if after == self.current:
            return
        log.warning("line %s instead of %s: %s", after or "none", self.current or "none", reason)
        self.switches.append(Switch(self._clock.now(), self.current, after, reason[:200]))
        self.current = after
        if after:
            self.standing.set()
        else:
            self.standing.clear()
        self.changed()

    async def _probe(self, line: Line) -> None:
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(self.switching.probe_timeout):
                    answer = await line.client.get("/healthz")
                    answer.raise_for_status()
            except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
                self.bad(line, error)
            else:
                line.good(time.monotonic() - began)
                self.decide(f"{line.name} stands")
            await asyncio.sleep(max(0.0, self.switching.probe_seconds - (time.monotonic() - began)))


def _client(line: LineSettings, token: str) -> httpx.AsyncClient:
    options: list[tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]] = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ]
    if line.interface is not None:
        options.append((socket.SOL_SOCKET, socket.SO_BINDTODEVICE, line.interface.encode()))
    trust: ssl.SSLContext | bool = True
    if line.ca_file is not None:
        trust = ssl.create_default_context(cafile=str(line.ca_file))
    transport = httpx.AsyncHTTPTransport(
        verify=trust,
        local_address=line.source,
        socket_options=options,
        # Idle connections may have died with the line; a fresh one tells at once.
        limits=httpx.Limits(max_connections=8, keepalive_expiry=5.0),
    )
    return httpx.AsyncClient(
        base_url=line.url,
        transport=transport,
        headers={"Authorization": f"Bearer {token}"},
        timeout=httpx.Timeout(10.0, connect=3.0),
        trust_env=False,
    )


def _words(error: BaseException) -> str:
    return f"{type(error).__name__} {error}".strip()[:200]
