"""The gateways' own view of the registry: every device in memory, kept fresh at small cost."""

import asyncio
import logging
import time
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.access.service import find_token
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.repository import batched
from chengnao.sensing.devices.model import Device, DeviceClass, Life, Point, Protocol, device_classes
from chengnao.sensing.devices.repository import DeviceRepository
from chengnao.sensing.devices.roster_repository import Listed, RosterRepository

log = logging.getLogger(__name__)

REFRESH_SECONDS = 1.0
_TOKEN_SECONDS = 10.0
_SENDERS = frozenset({Role.GATEWAY, Role.INTEGRATOR})


_NOTHING: Mapping[str, Any] = MappingProxyType({})
_PROTOCOLS = {protocol.value: protocol for protocol in Protocol}
_LIVES = {life.value: life for life in Life}


@dataclass(slots=True)
class Entry:
    """One known device; `index` is its row in the arrays of gateways."""

    index: int
    id: str
    division_code: str
    unit_id: str | None
    kind: DeviceClass
    class_index: int
    protocol: Protocol = Protocol.HTTP
    address: str = ""
    interval_seconds: int = 300
    settings: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    points: Mapping[str, Point] = field(default_factory=lambda: _NOTHING)
    life: Life = Life.IN_SERVICE
    on_duty: bool = True
    stuck: Mapping[str, float] = field(default_factory=lambda: _NOTHING)
    """At which value a metric is stuck."""
    behind: Mapping[str, "Entry"] = field(default_factory=lambda: _NOTHING)


class RegistryCache:
    """All devices by id, and by the name that they give themselves in their protocol."""

    def __init__(self) -> None:
        self.devices: dict[str, Entry] = {}
        self._addresses: dict[str, dict[str, Entry]] = {}
        self._behind: dict[str, dict[str, Entry]] = {}
        self.classes = list(device_classes().values())
        self.metrics: dict[str, int] = {}
        self.low, self.high = self._ranges()
        self._class_index = {kind.code: number for number, kind in enumerate(self.classes)}

    def _ranges(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Valid range by class and metric; the last column stands for metrics that no class knows."""
        names = {name for kind in self.classes for name in kind.metrics}
        self.metrics = {name: number for number, name in enumerate(sorted(names))}
        low = np.full((len(self.classes), len(names) + 1), -np.inf)
        high = np.full_like(low, np.inf)
        for row, kind in enumerate(self.classes):
            for name, metric in kind.metrics.items():
                low[row, self.metrics[name]] = metric.low
                high[row, self.metrics[name]] = metric.high
        return low, high

    def of_address(self, protocol: str, address: str) -> Entry | None:
        """The device that gives itself this name in this protocol."""
        return self._addresses.get(protocol, _NOTHING).get(address)

    def speaking(self, protocol: str) -> Mapping[str, Entry]:
        """All devices of a protocol, by their addresses."""
        return self._addresses.get(protocol, _NOTHING)

    def put(self, devices: Iterable[Device]) -> None:
        for device in devices:
            number = self._class_index.get(device.class_code)
            if number is None:
                log.warning("device %s has the unknown class %s and is not served", device.id, device.class_code)
                continue
            entry = self.devices.get(device.id)
            if entry is None:
                entry = Entry(len(self.devices), device.id, "", None, self.classes[number], number)
                self.devices[device.id] = entry
                entry.behind = self._behind.get(device.id, _NOTHING)
            entry.division_code, entry.unit_id = device.division_code, device.unit_id
            entry.kind, entry.class_index = self.classes[number], number
            known = self._addresses.setdefault(entry.protocol, {})
            if known.get(entry.address) is entry:
                del known[entry.address]
            self._leave(entry)
            entry.protocol, entry.address = device.protocol, device.address or device.id
            entry.interval_seconds = device.interval_seconds
            entry.settings = device.settings or _NOTHING
            entry.life, entry.on_duty = device.life, device.life.on_duty
            stuck = {fault.metric: fault.value for fault in device.faults if fault.value is not None}
            entry.stuck = stuck or _NOTHING
            of_class = entry.kind.points.get(device.protocol, _NOTHING)
            entry.points = {**of_class, **device.points} if device.points else of_class
            if entry.protocol is not Protocol.HTTP:  # found by their ids
                of_protocol = self._addresses.setdefault(entry.protocol, {})
                holder = of_protocol.get(entry.address)
                if holder is None or entry.life is not Life.RETIRED:  # the one that follows it has its address
                    of_protocol[entry.address] = entry
            self._join(entry)

    def take(self, listed: Iterable[Listed]) -> list[str]:
        """Like `put`, for a first filling; returns the ids of those that are to be `put` as a whole."""
        special = []
        for each in listed:
            number = self._class_index.get(each.class_code)
            if number is None or each.special or each.id in self.devices:
                special.append(each.id)
                continue
            kind, protocol, life = self.classes[number], _PROTOCOLS[each.protocol], _LIVES[each.life]
            entry = Entry(
                len(self.devices),
                each.id,
                intern(each.division_code),
                each.unit_id and intern(each.unit_id),
                kind,
                number,
                protocol,
                each.address or each.id,
                each.interval_seconds,
                _NOTHING,
                kind.points.get(protocol, _NOTHING),
                life,
                life.on_duty,
            )
            self.devices[each.id] = entry
            if self._behind:
                entry.behind = self._behind.get(each.id, _NOTHING)
            if protocol is not Protocol.HTTP and (
                life is not Life.RETIRED or entry.address not in self._addresses.get(protocol, _NOTHING)
            ):
                self._addresses.setdefault(protocol, {})[entry.address] = entry
        return special

    def become(self, other: "RegistryCache") -> None:
        """Hold what the other holds; a device that it does not hold is gone."""
        self.__dict__.update(other.__dict__)

    def _leave(self, entry: Entry) -> None:
        """It may be reached another way from now on."""
        via = entry.settings.get("via")
        if isinstance(via, str) and self._behind.get(via, _NOTHING).get(entry.address) is entry:
            del self._behind[via][entry.address]

    def _join(self, entry: Entry) -> None:
        via = entry.settings.get("via")
        if isinstance(via, str):
            if via not in self._behind:
                self._behind[via] = {}
                through = self.devices.get(via)
                if through is not None:
                    through.behind = self._behind[via]
            self._behind[via][entry.address] = entry


class Feed(typing.Protocol):
    """Whoever keeps a cache fresh."""

    async def refresh(self) -> None:
        """Take in what has changed; raises Unavailable where that cannot be known now."""


class Tokens(typing.Protocol):
    """Whoever knows the tokens of machines."""

    async def principal(self, secret: str) -> Principal | None:
        """The machine that may send readings; raises Unavailable where that cannot be known now."""


class RegistryFeed:
    """Keeps a cache fresh from the database."""

    def __init__(self, cache: RegistryCache, database: Database) -> None:
        self.cache = cache
        self._database = database
        self._since: datetime | None = None
        self._asked = -60.0
        self._error: Exception | None = None
        self._lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Take in what had changed when this was called; callers share queries, and there are 4 a second at most.

        Raises Unavailable where the database is away: then a device that is not known here may well be registered.
        """
        called = time.monotonic()
        async with self._lock:
            if self._asked < called:
                await asyncio.sleep(self._asked + 0.25 - time.monotonic())
                self._asked = time.monotonic()
                self._error = await self._try()
            if self._error is not None:
                raise Unavailable("database_unavailable") from self._error

    async def _try(self) -> Exception | None:
        try:
            async with self._database.unit_of_work() as uow:
                if self._since is None:
                    self._since = await self._fill(uow)
                else:
                    devices, self._since = await DeviceRepository(uow.session).changed_since(self._since)
                    self.cache.put(devices)
        except (SQLAlchemyError, psycopg.Error, OSError) as error:
            return error
        return None

    async def _fill(self, uow: UnitOfWork) -> datetime:
        repository = DeviceRepository(uow.session)
        since = await repository.horizon()
        special: list[str] = []
        async for part in RosterRepository(uow.session).all():
            special += self.cache.take(part)
        for ids in batched(special, 5_000):
            self.cache.put(await repository.by_ids(Scope(), ids))
            uow.session.expunge_all()
        return since

    async def refresh_if_possible(self) -> None:
        """Refresh, or go on with what is known where the database is away."""
        try:
            await self.refresh()
        except Unavailable as error:
            log.warning("the registry cannot be read: %s", error.__cause__)

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            await self.refresh_if_possible()
            await asyncio.sleep(REFRESH_SECONDS)


class TokenCache:
    """Who a bearer token speaks for; a token that is revoked is refused within 10 seconds.

    While the database is away nothing can be revoked, and a token known before goes on being known.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Principal | None]] = {}

    async def principal(self, secret: str) -> Principal | None:
        """The machine that may send readings; None for a token that is wrong, ended, or for something else.

        Raises Unavailable where the database is away and the token is new.
        """
        now = time.monotonic()
        found = self._known.get(secret)
        if found is not None and now - found[0] < _TOKEN_SECONDS:
            return found[1]
        try:
            async with self._database.unit_of_work() as uow:
                token = await find_token(uow, secret)
        except (SQLAlchemyError, OSError) as error:
            if found is not None and found[1] is not None:
                return found[1]
            raise Unavailable("database_unavailable") from error
        principal = None if token is None or token.role not in _SENDERS else token.principal
        if len(self._known) > 10_000:  # guessing must not fill the memory
            self._known.clear()
        self._known[secret] = (now, principal)
        return principal


def may_write(scope: Scope, entry: Entry) -> bool:
    """The rule `machine-sends-readings` of the policies, for many devices at once."""
    inside = scope.division_code == CITY or entry.division_code.startswith(scope.division_code)
    return inside and (scope.unit_id is None or entry.unit_id == scope.unit_id)


def sender_scope(principal: Principal) -> Scope:
    return Scope(principal.division_code, principal.unit_id)
