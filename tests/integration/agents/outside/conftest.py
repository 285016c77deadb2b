"""A scripted model where the gateway is, a process that runs agents, and a town of two units."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chengnao.kernel.database import Database
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.service import put_unit, seed_divisions
from chengnao.kernel.settings import Settings
from tests.support.agents import Bureau, bureau
from tests.support.vendor import Vendor
from tests.support.workshop import DISTRICT, OTHER


@pytest.fixture(autouse=True)
async def town(database: Database) -> None:
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        for unit, division in (("unit-a", DISTRICT), ("unit-b", DISTRICT), ("unit-c", OTHER)):
            await put_unit(uow, Unit(unit, unit, division))
        await uow.commit()


@pytest.fixture
def vendor(settings: Settings) -> Iterator[Vendor]:
    """Stands where the gateway is."""
    with Vendor(settings.port("models")) as made:
        yield made


@pytest.fixture
async def office(database: Database, settings: Settings, town: None) -> AsyncIterator[Bureau]:
    async with bureau(database, settings) as made:
        yield made
