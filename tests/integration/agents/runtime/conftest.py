"""A scripted model where the gateway is, and a process that runs agents."""

from collections.abc import AsyncIterator, Iterator

import pytest

from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings
from tests.support.agents import Bureau, bureau
from tests.support.vendor import Vendor


@pytest.fixture
def vendor(settings: Settings) -> Iterator[Vendor]:
    """Stands where the gateway is."""
    with Vendor(settings.port("models")) as made:
        yield made


@pytest.fixture
async def office(database: Database, settings: Settings) -> AsyncIterator[Bureau]:
    async with bureau(database, settings) as made:
        yield made
