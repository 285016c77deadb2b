"""Edges that fall silent are noticed by the worker, whether or not any of them speaks."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database
from chengnao.sensing.edge.service import find_silent

log = logging.getLogger(__name__)

_SECONDS = 5.0


async def watch_edges(database: Database) -> None:
    """Look every few seconds until cancelled; the database may come and go."""
    while True:
        try:
            async with database.unit_of_work() as uow:
                await find_silent(uow)
                await uow.commit()
        except (SQLAlchemyError, OSError) as error:
            log.warning("edge gateways cannot be watched: %s", error)
        await asyncio.sleep(_SECONDS)
