"""The duty that keeps minutes, hours and days equal to the raw readings."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from chengnao.kernel.clock import Clock
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.readings import tiers
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.sensing.readings.tiers import ROLLED_UP, Tier

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=10)
"""How long after its end an hour is rolled up; most of what comes late has come by then."""
ROWS_AT_ONCE = 1_000_000
"""About so many readings are computed by one statement, in a second or two and in bounded memory."""
HOURS_AT_ONCE = 2_000
"""So many hours of series are mended by one statement; each has up to sixty minutes, in memory at once."""
SECONDS_BETWEEN = 10.0

_CITY = timedelta(hours=8)


class RollUps:
    """Computes what has ended, and again what changed since. A crash leaves nothing that the next run does not mend.

    One process does it at a time; two would do the same twice and still be right.
    """

    def __init__(self, store: ReadingsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self.detail = ""

    async def run(self) -> None:
        """Work until cancelled; the store may come and go."""
        while True:
            try:
                await self.step()
                self.detail = ""
            except Unavailable as error:
                self.detail = f"roll-ups wait: {error}"[:200]
                log.warning(self.detail)
            except Exception as error:  # readings must go on being stored, whatever is wrong with their sums
                self.detail = f"roll-ups fail: {error}"[:200]
                log.exception("roll-ups")
            await asyncio.sleep(SECONDS_BETWEEN)

    async def step(self) -> None:
        """Bring the tiers up to date."""
        await self.advance()
        await self.mend()

    async def advance(self) -> None:
        """Roll up all hours that have ended by now, and the days with them."""
        until = _hour(self._clock.now() - PATIENCE)
        progress = await self._store.progress()
        done = progress.get("done", datetime(1970, 1, 1, tzinfo=UTC))
        if done >= until:
            return
        if progress.get("announced", done) < until:
            await self._store.set_progress("announced", until)
        while done < until:
            following = await self._store.next_reading(done)
            if following is None or following >= until:
                break
            begin = max(done, _day(following))
            end = min(until, _day(begin) + timedelta(days=1))
            await self._compute(begin, end)
            done = end
            await self._store.set_progress("done", done)
        if done < until:
            await self._store.set_progress("done", until)
        if "done" not in progress:
            await self._store.ensure_schema()

    async def _compute(self, begin: datetime, end: datetime) -> None:
        whole_day = end == _day(end)
        minutes = max(1, int((end - begin).total_seconds()) // 60)
        cuts = await self._store.cuts(max(1, ROWS_AT_ONCE // minutes))
        for low, high in zip(["", *cuts], [*cuts, ""], strict=True):
            for tier in ROLLED_UP:
                if tier is not Tier.DAY:
                    await self._store.roll_up(tiers.roll_up(tier), low, high, begin, end)
                elif whole_day:
                    await self._store.roll_up(tiers.roll_up(tier), low, high, _day(begin), end)

    async def mend(self) -> None:
        """Compute again what came late or was corrected."""
        while tokens := await self._store.touched():
            cuts = await self._store.touched_cuts(tokens, HOURS_AT_ONCE)
            for low, high in zip(["", *cuts], [*cuts, ""], strict=True):
                span = await self._store.touched_span(tokens, low, high)
                if span is not None:
                    await self._mend(tokens, low, high, *span)
            await self._store.forget_touched(tokens)

    async def _mend(self, tokens: list[str], low: str, high: str, begin: datetime, end: datetime) -> None:
        days = _day(begin), _day(end - timedelta(hours=1)) + timedelta(days=1)
        for tier in ROLLED_UP:
            span = days if tier is Tier.DAY else (begin, end)
            await self._store.roll_up(tiers.mend(tier), low, high, *span, tokens)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _day(moment: datetime) -> datetime:
    """The beginning of the moment's day in the city."""
    local = moment.astimezone(UTC) + _CITY
    return local.replace(hour=0, minute=0, second=0, microsecond=0) - _CITY
