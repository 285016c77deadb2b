import pytest
from fastapi import FastAPI

from chengnao.api.app import create_app
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import Context
from chengnao.sensing.readings.store import ReadingsStore
from tests.support.world import World, make_world


@pytest.fixture
async def app(settings: Settings, database: Database, bus: Bus, store: str) -> FastAPI:
    """The whole application over real engines, without a listening socket."""
    readings = ReadingsStore.create(settings, load_secrets(settings.home))
    await readings.ensure_schema()
    return create_app(Context(settings, database.clock, database, bus, Authority.load()), readings)


@pytest.fixture
async def world(database: Database, settings: Settings) -> World:
    return await make_world(database, settings)
