"""Commands whose time has passed are ended, whether or not a gateway runs."""

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database
from chengnao.sensing.commands.service import end_due

log = logging.getLogger(__name__)

_SECONDS = 1.0


async def end_commands(database: Database) -> None:
    """Look once a second until cancelled; the database may come and go."""
    while True:
        try:
            async with database.unit_of_work() as uow:
                await end_due(uow)
                await uow.commit()
        except (SQLAlchemyError, OSError) as error:
            log.warning("commands that are due wait: %s", error)
        await asyncio.sleep(_SECONDS)
