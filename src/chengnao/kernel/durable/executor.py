"""DBOS in one process of the platform: there can be one executor in a process, and many in a city."""

import asyncio
from contextlib import suppress

import psycopg
from dbos import DBOS, DBOSConfig
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database
from chengnao.kernel.durable.sweeper import Sweeper
from chengnao.kernel.ids import new_id
from chengnao.kernel.repository import batched


class Executor:
    """Runs the workflows that are registered between making and launching it, and takes up those of the gone."""

    def __init__(self, database: Database, kind: str, version: str, *, schema: str = "dbos") -> None:
        """`kind` names the process, `version` the steps of its workflows; kinds do not share a `schema`.

        The version is named by hand: workflows of a running city must go on after an upgrade. Raise it when their
        steps change order.
        """
        # A name of its own for each life of each process: no two that live can ever share one.
        self._id = f"{kind}-{new_id()}"
        self._sweeper = Sweeper(database, self._id, self._take_up, kind=kind)
        self._engine = _patient_engine(database.engine.url)
        config: DBOSConfig = {
            "name": "chengnao",
            "system_database_url": self._engine.url.render_as_string(hide_password=False),
            "system_database_engine": self._engine,
            "dbos_system_schema": schema,
            "application_version": version,
            "executor_id": self._id,
            "log_level": "WARNING",
            "enable_otlp": False,
        }
        DBOS(config=config)

    async def launch(self) -> None:
        """Start; from now on workflows can be started."""
        # Known before it has anything to leave behind.
        await self._sweeper.beat()
        DBOS.launch()

    async def run(self) -> None:
        """Take up what gone executors left, until cancelled."""
        await self._sweeper.run()

    async def close(self) -> None:
        """Stop; what has not ended goes on in another process."""
        await asyncio.to_thread(DBOS.destroy, destroy_registry=True)
        with suppress(SQLAlchemyError, OSError):
            await self._sweeper.leave()
        self._engine.dispose()

    async def _take_up(self, executor: str) -> int:
        """Give the workflows of an executor that is gone to those that live, whichever comes first."""
        left = await DBOS.list_workflows_async(
            executor_id=executor, status="PENDING", load_input=False, load_output=False
        )
        for batch in batched([each.workflow_id for each in left], 1000):
            await DBOS.resume_workflows_async(list(batch))
        return len(left)


def _patient_engine(url: URL) -> Engine:
    """The engine of the workflows' own tables.

    DBOS tries again, without end, after an error that it takes for a lost connection, and lets a workflow fall asleep
    until the next launch after any other. Some of psycopg's words for a server that is just being restarted are not
    among those it knows, so every failure to connect is marked as a lost connection here.
    """
    engine = create_engine(url, pool_size=5, max_overflow=5, pool_pre_ping=True, connect_args={"connect_timeout": 10})

    @event.listens_for(engine, "handle_error")
    def mark(context: ExceptionContext) -> None:
        if context.connection is None and isinstance(context.original_exception, psycopg.OperationalError):
            context.is_disconnect = True

    return engine
