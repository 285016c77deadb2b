"""From the outbox to the bus, and the inbox that makes handlers idempotent."""

import asyncio
import logging
from datetime import timedelta

import psycopg
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.bus import EVENT_DAYS, Bus
from chengnao.kernel.database import Database, InboxRow, OutboxRow, UnitOfWork, plain_url
from chengnao.kernel.errors import Unavailable

log = logging.getLogger(__name__)


class Relay:
    """Moves committed events to the bus in their order; at least once, and the bus drops what it has already."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.database = database
        self.bus = bus

    async def run(self) -> None:
        """Move events until cancelled; wakes at each commit, and each second in case a wake-up was lost."""
        while True:
            try:
                url = plain_url(self.database.engine.url.render_as_string(hide_password=False))
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as listener:
                    await listener.execute("LISTEN outbox")
                    while True:
                        while await self.move():
                            pass
                        async for _ in listener.notifies(timeout=1.0, stop_after=1):
                            pass
            except (psycopg.Error, SQLAlchemyError, Unavailable, OSError) as error:
                log.warning("outbox waits: %s", error)
                await asyncio.sleep(0.5)

    async def move(self, limit: int = 200) -> int:
        """Publish up to `limit` waiting events; returns how many."""
        async with self.database.unit_of_work() as uow:
            query = select(OutboxRow).order_by(OutboxRow.sequence).limit(limit).with_for_update(skip_locked=True)
            rows = (await uow.session.scalars(query)).all()
            if not rows:
                return 0
            for row in rows:
                await self.bus.publish_event(row.envelope)
            await uow.session.execute(delete(OutboxRow).where(OutboxRow.sequence.in_([row.sequence for row in rows])))
            await uow.commit()
            return len(rows)


async def once(uow: UnitOfWork, consumer: str, event_id: str) -> bool:
    """True where the consumer sees this event for the first time; kept with the transaction's own effects."""
    statement = (
        insert(InboxRow)
        .values(consumer=consumer, event_id=event_id, at=uow.clock.now())
        .on_conflict_do_nothing()
        .returning(InboxRow.event_id)
    )
    return (await uow.session.scalar(statement)) is not None


async def forget(database: Database) -> None:
    """Drop what the inbox knows of events that the bus has forgotten too, and can bring no more."""
    kept = (EVENT_DAYS + 1) * timedelta(days=1) * database.clock.speed
    async with database.unit_of_work() as uow:
        await uow.session.execute(delete(InboxRow).where(InboxRow.at < database.clock.now() - kept))
        await uow.commit()
