"""Runs agents in the `agents` process: takes up what is queued, and what processes that are gone have left.

Each run is a workflow of DBOS whose id is the run's. What its steps gave stands in the run's own journal, so a workflow
that is taken up elsewhere goes on from there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from dbos import DBOS, SetWorkflowID
from sqlalchemy.exc import SQLAlchemyError

from chengnao.agents.catalogue.definition import digest
from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.catalogue.service import version_of
from chengnao.agents.model import Agent
from chengnao.agents.runtime import telemetry
from chengnao.agents.runtime.journal import error_of, patient
from chengnao.agents.runtime.loop import Loop, failed
from chengnao.agents.runtime.model import Run
from chengnao.agents.runtime.repository import ApprovalRepository, RunRepository
from chengnao.agents.runtime.service import DRAFT, real_now
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import Database, UnitOfWork, plain_url
from chengnao.kernel.durable.executor import Executor
from chengnao.kernel.errors import ChengnaoError, NotFound, Unavailable
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.repository import batched

log = logging.getLogger(__name__)

VERSION = "agents-1"
"""Named by hand: runs of a running city must go on after an upgrade. Raise it when their steps change order."""

SCHEMA = "agents"
CONCURRENCY = 8
"""Runs of one process that are not waiting for a person."""

_MOST_TRIES = 10
"""Beginnings without a step between them, after which a run is given up: it is what ends the process."""

_LOOK_SECONDS = 1.0
_RECONCILE_SECONDS = 5.0
_KEEP_WORKFLOWS_DAYS = 2.0
_OVER = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})


class Runs:
    """The runs of this process."""

    def __init__(self, database: Database, loop: Loop, *, concurrency: int = CONCURRENCY) -> None:
        self._database = database
        self._loop = loop
        self._vault = Vault.of(loop.settings.home)
        self._concurrency = concurrency
        self._slots = asyncio.Semaphore(concurrency)
        self._cancels: dict[str, asyncio.Event] = {}
        self._waits: dict[str, asyncio.Event] = {}
        self._executor = Executor(database, "agents", VERSION, schema=SCHEMA)
        self._workflow = self._register()

    def _register(self) -> Callable[[str], Coroutine[Any, Any, None]]:
        @DBOS.workflow(name="agent_run", max_recovery_attempts=None)
        async def agent_run(run_id: str) -> None:
            async with self._slots:
                await self._run(run_id)

        return agent_run

    @property
    def under_way(self) -> int:
        return len(self._cancels)

    async def launch(self) -> None:
        """Start; from now on runs can be taken up."""
        await self._executor.launch()

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._executor.run())
            group.create_task(self._look())
            group.create_task(self._reconcile())
            group.create_task(self._tidy())

    async def close(self) -> None:
        """Stop; what has not ended goes on in another process."""
        await self._executor.close()

    # --- one run -------------------------------------------------------------------------------------------------

    async def _run(self, run_id: str) -> None:
        try:
            await self._begin(run_id)
        except Exception as error:
            await self._give_up(run_id, error)
        finally:
            self._cancels.pop(run_id, None)

    async def _begin(self, run_id: str) -> None:
        cancelled = self._cancels.setdefault(run_id, asyncio.Event())
        found = await patient(run_id, lambda: self._open(run_id))
        if found is None:
            return
        run, version = found
        if run.tries > _MOST_TRIES:
            await self._end_failed(run, ChengnaoError("agent_run_crashing"))
            return
        if run.cancel:
            cancelled.set()
        ended, steps = await self._loop.run(run, version, _durable, cancelled, self._wait_for)
        await telemetry.export(self._loop.settings, ended, steps)

    async def _open(self, run_id: str) -> tuple[Run, AgentVersion] | None:
        """The run, begun once more, and what it is of; None where it has ended."""
        async with self._database.unit_of_work() as uow:
            repository = RunRepository(uow.session, self._vault)
            run = await repository.get(Scope(), run_id)
            if run is None or run.state.ended:
                return None
            version = await _version(uow, run)
            tries = await repository.try_again(run_id)
            await repository.seal(run)
            await uow.commit()
            return replace(run, tries=tries), version

    async def _give_up(self, run_id: str, error: Exception) -> None:
        """End a run that cannot be carried on, so that nobody waits for it."""
        shown = error if isinstance(error, ChengnaoError) else None
        if shown is None:
            told = error_of(error, run_id)
            shown = ChengnaoError("agent_step_failed", **told["params"])

        async def end() -> None:
            async with self._database.unit_of_work() as uow:
                run = await RunRepository(uow.session, self._vault).get(Scope(), run_id)
            if run is not None and not run.state.ended:
                await self._end_failed(run, shown)

        await patient(run_id, end)

    async def _end_failed(self, run: Run, error: ChengnaoError) -> None:
        await self._loop.end(failed(run, error).ended(self._database.clock.now()))

    async def _wait_for(self, approval_id: str) -> None:
        """Return once the approval is decided or expired; another run may go on meanwhile."""
        settled = self._waits.setdefault(approval_id, asyncio.Event())
        self._slots.release()
        try:
            await settled.wait()
        finally:
            self._waits.pop(approval_id, None)
            await self._slots.acquire()

    # --- what is going on beside -----------------------------------------------------------------------------------

    async def _look(self) -> None:
        """Take up queued runs, tell waiting ones of decisions and running ones that they are to end."""
        url = plain_url(self._database.engine.url.render_as_string(hide_password=False))
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url, autocommit=True) as listener:
                    await listener.execute("LISTEN agent_runs")
                    while True:
                        await self._take()
                        await self._tell()
                        async for _ in listener.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                            pass
            except (psycopg.Error, SQLAlchemyError, Unavailable, OSError) as error:
                log.warning("queued runs wait for the database: %s", error)
                await asyncio.sleep(0.5)

    async def _take(self) -> None:
        free = self._concurrency - (len(self._cancels) - len(self._waits))
        if free <= 0:
            return
        async with self._database.unit_of_work() as uow:
            taken = await RunRepository(uow.session).take(free, uow.clock.now())
            await uow.commit()
        for run_id in taken:
            self._cancels[run_id] = asyncio.Event()
            try:
                await self._start(run_id)
            except BaseException:
                self._cancels.pop(run_id, None)  # left to the next comparison
                raise

    async def _start(self, run_id: str) -> None:
        with SetWorkflowID(run_id):
            await DBOS.start_workflow_async(self._workflow, run_id)

    async def _tell(self) -> None:
        running, waiting = list(self._cancels), list(self._waits)
        if not running:
            return
        async with self._database.unit_of_work() as uow:
            cancelled = await RunRepository(uow.session).to_cancel(running)
            settled = await ApprovalRepository(uow.session).settled(waiting, real_now()) if waiting else set()
        for events, ids in ((self._cancels, cancelled), (self._waits, settled)):
            for each in ids:
                if each in events:
                    events[each].set()

    async def _reconcile(self) -> None:
        """See that each run that has begun has a workflow, and that none outlives it."""
        while True:
            try:
                async with self._database.unit_of_work() as uow:
                    begun = [each for each in await RunRepository(uow.session).begun() if each not in self._cancels]
                for batch in batched(begun, 500):
                    await self._reconcile_some(list(batch))
            except (SQLAlchemyError, OSError) as error:
                log.warning("runs are not compared with their workflows for now: %s", error)
            await asyncio.sleep(_RECONCILE_SECONDS)

    async def _reconcile_some(self, run_ids: list[str]) -> None:
        known = await DBOS.list_workflows_async(workflow_ids=run_ids, load_input=False, load_output=False)
        states = {each.workflow_id: each.status for each in known}
        for run_id in run_ids:
            if run_id not in states:
                await self._start(run_id)
            elif states[run_id] in _OVER:
                await self._give_up(run_id, ChengnaoError("agent_run_lost", id=run_id))

    async def _tidy(self) -> None:
        while True:
            try:
                await self.forget()
            except Exception as error:
                log.warning("what has ended is kept for now: %s", error)
            await asyncio.sleep(3600)

    async def forget(self) -> None:
        """Drop the texts of runs whose time is up, and workflows that ended a while ago."""
        while True:
            async with self._database.unit_of_work() as uow:
                purged = await RunRepository(uow.session).purge(uow.clock.now())
                await uow.commit()
            if not purged:
                break
        async with self._database.unit_of_work() as uow:
            await RunRepository(uow.session).purge_acts(uow.clock.now() - timedelta(days=30))
            await uow.commit()
        before = (datetime.now(UTC) - timedelta(days=_KEEP_WORKFLOWS_DAYS)).isoformat()
        over = await DBOS.list_workflows_async(
            completed_before=before, limit=10_000, load_input=False, load_output=False
        )
        for batch in batched([each.workflow_id for each in over], 1000):
            await DBOS.delete_workflows_async(list(batch))


async def _version(uow: UnitOfWork, run: Run) -> AgentVersion:
    """The version that the run is of; raises NotFound where it is in no catalogue."""
    if run.definition is None:
        return await version_of(uow, run.agent_id, run.version)
    if run.version != DRAFT:
        raise NotFound("not_found", kind="智能体版本 agent version", id=f"{run.agent_id}@{run.version}")
    definition = Agent.model_validate(run.definition)
    return AgentVersion(
        agent_id=run.agent_id,
        version=DRAFT,
        digest=digest(definition),
        definition=definition,
        division_code=run.division_code,
        unit_id=run.unit_id,
        author=run.asked_by,
        author_name=run.asked_by_name,
        at=run.created_at,
        note="",
    )


async def _durable(name: str, body: Callable[[], Awaitable[None]]) -> None:
    async def step() -> None:
        await body()

    await DBOS.run_step_async({"name": name}, step)
