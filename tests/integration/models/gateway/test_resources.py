"""What other gateways are blamed for: memory that only grows, connections to the database that run out."""

import asyncio
import threading
import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from chengnao.kernel.database import Database
from chengnao.models.gateway.model import Target
from tests.support.gateway import GatewayProcess, chat, put_provider, put_route, rows, running_gateway
from tests.support.vendor import Said, Vendor

pytestmark = pytest.mark.engines


@pytest.fixture
def running(database_url: str) -> Iterator[GatewayProcess]:
    with running_gateway(database_url) as process:
        yield process


async def install(database: Database, running: GatewayProcess, vendor: Vendor) -> None:
    await put_provider(database, running.home, "one", vendor.url)
    await put_route(database, Target("provider:one", "m"))
    for _ in range(100):
        if (await asyncio.to_thread(running.chat)).status_code == 200:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the gateway does not learn of its route")


async def storm(running: GatewayProcess, calls: int, at_once: int, size: int) -> None:
    body, limit = chat("路" * size), asyncio.Semaphore(at_once)
    headers = {"Authorization": f"Bearer {running.key}"}
    pool = httpx.Limits(max_connections=at_once)
    async with httpx.AsyncClient(headers=headers, timeout=60.0, trust_env=False, limits=pool) as client:

        async def one() -> None:
            async with limit:
                answer = await client.post(running.address + "/v1/chat/completions", json=body)
                assert answer.status_code == 200, answer.text

        await asyncio.gather(*[one() for _ in range(calls)])


async def test_many_calls_at_once_need_few_connections_to_the_database(
    database: Database, database_url: str, running: GatewayProcess, vendor: Vendor
) -> None:
    await install(database, running, vendor)
    vendor.otherwise = Said(delay=0.2)
    most, ended = 0, False

    def watch() -> None:
        nonlocal most
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        while not ended:
            most = max(most, rows(database_url, query)[0][0])
            time.sleep(0.02)

    looking = threading.Thread(target=watch, daemon=True)
    looking.start()
    await storm(running, 200, 100, 10)
    ended = True
    looking.join(10)
    assert 0 < most <= 12, f"{most} connections for 100 calls at once, those of the test among them"


async def test_memory_does_not_grow_with_the_calls(database: Database, running: GatewayProcess, vendor: Vendor) -> None:
    await install(database, running, vendor)
    assert running.process is not None
    process = psutil.Process(running.process.pid)
    vendor.otherwise = Said("答" * 5_000)
    await storm(running, 300, 16, 5_000)
    before = process.memory_info().rss
    await storm(running, 600, 16, 5_000)
    grown = process.memory_info().rss - before
    assert grown < 8 * 2**20, f"{grown / 2**20:.1f} MiB more after 600 calls of 30 kB"
    assert process.memory_info().rss < 150 * 2**20
