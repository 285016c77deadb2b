"""The `worker` process: thresholds, the outbox, what follows from events, and deadlines."""

import asyncio
import logging

import pyarrow as pa

from chengnao.app.first_classifier import train_first
from chengnao.incident.importing.worker import ImportWorker
from chengnao.incident.public.loose import forget_loose
from chengnao.incident.reports.desk import desk_at
from chengnao.kernel.bus import EVENTS, Bus
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.idempotency import forget_answers
from chengnao.kernel.outbox import Relay, forget
from chengnao.kernel.rounds import every
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.subscriptions.addresses import networks_of
from chengnao.kernel.subscriptions.delivery import CONSUMER as SUBSCRIBERS
from chengnao.kernel.subscriptions.delivery import Deliverer, Notifier
from chengnao.knowledge.worker import KnowledgeWorker
from chengnao.review.handlers import CONSUMER as REVIEW
from chengnao.review.handlers import ReviewHandlers
from chengnao.sensing.commands.service import end_due
from chengnao.sensing.devices.importing.worker import DeviceImportWorker
from chengnao.sensing.edge.service import find_silent
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.supervision.deadlines import Deadlines
from chengnao.supervision.handlers import CONSUMER, Handlers
from chengnao.warning.watch import ThresholdWatch

log = logging.getLogger(__name__)

KEEP_DEADLINES_DAYS = 7.0


async def run(settings: Settings) -> None:
    """Work until cancelled."""
    clock = load_clock(settings.home, settings.clock_speed)
    database = Database.connect(database_url(settings), clock)
    bus = await Bus.connect(settings, "worker")
    deadlines = Deadlines(database, clock)
    async with Heartbeat(settings.home, "worker") as heartbeat:
        try:
            watch = ThresholdWatch(database, bus, clock)
            await watch.load(await _last_seen(settings))
            await deadlines.launch()
            await deadlines.watch_all()
            heartbeat.ready = True
            async with asyncio.TaskGroup() as group:
                group.create_task(deadlines.run())
                group.create_task(Relay(database, bus).run())
                group.create_task(watch.run())
                group.create_task(bus.consume_events(CONSUMER, Handlers(database, deadlines).handle))
                group.create_task(bus.consume_events(REVIEW, ReviewHandlers(database).handle))
                group.create_task(ImportWorker(database, settings.home, desk_at(settings.home)).run())
                group.create_task(DeviceImportWorker(database, settings.home).run())
                group.create_task(KnowledgeWorker(database, settings.home).run())
                wake = asyncio.Event()
                group.create_task(bus.consume_events(SUBSCRIBERS, Notifier(database, bus, wake).handle))
                group.create_task(
                    Deliverer(database, settings.home, networks_of(settings.webhook_networks), wake).run()
                )
                group.create_task(every(1.0, database, end_due, "commands that are due"))
                group.create_task(every(5.0, database, find_silent, "edges that fall silent"))
                group.create_task(_tidy(settings, database, deadlines))
                group.create_task(_tell_lag(heartbeat, watch, bus))
                group.create_task(train_first(settings))
        finally:
            await deadlines.close()
            await bus.close()
            await database.close()


async def _last_seen(settings: Settings) -> pa.Table | None:
    """The newest readings in the store; without them a device that is silent now is found missing a little later."""
    try:
        return await ReadingsStore.create(settings, load_secrets(settings.home)).latest_all()
    except Unavailable as error:
        log.warning("the readings store does not answer, so silence is counted from now on: %s", error)
        return None


async def _tidy(settings: Settings, database: Database, deadlines: Deadlines) -> None:
    while True:
        try:
            await deadlines.forget(KEEP_DEADLINES_DAYS)
            await forget(database)
            await forget_answers(database)
            await forget_loose(database, settings.home)
            await deadlines.watch_all()
        except Exception as error:
            log.warning("what has ended is kept for now: %s", error)
        await asyncio.sleep(3600)


async def _tell_lag(heartbeat: Heartbeat, watch: ThresholdWatch, bus: Bus) -> None:
    while True:
        heartbeat.lag = watch.lag
        try:
            heartbeat.detail = f"events waiting: {await bus.lag(EVENTS, CONSUMER)}"
        except Exception as error:
            heartbeat.detail = f"events waiting: unknown ({error})"
        await asyncio.sleep(2.0)
