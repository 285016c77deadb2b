"""Engines that a city runs itself, given by their addresses: a PostgreSQL and a NATS cluster of three."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from chengnao.app.migrate import migrate
from chengnao.app.processes import engines, external
from chengnao.kernel.bus import READINGS, Bus
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.organisation.service import seed_divisions
from chengnao.kernel.settings import load_settings
from tests.support.cluster import NatsCluster, own_postgres
from tests.support.stack import make_home, remove_home

pytestmark = pytest.mark.engines


@pytest.fixture
def folder() -> Iterator[Path]:
    made = make_home()
    yield made
    remove_home(made)


@pytest.fixture
def cluster(folder: Path) -> Iterator[NatsCluster]:
    made = NatsCluster(folder)
    try:
        made.wait_until_ready()
        yield made
    finally:
        made.close()


def test_an_engine_with_an_address_is_not_started(folder: Path) -> None:
    settings = load_settings(
        folder, database_url="postgresql://city@db.example/city", nats_urls=["nats://n0.example:4222"]
    )
    assert [spec.name for spec in engines(settings)] == ["store"]
    assert external(settings) == ["postgres", "nats"]


async def test_the_schema_and_the_first_data_go_into_a_postgresql_of_ones_own(folder: Path) -> None:
    with own_postgres(folder / "pg") as url:
        settings = load_settings(folder, database_url=url)
        await asyncio.to_thread(migrate, database_url(settings))
        await asyncio.to_thread(migrate, database_url(settings))  # a second release start changes nothing
        database = Database.connect(database_url(settings), SystemClock())
        async with database.unit_of_work() as uow:
            await seed_divisions(uow)
            await uow.commit()
        async with database.engine.connect() as connection:
            divisions = await connection.scalar(select(func.count()).select_from(text("divisions")))
        await database.close()
    assert divisions is not None
    assert divisions > 1_000


async def test_no_acknowledged_batch_is_lost_when_the_leader_of_a_cluster_dies(
    folder: Path, cluster: NatsCluster
) -> None:
    bus = await Bus.connect(load_settings(folder, nats_urls=cluster.urls, nats_replicas=3), "tests")
    await bus.ensure_streams()
    batches = [f"batch-{number}-".encode() + random.randbytes(64) for number in range(1_200)]
    for batch in batches[:400]:
        await bus.publish_readings(batch)
    cluster.kill(cluster.leader_of(READINGS))
    for batch in batches[400:]:
        await _publish_within(bus, batch, 30.0)
    received = await _drain(bus, "writer", len(batches))
    await bus.close()
    assert set(batches) <= received


async def _publish_within(bus: Bus, batch: bytes, seconds: float) -> None:
    """Publish again and again until it is acknowledged, as a gateway does: a new leader is elected meanwhile."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await bus.publish_readings(batch)
            except Unavailable:
                await asyncio.sleep(0.05)


async def _drain(bus: Bus, durable: str, wanted: int) -> set[bytes]:
    """Every batch that the consumer is given, until it has `wanted` different ones or the log is empty."""
    received: set[bytes] = set()
    empty = 0
    while len(received) < wanted and empty < 5:
        messages = await bus.pull_readings(durable, 200, 2.0)
        empty = 0 if messages else empty + 1
        for message in messages:
            received.add(message.data)
            await message.ack()
    return received
