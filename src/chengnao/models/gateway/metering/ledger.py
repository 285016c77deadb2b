"""The ledger of the gateway: what concurrent calls reserve and settle goes into the database in few transactions.

A hold is on disk before its call leaves the gateway. If the gateway dies, its holds stay, count against their budgets,
and are settled as fully spent once they expire, by any gateway of the installation.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from chengnao.kernel.database import Database, plain_url
from chengnao.kernel.errors import Unavailable
from chengnao.models.errors import BudgetSpent
from chengnao.models.gateway.metering.budgets import MEASURES, Amount, Hold, Refusal, Window, decide
from chengnao.models.gateway.metering.repository import Held, LedgerRepository, lost
from chengnao.models.gateway.model import Outcome

log = logging.getLogger(__name__)

_BATCH = 200
_GATHER = 0.1
"""Seconds that settlements wait for others; nobody waits for them."""
_SWEEP = 5.0


@dataclass(frozen=True)
class Settlement:
    """What a call has really used."""

    hold_id: str
    target: str
    model: str
    requests: int
    tokens_in: int
    tokens_out: int
    money: int
    milliseconds: int
    outcome: Outcome
    retries: int
    estimated: bool = False
    """Nobody told the tokens: they are the most that they can have been."""
    sealed: bytes | None = None
    """Prompt and answer, where their class is kept."""

    @property
    def amount(self) -> Amount:
        return Amount(self.requests, self.tokens_in + self.tokens_out, self.money)


class _Line:
    """A connection of the ledger's own that is kept, and made anew where it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection | None = None

    @asynccontextmanager
    async def use(self) -> AsyncIterator[LedgerRepository]:
        """The connection, for one transaction; whatever goes wrong ends it, and with it what is not committed."""
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(self._url, connect_timeout=10)
        try:
            yield LedgerRepository(self._connection)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class Ledger:
    """Of one gateway process; `run` it while calls are made, `close` it to write what is left."""

    def __init__(self, database: Database) -> None:
        url = plain_url(database.engine.url.render_as_string(hide_password=False))
        # A settlement never stands in a reservation's way.
        self._reserving, self._settling, self._sweeping = _Line(url), _Line(url), _Line(url)
        self._asking: list[tuple[Hold, asyncio.Future[None]]] = []
        self._done: list[Settlement] = []
        self._asked = asyncio.Event()
        self._ended = asyncio.Event()
        self._open: set[Window] = set()

    async def reserve(self, hold: Hold) -> None:
        """Return once the hold is on disk; raises BudgetSpent where a budget has no room, Unavailable without a
        database."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asking.append((hold, future))
        self._asked.set()
        await future

    def settle(self, settlement: Settlement) -> None:
        """Write what the call used, soon."""
        self._done.append(settlement)
        self._ended.set()

    @property
    def waiting(self) -> int:
        """Calls that have ended and are not written yet."""
        return len(self._done)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._reserve_all())
            group.create_task(self._settle_all())
            group.create_task(self._sweep_all())

    async def close(self) -> None:
        """Write what has ended, as far as the database answers; what is not written will be taken for lost."""
        with suppress(psycopg.Error, OSError):
            while self._done:
                await self._settle_some()
        for line in (self._reserving, self._settling, self._sweeping):
            await line.close()

    async def _reserve_all(self) -> None:
        while True:
            await self._asked.wait()
            batch, self._asking = self._asking[:_BATCH], self._asking[_BATCH:]
            if not self._asking:
                self._asked.clear()
            batch = [(hold, future) for hold, future in batch if not future.cancelled()]
            if batch:
                await self._reserve_some(batch)

    async def _reserve_some(self, batch: list[tuple[Hold, asyncio.Future[None]]]) -> None:
        try:
            async with self._reserving.use() as repository:
                decisions = await self._decide(repository, [hold for hold, _ in batch])
        except (psycopg.Error, OSError) as error:
            log.warning("nothing can be reserved: %s", error)
            self._open.clear()
            for _, future in batch:
                _fail(future, Unavailable("database_unavailable"))
            return
        for hold, future in batch:
            refusal = decisions.get(hold.id)
            if refusal is not None:
                _fail(future, _spent(refusal))
            elif not future.done():
                future.set_result(None)
            else:  # the caller went away while this was written: nothing has been used
                self.settle(_unused(hold))

    async def _decide(self, repository: LedgerRepository, holds: list[Hold]) -> dict[str, Refusal]:
        windows = {window for hold in holds for window in hold.windows}
        if windows - self._open:
            await repository.open_windows(windows - self._open)
            self._open |= windows
        used = await repository.lock_windows(windows) if windows else {}
        decisions = decide(holds, used, datetime.now(UTC))
        await repository.reserve(decisions.granted, decisions.reserved)
        return decisions.refused

    async def _settle_all(self) -> None:
        while True:
            await self._ended.wait()
            await asyncio.sleep(_GATHER)
            self._ended.clear()
            try:
                while self._done:
                    await self._settle_some()
            except (psycopg.Error, OSError) as error:
                log.warning("%d settlements wait: %s", len(self._done), error)
                self._ended.set()
                await asyncio.sleep(1.0)

    async def _settle_some(self) -> None:
        batch = self._done[:_BATCH]
        by_id = {each.hold_id: each for each in batch}
        async with self._settling.use() as repository:
            holds = await repository.take_holds(list(by_id))
            ended = [(held, by_id[held.id]) for held in holds]
            texts = [
                {
                    "call_id": held.id,
                    "data_class": held.values["data_class"],
                    "at": held.values["at"],
                    "sealed": settled.sealed,
                }
                for held, settled in ended
                if settled.sealed is not None
            ]
            await _write(repository, [(held, _call(held, each), each.amount) for held, each in ended], texts)
        del self._done[: len(batch)]
        if len(holds) < len(batch):
            log.warning("%d calls ended after they had been taken for lost", len(batch) - len(holds))

    async def _sweep_all(self) -> None:
        while True:
            try:
                while await self.sweep():
                    pass
            except (psycopg.Error, OSError) as error:
                log.warning("expired holds wait: %s", error)
            now = datetime.now(UTC)
            self._open = {window for window in self._open if now - window[1] < timedelta(days=32)}
            await asyncio.sleep(_SWEEP)

    async def sweep(self) -> int:
        """Settle expired holds as fully spent; returns how many."""
        async with self._sweeping.use() as repository:
            holds = await repository.take_expired(datetime.now(UTC))
            await _write(repository, [(held, lost(held), held.worst) for held in holds], [])
        return len(holds)


async def _write(
    repository: LedgerRepository, calls: list[tuple[Held, dict[str, Any], Amount]], texts: list[dict[str, Any]]
) -> None:
    """Move each call's worst case out of its periods, and what it used in."""
    spent = _sums((window, amount) for held, _, amount in calls for window in held.windows)
    released = _sums((window, -held.worst) for held, _, _ in calls for window in held.windows)
    await repository.settle([call for _, call, _ in calls], texts, spent, released)


def _sums(parts: Iterable[tuple[Window, Amount]]) -> Mapping[Window, Amount]:
    sums: dict[Window, Amount] = {}
    for window, amount in parts:
        sums[window] = sums.get(window, Amount()) + amount
    return sums


def _call(held: Held, settled: Settlement) -> dict[str, Any]:
    return dict(held.values) | {
        "target": settled.target,
        "model": settled.model,
        "requests": settled.requests,
        "tokens_in": settled.tokens_in,
        "tokens_out": settled.tokens_out,
        "money": settled.money,
        "milliseconds": settled.milliseconds,
        "outcome": settled.outcome.value,
        "retries": settled.retries,
        "estimated": settled.estimated,
    }


def _unused(hold: Hold) -> Settlement:
    return Settlement(hold.id, "", "", 0, 0, 0, 0, 0, Outcome.CANCELLED, 0)


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _spent(refusal: Refusal) -> BudgetSpent:
    zh, en = MEASURES[refusal.measure]
    code = "budget_too_small" if refusal.wanted > refusal.limit else "budget_spent"
    return BudgetSpent(
        code,
        retry_after=refusal.retry_after,
        budget=refusal.budget.name,
        period=refusal.budget.period.zh,
        period_en=refusal.budget.period.en,
        measure=zh,
        measure_en=en,
        limit=refusal.limit,
        left=refusal.left,
        wanted=refusal.wanted,
    )
