"""Runs the jobs of one machine: takes them from the queue, starts their processes, watches them, takes up those of
runners that are gone.

Each look at a job is a beat in the database. What is dead is told by a beat that stands still over several looks, not
by clocks: a database that is away for a while stills all beats alike, and kills none. Should a runner be taken for dead
that lives, it notices at its next beat and ends its process; and a lock in the job's folder keeps two processes from
working on one job.
"""

import asyncio
import logging
import platform
import shutil
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from chengnao.kernel.access.model import Scope
from chengnao.kernel.child import Child, Launch
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.ids import new_id
from chengnao.kernel.logs import RotatingLog
from chengnao.models.registry.model import CHAMPION
from chengnao.models.registry.repository import RegistryRepository
from chengnao.models.registry.service import require_version
from chengnao.models.training.folder import Asked, JobFolder
from chengnao.models.training.model import Job, JobState
from chengnao.models.training.recipe import Recipe, require_recipe
from chengnao.models.training.repository import TrainingRepository
from chengnao.models.training.results import register_result
from chengnao.models.training.run import DONE, FAILED, GRACE_SECONDS

log = logging.getLogger(__name__)

SECONDS = 1.0
"""Between two looks."""
DEAD_AFTER = 10
"""Looks at which a beat stood still."""
QUEUE = "training_queue"
"""The lock under which a runner takes from the queue."""
_ORPHAN_SECONDS = 3600
_ENVIRONMENT = {
    # Nothing that a job uses may ask a network.
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that have nothing to do sleep: a job runs beside the platform.
    "OMP_WAIT_POLICY": "PASSIVE",
}


class Runner:
    """The one runner of a machine."""

    def __init__(
        self,
        database: Database,
        home: Path,
        *,
        at_once: int = 1,
        seconds: float = SECONDS,
        dead_after: int = DEAD_AFTER,
    ) -> None:
        self.id = f"{platform.node()}-{new_id()}"
        self._database = database
        self._home = home
        self._at_once = at_once
        self._seconds = seconds
        self._dead_after = dead_after
        self._working: dict[str, asyncio.Task[None]] = {}
        self._looks: dict[str, tuple[int, int]] = {}
        """The beat of each job of others when it was last new, and the looks since then."""

    async def run(self) -> None:
        """Work until cancelled; then the jobs that run go back into the queue, with their checkpoints."""
        tidy = True
        try:
            while True:
                try:
                    if tidy:
                        await self._tidy()
                        tidy = False
                    await self._sweep()
                    await self._take()
                except (SQLAlchemyError, OSError) as error:
                    log.warning("training waits for the database: %s", error)
                    self._looks.clear()
                await asyncio.sleep(self._seconds)
        finally:
            for task in self._working.values():
                task.cancel()
            await asyncio.gather(*self._working.values(), return_exceptions=True)

    async def _take(self) -> None:
        while len(self._working) < self._at_once:
            async with self._database.unit_of_work() as uow:
                repository = TrainingRepository(uow.session)
                await uow.hold(QUEUE)
                job = await repository.next_queued()
                if job is None:
                    return
                job = job.start(self.id, uow.clock.now())
                await repository.save(job)
                await uow.commit()
            task = asyncio.create_task(self._work(job), name=f"training {job.id}")
            self._working[job.id] = task
            task.add_done_callback(partial(self._worked, job.id))

    def _worked(self, job_id: str, task: asyncio.Task[None]) -> None:
        self._working.pop(job_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its beat stands still from now on, so that it is taken up again like that of a dead runner.
            log.error("the watch over job %s broke", job_id, exc_info=error)

    async def _sweep(self) -> None:
        async with self._database.unit_of_work() as uow:
            others = [job for job in await TrainingRepository(uow.session).held() if job.id not in self._working]
        looks = {}
        for each in others:
            beat, count = self._looks.get(each.id, (None, 0))
            looks[each.id] = (each.beat, count + 1 if beat == each.beat else 0)
        self._looks = looks
        for each in others:
            if looks[each.id][1] >= self._dead_after:
                await self._take_up(each)

    async def _take_up(self, seen: Job) -> None:
        async with self._database.unit_of_work() as uow:
            repository = TrainingRepository(uow.session)
            job = await repository.get(Scope(), seen.id, lock=True)
            if job is None or (job.runner, job.beat) != (seen.runner, seen.beat):
                return
            log.warning("job %s is taken up: its runner %s is gone", job.id, job.runner)
            await repository.save(
                job.lose(ChengnaoError("training_runner_lost", attempts=job.attempts), uow.clock.now())
            )
            await uow.commit()

    async def _work(self, job: Job) -> None:
        """One attempt, from its process' start to what became of it."""
        folder = JobFolder.of(self._home, job.id)
        try:
            recipe = _usable(job, folder)
            rival = await self._rival(recipe)
            asked = Asked(job.id, job.kind, job.config, job.limits, str(self._home), rival)
            await asyncio.to_thread(folder.begin, asked)
        except (ChengnaoError, OSError) as error:
            await self._end(job, folder, None, _known(error))
            return
        joblog = RotatingLog(folder.log)
        command = [sys.executable, "-m", "chengnao.models.training.run", str(folder.path)]
        child = await Child.start(Launch(command, _ENVIRONMENT), joblog, signal.SIGTERM)
        try:
            limit = await self._watch(child, job, folder)
        except asyncio.CancelledError:
            await child.stop(signal.SIGTERM, GRACE_SECONDS + 1)
            await self._hand_back(job)
            raise
        finally:
            joblog.close()
        await self._end(job, folder, child.code, limit)

    async def _watch(self, child: Child, job: Job, folder: JobFolder) -> ChengnaoError | None:
        """Return once the process has ended, with the limit that ended it where one did."""
        began = time.monotonic()
        while not child.ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(child.ended.wait(), self._seconds)
            try:
                state = await self._beat(job, folder)
            except (SQLAlchemyError, OSError) as error:
                log.warning("job %s goes on without the database: %s", job.id, error)
                continue
            if state is None:
                log.warning("job %s is somebody else's now", job.id)
                await child.stop(signal.SIGKILL, GRACE_SECONDS)
            elif state is JobState.STOPPING:
                await child.stop(signal.SIGTERM, GRACE_SECONDS + 1)
            elif (limit := await asyncio.to_thread(_over, child, job, folder, time.monotonic() - began)) is not None:
                await child.stop(signal.SIGKILL, GRACE_SECONDS)
                return limit
        return None

    async def _beat(self, job: Job, folder: JobFolder) -> JobState | None:
        progress = await asyncio.to_thread(folder.progress)
        async with self._database.unit_of_work() as uow:
            state = await TrainingRepository(uow.session).beat(job.id, self.id, progress or job.progress)
            await uow.commit()
        return state

    async def _end(self, job: Job, folder: JobFolder, code: int | None, limit: ChengnaoError | None) -> None:
        """Write down what became of the attempt, however long the database is away."""
        while True:
            try:
                await self._write_end(job.id, folder, code, limit)
            except (OperationalError, PoolTimeout, OSError) as error:
                log.warning("the end of job %s waits for the database: %s", job.id, error)
                await asyncio.sleep(self._seconds)
            except Exception as error:
                if code is None:
                    raise
                # The result cannot be registered: trying again would not make it better.
                log.exception("the result of job %s is not taken", job.id)
                code, limit = None, _known(error)
            else:
                return

    async def _write_end(self, job_id: str, folder: JobFolder, code: int | None, limit: ChengnaoError | None) -> None:
        async with self._database.unit_of_work() as uow:
            repository = TrainingRepository(uow.session)
            job = await repository.get(Scope(), job_id, lock=True)
            if job is None or job.runner != self.id:
                return
            now, outcome, error = uow.clock.now(), folder.outcome(), folder.error()
            if limit is not None:
                job = job.fail(limit, now)
            elif code == DONE and outcome is not None:
                job = job.finish(await register_result(uow, self._home, job, outcome), now)
            elif job.state is JobState.STOPPING:
                job = job.stopped(now)
            elif code == FAILED and error is not None:
                job = job.fail(ChengnaoError(error["code"], **error["params"]), now)
            else:
                job = job.lose(ChengnaoError("training_process_lost", ended=_ending(code)), now)
            await repository.save(job)
            await uow.commit()
        if job.state is JobState.DONE:
            await asyncio.to_thread(folder.clear)

    async def _rival(self, recipe: Recipe[Any]) -> str | None:
        """Where the model in use lies, to be measured on the same rows: a file, or the folder of a version."""
        if recipe.installed is not None:
            path = recipe.installed(self._home)
        else:
            async with self._database.unit_of_work() as uow:
                champion = await RegistryRepository(uow.session).alias(recipe.model_id, CHAMPION)
                if champion is None:
                    return None
                version = await require_version(uow, recipe.model_id, champion)
            if version.folder is None:
                return None
            path = self._home / version.folder
        return str(path) if path.exists() else None

    async def _hand_back(self, job: Job) -> None:
        with suppress(SQLAlchemyError, OSError):
            async with self._database.unit_of_work() as uow:
                repository = TrainingRepository(uow.session)
                now = await repository.get(Scope(), job.id, lock=True)
                if now is not None and now.runner == self.id:
                    await repository.save(now.interrupt(uow.clock.now()))
                    await uow.commit()

    async def _tidy(self) -> None:
        """Remove folders of no job, which a crash left before their job was kept."""
        before = time.time() - _ORPHAN_SECONDS
        folder = self._home / "training"
        old = {path.name for path in folder.glob("*") if path.is_dir() and path.stat().st_mtime < before}
        async with self._database.unit_of_work() as uow:
            old -= await TrainingRepository(uow.session).known(old)
        for name in old:
            await asyncio.to_thread(shutil.rmtree, folder / name, ignore_errors=True)


def _usable(job: Job, folder: JobFolder) -> Recipe[Any]:
    recipe = require_recipe(job.kind)
    recipe.require_packages()
    if not folder.data.exists():
        raise ChengnaoError("training_data_gone")
    return recipe


def _known(error: Exception) -> ChengnaoError:
    """The error in words for people; one that is not foreseen is named alone, for its text may hold anything."""
    return error if isinstance(error, ChengnaoError) else ChengnaoError("training_broke", reason=type(error).__name__)


def _over(child: Child, job: Job, folder: JobFolder, seconds: float) -> ChengnaoError | None:
    """The limit that the job has passed."""
    if seconds > job.limits.seconds:
        return ChengnaoError("training_time", seconds=job.limits.seconds)
    if (child.memory_mb() or 0) > job.limits.memory_mb:
        return ChengnaoError("training_memory", limit_mb=job.limits.memory_mb)
    if folder.bytes_used() > job.limits.disk_mb * 2**20:
        return ChengnaoError("training_disk", limit_mb=job.limits.disk_mb)
    return None


def _ending(code: int | None) -> str:
    """How a process ended, in words that an operator can look up."""
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
