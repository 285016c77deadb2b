"""Takes up the workflows of processes that are gone.

A workflow belongs to the executor that started it, and DBOS takes up those of its own executor alone. So each process
says again and again that it lives, and looks whether the others still do. What is dead is told by their beats standing
still over several looks, not by clocks: a database that is away for a while stills all of them alike, and kills none.
Being wrong would do no harm: two executors may run one workflow, and what they do then is done once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database
from chengnao.kernel.durable.repository import Executor, ExecutorRepository

log = logging.getLogger(__name__)

SECONDS = 3.0
"""Between two beats, and between two looks."""

DEAD_AFTER = 5
"""Looks at which a beat stood still."""

_FORGET_AFTER = 200
"""Looks at which a dead executor had nothing left: it had none to start when it was taken for dead too early."""


class Sweeper:
    """Beats for one executor, and sweeps after the others."""

    def __init__(
        self, database: Database, executor: str, take_up: Callable[[str], Awaitable[int]], *, kind: str = ""
    ) -> None:
        """`take_up` takes up the workflows of an executor that is gone and tells how many there were.

        Executors of another kind than `kind` are left alone: only their own can take up, and so may forget, what they
        left.
        """
        self._database = database
        self._executor = executor
        self._take_up = take_up
        self._kind = kind
        self._looks: dict[str, tuple[int, int]] = {}
        """The beat of each of the others when it was last new, and the looks since then."""

    async def run(self) -> None:
        """Beat and sweep until cancelled."""
        while True:
            try:
                await self.beat()
                await self.sweep()
            except (SQLAlchemyError, OSError) as error:
                log.warning("the sweep after gone executors waits for the database: %s", error)
                self._looks.clear()
            await asyncio.sleep(SECONDS)

    async def beat(self) -> None:
        async with self._database.unit_of_work() as uow:
            await ExecutorRepository(uow.session).beat(self._executor)
            await uow.commit()

    async def leave(self) -> None:
        """Say that this executor ends, so that nobody has to find it dead."""
        async with self._database.unit_of_work() as uow:
            await ExecutorRepository(uow.session).leave(self._executor)
            await uow.commit()

    async def sweep(self) -> None:
        """Look at the others once, and take up what the dead ones among them left."""
        async with self._database.unit_of_work() as uow:
            others = await ExecutorRepository(uow.session).others(self._executor, self._kind)
        looks = {}
        for each in others:
            beat, count = self._looks.get(each.id, (None, 0))
            looks[each.id] = (each.beat, count + 1 if beat == each.beat else 0)
        self._looks = looks
        for each in others:
            if each.left or looks[each.id][1] >= DEAD_AFTER:
                await self._take_over(each)

    async def _take_over(self, executor: Executor) -> None:
        async with self._database.unit_of_work() as uow:
            repository = ExecutorRepository(uow.session)
            if not await repository.claim(executor):
                return
            if taken := await self._take_up(executor.id):
                log.warning("took up %d workflows of executor %s, which is gone", taken, executor.id)
            elif self._looks[executor.id][1] >= _FORGET_AFTER:
                await repository.forget(executor.id)
            await uow.commit()
