"""The registry at an edge: all devices of its scope, fetched from the centre, kept on disk for the days without it."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import orjson

from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.access.service import digest
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.files import write_atomically
from chengnao.sensing.devices.model import Device, Fault, Life, Point, Protocol
from chengnao.sensing.edge.forwarding import LINE_ERRORS, over
from chengnao.sensing.edge.uplinks import Uplinks
from chengnao.sensing.gateways.registry import RegistryCache

log = logging.getLogger(__name__)

_ASK_SECONDS = 2.0
_TOKEN_SECONDS = 10.0
_FETCH_SECONDS = 300.0


class SnapshotFeed:
    """Keeps an edge's cache like the centre's registry, as far as a line stands."""

    def __init__(self, cache: RegistryCache, uplinks: Uplinks, file: Path) -> None:
        self.cache = cache
        self.mark = ""
        self.scope = Scope()
        self._uplinks = uplinks
        self._file = file
        self._asked = -60.0
        self._lock = asyncio.Lock()
        self._load()

    async def refresh(self) -> None:
        """Take in what had changed when this was called; raises Unavailable where no line stands."""
        called = time.monotonic()
        async with self._lock:
            if self._asked > called:
                return
            if called - self._asked < _ASK_SECONDS:
                await asyncio.sleep(_ASK_SECONDS - (called - self._asked))
            asked = time.monotonic()
            await self._fetch()
            self._asked = asked

    async def follow(self, mark: str) -> None:
        """The centre's registry is at this mark: fetch it where it is another one than here."""
        if mark != self.mark:
            await self.refresh()

    async def _fetch(self) -> None:
        line = self._uplinks.line
        if line is None:
            raise Unavailable("edge_alone", retry_after=10)
        try:
            answer = await over(line, "GET", "/edge/registry", _FETCH_SECONDS, headers={"If-None-Match": self.mark})
        except LINE_ERRORS as error:
            self._uplinks.bad(line, error)
            raise Unavailable("edge_alone", retry_after=10) from error
        if answer.status_code == 304:
            return
        if answer.status_code != 200:
            raise Unavailable("edge_alone", retry_after=10)
        await asyncio.to_thread(write_atomically, self._file, answer.content)
        self._take(answer.content)

    def _load(self) -> None:
        try:
            self._take(self._file.read_bytes())
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            log.warning("the kept registry %s is unreadable and is fetched anew: %s", self._file, error)

    def _take(self, content: bytes) -> None:
        told = orjson.loads(content)
        fresh = RegistryCache()
        fresh.put(device_from(each) for each in told["devices"])
        self.cache.become(fresh)
        self.mark = told["mark"]
        self.scope = Scope(told["division_code"], told["unit_id"])


_KNOWN = {each.name for each in fields(Device)}


def device_from(told: dict[str, Any]) -> Device:
    """A device as the centre tells it; what this version does not know of it is left out."""
    values = {name: value for name, value in told.items() if name in _KNOWN}
    return Device(
        **values
        | {
            "protocol": Protocol(told["protocol"]),
            "faults": tuple(
                Fault(each["metric"], each["kind"], datetime.fromisoformat(each["since"])) for each in told["faults"]
            ),
            "points": {name: Point(**point) for name, point in told["points"].items()},
            "life": Life(told.get("life", Life.IN_SERVICE)),
            "upkeep_due": date.fromisoformat(told["upkeep_due"]) if told.get("upkeep_due") else None,
        }
    )


class EdgeTokens:
    """Machines that send to the edge by HTTP: asked of the centre, and remembered while it is away."""

    def __init__(self, uplinks: Uplinks, file: Path) -> None:
        self._uplinks = uplinks
        self._file = file
        self._asked: dict[str, float] = {}
        self._known: dict[str, dict[str, Any]] = {}
        with suppress(FileNotFoundError, ValueError, TypeError):
            self._known = dict(orjson.loads(file.read_bytes()))

    async def principal(self, secret: str) -> Principal | None:
        """The machine; None where the centre knows none. Raises Unavailable for a new one while no line stands."""
        name = digest(secret)
        if time.monotonic() - self._asked.get(name, -_TOKEN_SECONDS) >= _TOKEN_SECONDS:
            await self._ask(name)
        token = self._known.get(name)
        if token is None:
            return None
        roles = frozenset({Role.GATEWAY})
        return Principal(token["id"], token["name"], "machine", roles, token["division_code"], token["unit_id"])

    async def _ask(self, name: str) -> None:
        line = self._uplinks.line
        try:
            if line is None:
                raise OSError("no line stands")
            answer = await over(line, "POST", "/edge/token", 5.0, json={"digest": name})
            answer.raise_for_status()
            token = orjson.loads(answer.content)["token"]
        except LINE_ERRORS as error:
            if name in self._known:
                return
            raise Unavailable("edge_alone", retry_after=10) from error
        if len(self._asked) > 10_000:  # guessing must not fill the memory
            self._asked.clear()
        self._asked[name] = time.monotonic()
        if token == self._known.get(name):
            return
        if token is None:
            del self._known[name]
        else:
            self._known[name] = token
        await asyncio.to_thread(write_atomically, self._file, orjson.dumps(self._known))
