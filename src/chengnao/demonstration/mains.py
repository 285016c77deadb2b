"""Mains burst now and then; a crew mends one when the platform says that its incident is handled."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from chengnao.demonstration.chance import seeded
from chengnao.demonstration.memory import Memory, keep
from chengnao.demonstration.water import Waterworks

log = logging.getLogger(__name__)

FIRST_BURST = timedelta(minutes=20)
_BETWEEN_H = (2.5, 7.0)
_LEAKING_AT_MOST = 2
_BUSY = 27
"""Open incidents from which on no main bursts."""

_FOUND_AT_LAST = timedelta(hours=16)
"""A leak that no incident told of is found and mended after this."""

_SOLVED = frozenset({"handled", "verified", "closed"})


class Mains:
    """Decides when mains burst and are mended. Solving runs in a thread; one change at a time."""

    def __init__(self, home: Path, seed: int, works: Waterworks, next_burst: datetime | None, now: datetime) -> None:
        self._home = home
        self._seed = seed
        self._works = works
        self._next_burst = next_burst or now + FIRST_BURST
        self._mended: set[str] = set()

    def see(self, incident: Mapping[str, Any]) -> None:
        """Take note of an incident: once it is handled, the leak behind its warnings is to be mended."""
        if incident["state"] not in _SOLVED:
            return
        devices = {
            warning["device_id"]: datetime.fromisoformat(warning["opened_at"]) for warning in incident["warnings"]
        }
        for burst in self._works.leaking():
            if any(devices.get(device, burst.starts_at) > burst.starts_at for device in burst.seen_by):
                self._mended.add(burst.id)

    async def step(self, now: datetime, open_incidents: int) -> None:
        """Bring the network up to `now`: a new day, leaks that are mended, and perhaps a new burst."""
        day = self._works.day.date
        await asyncio.to_thread(self._works.advance, now)
        changed = self._works.day.date != day
        for burst in self._works.leaking():
            if burst.id in self._mended or now - burst.starts_at > _FOUND_AT_LAST:
                log.info("main at junction %s is mended", burst.node)
                await asyncio.to_thread(self._works.mend, burst.id, now)
                changed = True
        self._mended.clear()
        if now >= self._next_burst:
            await self._burst(now, open_incidents)
            changed = True
        if changed:
            self._keep()

    async def _burst(self, now: datetime, open_incidents: int) -> None:
        rng = seeded("burst", self._seed, now)
        self._next_burst = now + timedelta(hours=rng.uniform(*_BETWEEN_H))
        if open_incidents >= _BUSY or len(self._works.leaking()) >= _LEAKING_AT_MOST:
            return
        burst = await asyncio.to_thread(self._works.plan_burst, f"{now:%Y%m%dT%H%M}", now, rng)
        if burst is None:
            self._next_burst = now + timedelta(minutes=30)
            return
        log.info("main at junction %s bursts; stations that will see it: %s", burst.node, ", ".join(burst.seen_by))
        await asyncio.to_thread(self._works.burst, burst)

    def _keep(self) -> None:
        day = self._works.day
        keep(self._home, Memory(day.date, day.tanks, tuple(self._works.bursts), self._next_burst))
