"""Jobs of the tests: started as an operator would, run by a real runner in real processes."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import psutil

from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.database import Database
from chengnao.kernel.organisation.model import CITY
from chengnao.models.training.folder import JobFolder
from chengnao.models.training.model import ENDED, Job, JobState, Limits
from chengnao.models.training.repository import TrainingRepository
from chengnao.models.training.runner import Runner
from chengnao.models.training.service import Upload, Wanted, start_job

AUTHORITY = Authority.load()
OPERATOR = Principal("operator", "运维员", "user", frozenset({Role.OPERATOR}), CITY)
ROWS = b"".join(
    orjson.dumps({"text": f"第{number}条 路灯不亮", "label": "lamp" if number % 2 else "noise"}) + b"\n"
    for number in range(20)
)


async def started(
    database: Database,
    home: Path,
    kind: str = "test-counter",
    content: bytes = ROWS,
    limits: Limits | None = None,
    **config: Any,
) -> Job:
    """A job that waits in the queue."""
    wanted = Wanted(kind, Upload("rows.jsonl", content), CITY, config, limits=limits or Limits(memory_mb=2048))
    async with database.unit_of_work() as uow:
        job = await start_job(uow, AUTHORITY, home, OPERATOR, wanted)
        await uow.commit()
    return job


async def job_now(database: Database, job: Job) -> Job:
    async with database.unit_of_work() as uow:
        found = await TrainingRepository(uow.session).get(Scope(), job.id)
    assert found is not None
    return found


async def until(database: Database, job: Job, holds: Callable[[Job], bool], seconds: float = 60.0) -> Job:
    """The job once that holds of it; fails with its state and log after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        now = await job_now(database, job)
        if holds(now):
            return now
        await asyncio.sleep(0.05)
    raise AssertionError(f"still {now.state} {now.progress} {now.error}")


async def ended(database: Database, job: Job, seconds: float = 60.0) -> Job:
    return await until(database, job, lambda now: now.state in ENDED, seconds)


async def at_percent(database: Database, job: Job, percent: float) -> Job:
    return await until(database, job, lambda now: now.state is JobState.RUNNING and now.progress.percent >= percent)


@asynccontextmanager
async def running(database: Database, home: Path, **options: Any) -> AsyncIterator[Runner]:
    """A runner in this process."""
    runner = Runner(database, home, **{"seconds": 0.2, "dead_after": 5} | options)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def runner_process(database_url: str, home: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A runner in a process of its own, that can be killed."""
    code = f"""
import asyncio
from pathlib import Path
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.models.training.runner import Runner
asyncio.run(Runner(Database.connect({database_url!r}, SystemClock()), Path({str(home)!r}), seconds=0.2).run())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def processes_of(home: Path, job: Job) -> list[psutil.Process]:
    """The processes that work on the job."""
    folder = str(JobFolder.of(home, job.id).path)
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if folder in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill(process: psutil.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
