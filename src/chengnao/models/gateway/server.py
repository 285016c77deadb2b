"""The gateway put together, as the `models` process runs it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.serving import Server
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.models.gateway.attempts import Attempts
from chengnao.models.gateway.calls import Calls
from chengnao.models.gateway.deployments import Deployments
from chengnao.models.gateway.directory import Directory
from chengnao.models.gateway.http import GatewayApp
from chengnao.models.gateway.metering.ledger import Ledger
from chengnao.models.gateway.metering.repository import MeteringRepository
from chengnao.models.gateway.wire import Wire

log = logging.getLogger(__name__)

_PURGE_SECONDS = 600.0


@dataclass(frozen=True)
class Gateway:
    """A gateway that is ready to serve; `duties` run beside the server and end only by an error."""

    server: Server
    calls: Calls
    duties: "asyncio.Task[None]"


@asynccontextmanager
async def gateway(settings: Settings, database: Database, deployments: Deployments) -> AsyncIterator[Gateway]:
    """A gateway over the database; on leaving, what calls have used is written."""
    vault = Vault.of(settings.home)
    directory, ledger, wire = Directory(database, vault), Ledger(database), Wire()
    await directory.load()
    calls = Calls(directory, ledger, Attempts(directory, wire, deployments), vault)
    app = GatewayApp(calls, load_secrets(settings.home).model_key)
    server = Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=settings.port("models"),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            http="httptools",
            timeout_graceful_shutdown=5,
        )
    )
    duties = asyncio.create_task(_duties(directory, ledger, database))
    try:
        yield Gateway(server, calls, duties)
    finally:
        duties.cancel()
        await asyncio.gather(duties, return_exceptions=True)
        await ledger.close()
        wire.close()


async def _duties(directory: Directory, ledger: Ledger, database: Database) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(directory.run())
        group.create_task(ledger.run())
        group.create_task(_purge(directory, database))


async def _purge(directory: Directory, database: Database) -> None:
    while True:
        try:
            await purge(directory, database)
        except (SQLAlchemyError, OSError) as error:
            log.warning("texts that have had their time are kept for now: %s", error)
        await asyncio.sleep(_PURGE_SECONDS)


async def purge(directory: Directory, database: Database) -> int:
    """Drop the texts that are older than their class allows, and old periods of budgets; returns how many texts."""
    now = datetime.now(UTC)
    async with database.unit_of_work() as uow:
        repository = MeteringRepository(uow.session)
        dropped = 0
        for data, days in directory.known.retention.items():
            dropped += await repository.purge_texts(data, now - timedelta(days=days))
        await repository.purge_windows(now)
        await uow.commit()
    return dropped
