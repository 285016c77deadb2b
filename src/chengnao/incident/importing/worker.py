"""Does the imports: reads the files that were handed in and takes their rows in, batch by batch.

It may be killed at any moment. Rows are kept under their place in the file, so reading again adds none twice; each
batch is one unit of work; and what is left to do stands in the database.
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError

from chengnao.incident.importing.files import file_of, folder_of
from chengnao.incident.importing.jobs import Job, JobState, ReadRow
from chengnao.incident.importing.repository import ImportRepository
from chengnao.incident.importing.taking import Taking, take_batch
from chengnao.incident.reports.service import Desk
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.tabular.files import forget_files

log = logging.getLogger(__name__)

SECONDS = 1.0
"""Between two looks where there is nothing to do."""
ROWS_KEPT_AT_ONCE = 500
CASES_AT_ONCE = 100
REPORTS_AT_ONCE = 10
"""Fewer, since new reports take the numbers of today, for which those who report at this moment wait."""
ATTEMPTS = 3
_LONGEST_LINE = 64 * 2**20


class ImportWorker:
    """Works on all imports that are not done, a batch of each in turn."""

    def __init__(self, database: Database, home: Path, desk: Desk) -> None:
        self._database = database
        self._home = home
        self._desk = desk
        self._taking: dict[str, Taking] = {}
        """Of the imports that are being taken in."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                busy = await self.step()
            except (SQLAlchemyError, OSError) as error:
                log.warning("imports wait for the database: %s", error)
                busy = False
            await asyncio.sleep(0 if busy else SECONDS)

    async def step(self) -> bool:
        """Do one piece of work of each import; False where there was none to do."""
        async with self._database.unit_of_work() as uow:
            jobs = await ImportRepository(uow.session).unfinished()
        if not jobs:
            await asyncio.to_thread(forget_files, folder_of(self._home), set())
        for job in jobs:
            try:
                await (self._take(job) if job.state is JobState.TAKING else self._read(job))
            except ChengnaoError as error:
                log.error("import %s is given up: %s", job.id, error)
                await self._change(job, state=JobState.FAILED.value, error=error.to_dict())
        return bool(jobs)

    async def _read(self, job: Job) -> None:
        """Keep all rows of the file; the file itself is removed afterwards."""
        path = file_of(self._home, job.id)
        if job.attempts == ATTEMPTS:
            await self._end(job, path, JobState.FAILED, error=ChengnaoError("import_reading_died").to_dict())
            return
        await self._change(job, state=JobState.READING.value, attempts=job.attempts + 1)
        async with self._database.unit_of_work() as uow:
            taking = await Taking.of(uow, self._desk, job)
        number, told = 0, None
        async for batch in _batches(_lines(path, job)):
            rows = [ReadRow(**line) for line in batch if "cells" in line]
            told = next((line for line in batch if "cells" not in line), None)
            if rows:
                kept = [taking.kept(number + place, row) for place, row in enumerate(rows, start=1)]
                number += len(rows)
                async with self._database.unit_of_work() as uow:
                    await ImportRepository(uow.session).add_rows(kept)
                    await uow.commit()
        if told is None:
            log.warning("reading %s for import %s broke off", job.file_name, job.id)
        elif "failed" in told:
            await self._end(job, path, JobState.FAILED, error=told["failed"])
        else:
            await self._end(job, path, JobState.TAKING, historic=told["historic"], sheets=told["sheets"])

    async def _end(self, job: Job, path: Path, state: JobState, **values: Any) -> None:
        """The reading is over; the rows are kept sealed, and the file, which is not, goes."""
        if state is JobState.FAILED:
            values["finished_at"] = self._database.clock.now()
        await self._change(job, state=state.value, **values)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _take(self, job: Job) -> None:
        limit = CASES_AT_ONCE if job.historic else REPORTS_AT_ONCE
        async with self._database.unit_of_work() as uow:
            if job.id not in self._taking:
                self._taking[job.id] = await Taking.of(uow, self._desk, job)
            done = await take_batch(uow, self._taking[job.id], limit)
            if not done:
                del self._taking[job.id]
                values = {"state": JobState.DONE.value, "finished_at": uow.clock.now()}
                await ImportRepository(uow.session).change(job.id, **values)
            await uow.commit()

    async def _change(self, job: Job, **values: Any) -> None:
        async with self._database.unit_of_work() as uow:
            await ImportRepository(uow.session).change(job.id, **values)
            await uow.commit()


async def _lines(path: Path, job: Job) -> AsyncIterator[dict[str, Any]]:
    """What the child that reads the file writes; it ends with this process."""
    asked = {
        "path": str(path),
        "name": job.file_name,
        "digest": job.digest,
        "channel": job.channel.value,
        "crs": job.crs.value,
        "mode": job.mode.value,
        "now": job.created_at.isoformat(),
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chengnao.incident.importing.child",
        orjson.dumps(asked).decode(),
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
    )
    assert child.stdout is not None
    try:
        async for line in child.stdout:
            yield orjson.loads(line)
        await child.wait()
    finally:
        with suppress(ProcessLookupError):
            child.kill()


async def _batches(lines: AsyncIterator[dict[str, Any]]) -> AsyncIterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    async for line in lines:
        batch.append(line)
        if len(batch) == ROWS_KEPT_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
