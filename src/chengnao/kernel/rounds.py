"""Duties that come round: a step in a unit of work of its own, again and again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database, UnitOfWork

log = logging.getLogger(__name__)


async def every(seconds: float, database: Database, step: Callable[[UnitOfWork], Awaitable[object]], name: str) -> None:
    """Do the step and commit it every so many seconds until cancelled; the database may come and go."""
    while True:
        try:
            async with database.unit_of_work() as uow:
                await step(uow)
                await uow.commit()
        except (SQLAlchemyError, OSError) as error:
            log.warning("%s: waits for the database: %s", name, error)
        await asyncio.sleep(seconds)
