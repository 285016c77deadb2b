"""Fixtures with the real engines.

`settings` names a data folder and a block of ports for the whole run. `postgres`, `nats` and `store` start that
engine at first use. `database` is an empty database with all tables, a fresh one for each test; `bus` a connection
to NATS with its streams emptied.
"""

import uuid
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg import sql

from chengnao.app.engines.nats import Nats
from chengnao.app.engines.postgres import STOP_SIGNAL, Postgres
from chengnao.app.migrate import migrate
from chengnao.app.processes import python_process
from chengnao.app.spec import Spec
from chengnao.kernel.bus import EVENTS, READINGS, Bus
from chengnao.kernel.clock import Clock, SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url as child_url
from chengnao.kernel.settings import Settings, load_settings
from tests.support.ports import free_block
from tests.support.stack import Stack, make_home, remove_home

_TEMPLATE = "template_tests"


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    home = make_home()
    # In the file, not as an override: the engines' processes read it too.
    # Tests have readings of fixed dates, which the store would let go of as old.
    kept = "".join(f"keep_{tier}_days = 18250\n" for tier in ("raw", "minute", "hour", "day"))
    (home / "chengnao.toml").write_text(f"base_port = {free_block()}\n{kept}")
    yield load_settings(home)
    remove_home(home)


@pytest.fixture(scope="session")
def stack(settings: Settings) -> Iterator[Stack]:
    with Stack(settings.home) as running:
        yield running


@pytest.fixture(scope="session")
def postgres(stack: Stack, settings: Settings) -> str:
    """The URL of a running PostgreSQL."""
    server = Postgres(settings.home)
    stack.start(Spec("postgres", server.prepare, server.check, stop_signal=STOP_SIGNAL))
    return child_url(settings)


@pytest.fixture(scope="session")
def nats(stack: Stack, settings: Settings) -> str:
    """The URL of a running NATS server, without user and password."""
    server = Nats(settings)
    stack.start(Spec("nats", server.prepare, server.check))
    return f"nats://127.0.0.1:{settings.port('nats')}"


@pytest.fixture(scope="session")
def store(stack: Stack, settings: Settings) -> str:
    """The URL of a running readings store, without user and password."""
    stack.start(python_process("store", settings, settings.port("store")))
    return f"http://127.0.0.1:{settings.port('store')}"


@pytest.fixture(scope="session")
def _template(postgres: str) -> str:
    """A database with this release's schema, of which each test gets a copy."""
    _administer(postgres, "create database {}", _TEMPLATE)
    migrate(_named(postgres, _TEMPLATE))
    return postgres


@pytest.fixture
def database_url(_template: str) -> Iterator[str]:
    """The URL of a database with all tables and no rows, made for this test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    _administer(_template, f"create database {{}} template {_TEMPLATE}", name)
    yield _named(_template, name)
    _administer(_template, "drop database {} with (force)", name)


@pytest.fixture
def clock() -> Clock:
    """The clock of `database`; a test module that wants another overrides this fixture."""
    return SystemClock()


@pytest.fixture
async def database(database_url: str, clock: Clock) -> AsyncIterator[Database]:
    made = Database.connect(database_url, clock)
    yield made
    await made.close()


@pytest.fixture
async def bus(nats: str, settings: Settings) -> AsyncIterator[Bus]:
    made = await Bus.connect(settings, "tests")
    await made.ensure_streams()
    for stream in (READINGS, EVENTS):
        await made.jetstream.purge_stream(stream)
    yield made
    await made.close()


def _administer(url: str, statement: str, name: str) -> None:
    with psycopg.connect(_named(url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _named(url: str, database: str) -> str:
    return url.replace("/chengnao?", f"/{database}?")
