"""What a gateway keeps in memory of its tables: routes, providers with their secrets, budgets, keys, retention."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database, plain_url
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.privacy.vault import SealBroken, Vault
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.metering.budgets import Budget
from chengnao.models.gateway.metering.repository import MeteringRepository
from chengnao.models.gateway.model import RETENTION_DAYS, Key, ModelRoute
from chengnao.models.gateway.repository import CHANNEL, GatewayRepository
from chengnao.models.gateway.wire import Address

log = logging.getLogger(__name__)

_AGAIN = 15.0
"""Seconds after which everything is read anew, in case a word of a change was lost."""


@dataclass(frozen=True)
class Vendor:
    """Where a provider is reached; its secret is in nobody's repr."""

    address: Address
    secret: str | None = field(repr=False)


@dataclass(frozen=True)
class Known:
    """One reading of the tables."""

    routes: Mapping[str, ModelRoute] = field(default_factory=dict)
    vendors: Mapping[str, Vendor] = field(default_factory=dict)
    """By the provider's name; those that are switched off are not here."""
    budgets: tuple[Budget, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    """By the hash of the secret."""
    retention: Mapping[DataClass, int] = field(default_factory=lambda: RETENTION_DAYS)


class Directory:
    """The last reading; `run` keeps it fresh: a change is known at once, or within seconds where its word is lost."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self.known = Known()
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Read the tables; one reading at a time, so that none is put over by one that began before it."""
        async with self._loading:
            self.known = await self._read()

    async def _read(self) -> Known:
        async with self._database.unit_of_work() as uow:
            repository = GatewayRepository(uow.session)
            routes = await repository.routes()
            providers = await repository.providers()
            secrets = await repository.sealed_secrets()
            budgets = await repository.all_budgets()
            keys = await repository.usable_keys(datetime.now(UTC))
            retention = await MeteringRepository(uow.session).retention(RETENTION_DAYS)
        vendors = {}
        for each in providers:
            if each.enabled:
                try:
                    sealed = secrets.get(each.id)
                    secret = None if sealed is None else self._vault.open(each.id, sealed)
                    vendors[each.name] = Vendor(Address.of(each.base_url), secret)
                except (SealBroken, ValueError) as error:
                    log.error("provider %s cannot be used: %s", each.name, type(error).__name__)
        return Known({each.name: each for each in routes}, vendors, tuple(budgets), keys, retention)

    async def run(self) -> None:
        """Read anew at each change until cancelled."""
        url = plain_url(self._database.engine.url.render_as_string(hide_password=False))
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as listener:
                    await listener.execute(f"LISTEN {CHANNEL}")
                    while True:
                        await self.load()
                        async for _ in listener.notifies(timeout=_AGAIN, stop_after=1):
                            pass
            except (psycopg.Error, SQLAlchemyError, ChengnaoError, OSError) as error:
                log.warning("what is known of routes and keys may be old: %s", error)
                await asyncio.sleep(1.0)
