"""A gateway on a real socket in the test's own loop, two vendors, and a client with the platform's key."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.health import Heartbeat
from chengnao.kernel.ids import new_id
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.models.gateway.metering.budgets import Budget, Period
from chengnao.models.gateway.model import Target
from chengnao.models.gateway.repository import GatewayRepository
from chengnao.models.gateway.server import Gateway, gateway
from tests.support.gateway import chat, put_provider, put_route, rows
from tests.support.vendor import Vendor

TARGET = Target("provider:one", "m-one", price_in=1_000, price_out=2_000)


class Deployed:
    """Deployments that a test puts up and takes down."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}

    def address(self, name: str) -> list[str]:
        return self.addresses.get(name, [])

    def why_none(self, name: str) -> Unavailable:
        return Unavailable("deployment_stopped", retry_after=300, name=name)


@dataclass
class Served:
    """The gateway under test, and what is around it."""

    gateway: Gateway
    client: httpx.AsyncClient
    database: Database
    settings: Settings
    url: str
    deployed: Deployed

    async def chat(self, text: str = "你好", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return await self.client.post("/chat/completions", json=chat(text, **body), headers=headers)

    async def route(self, *targets: Target, **values: Any) -> None:
        await put_route(self.database, *targets, **values)
        await self.gateway.calls.directory.load()

    async def provider(self, name: str, url: str) -> None:
        await put_provider(self.database, self.settings.home, name, url)
        await self.gateway.calls.directory.load()

    async def budget(self, **values: Any) -> Budget:
        fields: dict[str, Any] = {"id": new_id(), "name": "预算", "division_code": "500000", "period": Period.DAY}
        fields |= dict.fromkeys(("unit_id", "key_id", "route", "requests", "tokens", "money"))
        made = Budget(**fields | values)
        async with self.database.unit_of_work() as uow:
            await GatewayRepository(uow.session).put_budget(made, datetime.now(UTC))
            await uow.commit()
        await self.gateway.calls.directory.load()
        return made

    async def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query gives once all calls that ended are written."""
        while self.gateway.calls._ledger.waiting:
            await asyncio.sleep(0.01)
        return await asyncio.to_thread(rows, self.url, query, *values)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as running:
        yield running


@pytest.fixture
def other() -> Iterator[Vendor]:
    with Vendor() as running:
        yield running


@pytest.fixture
async def served(
    database: Database, database_url: str, settings: Settings, vendor: Vendor, other: Vendor
) -> AsyncIterator[Served]:
    """Routes: `chat`, to vendor `one`. Vendor `two` is known."""
    await put_provider(database, settings.home, "one", vendor.url)
    await put_provider(database, settings.home, "two", other.url)
    await put_route(database, TARGET)
    deployed = Deployed()
    async with gateway(settings, database, deployed) as running:
        serving = asyncio.create_task(running.server.serve_until_cancelled(Heartbeat(settings.home, "models")))
        while not running.server.started:
            await asyncio.sleep(0.01)
        key = load_secrets(settings.home).model_key
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{settings.port('models')}/v1",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30.0,
            trust_env=False,
        ) as client:
            yield Served(running, client, database, settings, database_url, deployed)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
