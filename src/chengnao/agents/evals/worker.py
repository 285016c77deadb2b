"""Does the evaluations: one item after another as a trial run, judged by rules.

It may be killed at any moment: each result is kept when it is known, a run is named by its item, and an evaluation
that nobody works on any more is taken up by another process once its lease is over.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from chengnao.agents.catalogue.definition import digest
from chengnao.agents.catalogue.model import AgentVersion
from chengnao.agents.catalogue.service import version_of
from chengnao.agents.evals.model import EvalRun, EvalState, Mode, Result
from chengnao.agents.evals.repository import EvalRepository
from chengnao.agents.evals.scoring import Given, cited_passages, judge
from chengnao.agents.evals.service import summary
from chengnao.agents.runtime.model import Run, RunState
from chengnao.agents.runtime.repository import RunRepository
from chengnao.agents.runtime.schema import first_fault
from chengnao.agents.runtime.service import DRAFT, cancel, finished, start_run
from chengnao.kernel.access.model import SYSTEM, Principal
from chengnao.kernel.database import Database, UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Conflict, Invalid, NotFound
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.settings import Settings
from chengnao.knowledge.readership import readership_of
from chengnao.knowledge.service import passage

log = logging.getLogger(__name__)

SECONDS = 1.0
"""Between two looks where there is nothing to do."""

LEASE = timedelta(seconds=60)
AT_ONCE = 4
"""Items under way; a model that answers one at a time lets the others wait."""

_PATIENCE = 60.0
"""Seconds beyond the agent's own limit that a run is waited for, since it may have to queue."""

_RESULT_LIMIT = 200_000


class EvalWorker:
    """Works on the evaluations of this platform, one at a time."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._vault = Vault.of(settings.home)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                busy = await self.step()
            except (SQLAlchemyError, OSError) as error:
                log.warning("evaluations wait for the database: %s", error)
                busy = False
            await asyncio.sleep(0 if busy else SECONDS)

    async def step(self) -> bool:
        """Work on one evaluation for some items; False where there is none to do."""
        now = datetime.now(UTC)
        async with self._database.unit_of_work() as uow:
            run = await EvalRepository(uow.session).claim(now, now + LEASE)
            await uow.commit()
        if run is None:
            return False
        try:
            await self._some(run)
        except ChengnaoError as error:
            log.error("evaluation %s is given up: %s", run.id, error)
            await self._end(run, EvalState.FAILED, error)
        return True

    async def _some(self, run: EvalRun) -> None:
        async with self._database.unit_of_work() as uow:
            repository = EvalRepository(uow.session)
            pending = [] if run.cancel else await repository.pending(run.id, AT_ONCE)
            versions = {each: await _version(uow, run, each) for each in run.versions}
        if not pending:
            await self._end(run, EvalState.CANCELLED if run.cancel else EvalState.DONE)
            return
        lease = asyncio.create_task(self._hold(run))
        try:
            await asyncio.gather(*(self._one(run, versions[each.version], each) for each in pending))
        finally:
            lease.cancel()
        async with self._database.unit_of_work() as uow:
            repository = EvalRepository(uow.session)
            done = await repository.count_done(run.id)
            shown = summary(run, await repository.every_result(run.id))
            started = run.started_at or uow.clock.now()
            await repository.change_run(run.id, done=done, summary=shown, started_at=started, leased_until=None)
            await uow.commit()

    async def _hold(self, run: EvalRun) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                async with self._database.unit_of_work() as uow:
                    await EvalRepository(uow.session).change_run(run.id, leased_until=datetime.now(UTC) + LEASE)
                    await uow.commit()
            except (SQLAlchemyError, OSError) as error:
                log.warning("the lease of evaluation %s is not renewed: %s", run.id, error)

    async def _end(self, run: EvalRun, state: EvalState, error: ChengnaoError | None = None) -> None:
        async with self._database.unit_of_work() as uow:
            repository = EvalRepository(uow.session)
            shown = summary(run, await repository.every_result(run.id))
            values = {"state": state.value, "summary": shown, "ended_at": uow.clock.now(), "leased_until": None}
            await repository.change_run(run.id, **values, error=None if error is None else error.to_dict())
            await uow.commit()

    async def _one(self, run: EvalRun, version: AgentVersion, wanted: Result) -> None:
        try:
            found = await self._tried(run, version, wanted)
        except (Invalid, NotFound) as error:  # of this item alone: its input does not fit the agent's
            found = replace(wanted, score=0.0, passed=False, reasons=[error.text("zh")])
        async with self._database.unit_of_work() as uow:
            await EvalRepository(uow.session).save_result(found)
            await uow.commit()

    async def _tried(self, run: EvalRun, version: AgentVersion, wanted: Result) -> Result:
        async with self._database.unit_of_work() as uow:
            key = f"eval:{run.id}:{wanted.version}:{wanted.item.id}"
            started = await start_run(uow, run.principal, version, wanted.item.input, trial=True, key=key)
            await uow.commit()
        ended = await finished(self._database, started.id, version.definition.limits.seconds + _PATIENCE, self._vault)
        if not ended.state.ended:
            await self._stop(ended)
            reason = "超过等待时间，已取消"
            return replace(wanted, run_id=ended.id, score=0.0, passed=False, reasons=[reason])
        async with self._database.unit_of_work() as uow:
            steps = await RunRepository(uow.session).steps(ended.id)
            passages = await _passages(uow, run.principal, ended)
        fault = None if ended.result is None else first_fault(ended.result, version.definition.output, _RESULT_LIMIT)
        shown = None if fault is None else f"{fault.path} {fault.text}"
        score = judge(wanted.item, Given(ended.result, ended.evidence, shown, passages))
        reasons = score.reasons if ended.state is RunState.DONE else [_why(ended), *score.reasons]
        return replace(
            wanted,
            run_id=ended.id,
            score=score.score,
            passed=score.passed,
            reasons=reasons,
            answer=ended.result,
            by=None if ended.by is None else ended.by.value,
            tokens=ended.tokens,
            money=ended.money,
            milliseconds=sum(each.milliseconds for each in steps),
        )

    async def _stop(self, run: Run) -> None:
        async with self._database.unit_of_work() as uow:
            try:
                await cancel(uow, SYSTEM, run)
            except Conflict:
                return
            await uow.commit()


async def _version(uow: UnitOfWork, run: EvalRun, number: int) -> AgentVersion:
    """The version as the mode wants it: without a model, its route is one that leads nowhere."""
    version = await version_of(uow, run.agent_id, number)
    if run.mode is Mode.MODEL:
        return version
    definition = version.definition
    other = definition.model_copy(update={"model": definition.model.model_copy(update={"route": run.mode.value})})
    return replace(version, version=DRAFT, definition=other, digest=digest(other))


async def _passages(uow: UnitOfWork, principal: Principal, run: Run) -> dict[str, str]:
    """The texts of the passages that the answer cites, as far as who asked may read them."""
    found = {}
    for passage_id in sorted(cited_passages(run.result, run.evidence)):
        try:
            found[passage_id] = (await passage(uow, readership_of(principal), passage_id)).passage.text
        except NotFound:
            continue
    return found


def _why(run: Run) -> str:
    return str((run.error or {}).get("message") or run.state.zh)
