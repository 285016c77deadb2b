"""The clock of each step of each incident: a durable workflow that sleeps until the deadline and then escalates.

One workflow stands for one stay of one incident in one state, or for one request that waits for a decision; its id says
which, so that starting it again changes nothing. It wakes at the deadline, also after a restart, looks at the incident
and ends silently where that has moved on. The incident's own row is the record; the workflow is no more than its alarm
clock.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from dbos import DBOS, SetWorkflowID
from sqlalchemy.exc import SQLAlchemyError

from chengnao.incident.repository import IncidentRepository
from chengnao.incident.requests.repository import RequestRepository
from chengnao.kernel.clock import Clock
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.durable.executor import Executor
from chengnao.supervision.escalation import LEVELS, Verdict, escalate, escalate_request

log = logging.getLogger(__name__)

VERSION = "deadlines-1"
"""Named by hand: workflows of a running city must go on after an upgrade. Raise it when their steps change order."""

_LONGEST_SLEEP = 3600.0
"""Real seconds. The platform's clock may be set faster while a workflow sleeps, so it looks again now and then."""
_OVER = -1.0
_NAMES = ["deadline", "request"]

Workflow = Coroutine[Any, Any, None]


class Deadlines:
    """Runs the deadline workflows of this process, and takes up those of processes that are gone."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._executor = Executor(database, "worker", VERSION)
        self._deadline, self._request = self._register()

    def _register(self) -> tuple[Callable[[str, int], Workflow], Callable[[str], Workflow]]:
        @DBOS.step(name="look")
        async def look(incident_id: str, entry: int, level: int) -> float:
            return await self._look(partial(escalate, incident_id=incident_id, entry=entry, level=level))

        @DBOS.step(name="look_at_request")
        async def look_at_request(request_id: str, level: int) -> float:
            return await self._look(partial(escalate_request, request_id=request_id, level=level))

        async def wake(look: Callable[[int], Awaitable[float]]) -> None:
            for level in LEVELS:
                while (seconds := await look(level)) > 0:
                    await DBOS.sleep_async(min(seconds, _LONGEST_SLEEP))
                if seconds == _OVER:
                    return

        @DBOS.workflow(name="deadline", max_recovery_attempts=None)
        async def deadline(incident_id: str, entry: int) -> None:
            await wake(partial(look, incident_id, entry))

        @DBOS.workflow(name="request", max_recovery_attempts=None)
        async def request(request_id: str) -> None:
            await wake(partial(look_at_request, request_id))

        return deadline, request

    async def _look(self, see_to: Callable[[UnitOfWork], Awaitable[Verdict]]) -> float:
        """Real seconds to wait before looking again; 0 where the level is reached and dealt with."""
        while True:
            try:
                async with self._database.unit_of_work() as uow:
                    verdict = await see_to(uow)
                    await uow.commit()
            except (SQLAlchemyError, OSError) as error:
                # The deadline stands however long the database is away.
                log.warning("a deadline waits for the database: %s", error)
                await asyncio.sleep(2.0)
                continue
            if verdict.over:
                return _OVER
            return 0.0 if verdict.wait_until is None else max(0.01, self._clock.real_seconds(verdict.wait_until))

    async def launch(self) -> None:
        """Start; from now on deadlines can be watched."""
        await self._executor.launch()

    async def run(self) -> None:
        """Take up what gone executors left, until cancelled."""
        await self._executor.run()

    async def watch(self, incident_id: str, entry: int) -> None:
        """Watch one stay of an incident in a state; watching it again changes nothing."""
        with SetWorkflowID(f"{incident_id}:{entry}"):
            await DBOS.start_workflow_async(self._deadline, incident_id, entry)

    async def watch_request(self, request_id: str) -> None:
        """Watch a request for more time until it is decided; watching it again changes nothing."""
        with SetWorkflowID(request_id):
            await DBOS.start_workflow_async(self._request, request_id)

    async def watch_all(self) -> int:
        """Watch all that is open and is not watched: whatever was lost on the way, no deadline is. Returns how many."""
        known = await DBOS.list_workflows_async(name=_NAMES, load_input=False, load_output=False)
        failed = {each.workflow_id for each in known if each.status == "ERROR"}
        if failed:
            await DBOS.delete_workflows_async(list(failed))
        watched = {each.workflow_id for each in known} - failed
        async with self._database.unit_of_work() as uow:
            incidents = await IncidentRepository(uow.session).open_incidents()
            requests = await RequestRepository(uow.session).open_requests()
        lost = [each for each in incidents if f"{each.id}:{each.entry}" not in watched]
        for incident in lost:
            await self.watch(incident.id, incident.entry)
        undecided = [each for each in requests if each not in watched]
        for request_id in undecided:
            await self.watch_request(request_id)
        return len(lost) + len(undecided)

    async def forget(self, days: float, at_most: int = 10_000) -> int:
        """Drop workflows that ended so many real days ago; the timelines remember. Returns how many were dropped."""
        before = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        ended = await DBOS.list_workflows_async(
            name=_NAMES, completed_before=before, limit=at_most, load_input=False, load_output=False
        )
        if ended:
            await DBOS.delete_workflows_async([each.workflow_id for each in ended])
        return len(ended)

    async def close(self) -> None:
        """Stop; what has not ended goes on in another process."""
        await self._executor.close()
