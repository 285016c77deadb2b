"""The platform's one clock.

Every time that is stored or compared comes from `now()`. In real operation it is the system's time. The
demonstration city lives faster: there each real second counts `speed` seconds, in every process alike, because
the anchor of the city's time stands in the data folder.
"""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Protocol

from chengnao.kernel.files import write_atomically

CST = timezone(timedelta(hours=8), "UTC+8")
"""The zone that Chinese field devices speak without saying so."""


def city_text(moment: datetime) -> str:
    """The moment as people in Chongqing read it."""
    return f"{moment.astimezone(CST):%Y-%m-%d %H:%M}"


def city_text_short(moment: datetime | None) -> str:
    """The same without the year; a dash where there is none."""
    return "—" if moment is None else f"{moment.astimezone(CST):%m-%d %H:%M}"


class Clock(Protocol):
    """Tells the platform's time."""

    speed: float

    def now(self) -> datetime:
        """The time now, aware, UTC."""

    def real_seconds(self, until: datetime) -> float:
        """How many real seconds pass until `until`; 0 where it has passed."""


class SystemClock:
    """Real time."""

    speed = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def real_seconds(self, until: datetime) -> float:
        return max(0.0, (until - self.now()).total_seconds())


class AcceleratedClock:
    """City time that starts at `anchor_city` when real time is `anchor_real` and runs `speed` times as fast."""

    def __init__(self, anchor_real: float, anchor_city: datetime, speed: float) -> None:
        self.anchor_real = anchor_real
        self.anchor_city = anchor_city
        self.speed = speed

    def now(self) -> datetime:
        return self.anchor_city + timedelta(seconds=(time.time() - self.anchor_real) * self.speed)

    def real_seconds(self, until: datetime) -> float:
        return max(0.0, (until - self.now()).total_seconds() / self.speed)


class FixedClock:
    """A clock that stands still until it is moved: for tests and for replays."""

    speed = 1.0

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def real_seconds(self, until: datetime) -> float:
        return max(0.0, (until - self.at).total_seconds())

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


async def sleep_until(clock: Clock, when: datetime) -> None:
    """Return once the clock has reached `when`."""
    while (seconds := clock.real_seconds(when)) > 0:
        await asyncio.sleep(min(seconds, 60.0))


def load_clock(home: Path, speed: float) -> Clock:
    """The clock all processes of this data folder share.

    A speed of 1 with no earlier acceleration gives real time. Otherwise the anchor in `<home>/clock.json` is used,
    and moved when the speed has changed, so that city time never runs backwards.
    """
    path = home / "clock.json"
    clock = _read_anchor(path)
    if clock is None:
        if speed == 1.0:
            return SystemClock()
        clock = AcceleratedClock(time.time(), datetime.now(UTC), speed)
    elif clock.speed == speed:
        return clock
    else:
        clock = AcceleratedClock(time.time(), clock.now(), speed)
    anchor = {"real": clock.anchor_real, "city": clock.anchor_city.isoformat(), "speed": clock.speed}
    write_atomically(path, json.dumps(anchor).encode())
    return clock


def _read_anchor(path: Path) -> AcceleratedClock | None:
    try:
        anchor = json.loads(path.read_text())
        return AcceleratedClock(anchor["real"], datetime.fromisoformat(anchor["city"]), anchor["speed"])
    except FileNotFoundError:
        return None
