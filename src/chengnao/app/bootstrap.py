"""What must stand before the platform's processes start: schema, log, divisions, the demonstration's people."""

import asyncio
import logging

from chengnao.agents.catalogue.builtin import builtin_agents, install_builtin
from chengnao.agents.evals.service import install_sets
from chengnao.app.migrate import migrate
from chengnao.incident.reports.service import seal_what_is_not
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.models.gateway.service import seed_routes
from chengnao.models.registry.service import take_in
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.warning.service import seed_thresholds

log = logging.getLogger(__name__)


async def prepare(settings: Settings) -> None:
    """Bring engines and data to this release; running it again changes nothing."""
    url = database_url(settings)
    await asyncio.to_thread(migrate, url)
    bus = await Bus.connect(settings, "prepare")
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    database = Database.connect(url, load_clock(settings.home, settings.clock_speed))
    try:
        await bus.ensure_streams()
        await store.ensure_schema()
        async with database.unit_of_work() as uow:
            await seed_divisions(uow)
            await seed_thresholds(uow)
            await seed_routes(uow)
            await install_builtin(uow, builtin_agents())
            await install_sets(uow)
            await take_in(uow, settings.home)
            await uow.commit()
        await _seal_contacts(database, Vault.of(settings.home))
        if settings.demonstration:
            # Imported here: the demonstration needs the extra `city`, an installation in operation does not.
            from chengnao.demonstration.seed import seed  # noqa: PLC0415

            async with database.unit_of_work() as uow:
                await seed(uow, settings)
                await uow.commit()
    finally:
        await bus.close()
        await database.close()


async def _seal_contacts(database: Database, vault: Vault) -> None:
    while True:
        async with database.unit_of_work() as uow:
            sealed = await seal_what_is_not(uow, vault)
            await uow.commit()
        if not sealed:
            return
