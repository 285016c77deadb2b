"""Takes files of devices in. It may be killed at any moment: each batch is one unit of work with its counts, and the
rows that were dealt with are passed over when the file is read again."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.tabular.files import forget_files
from chengnao.sensing.devices.importing.model import MOST_ERRORS, DeviceImport, Header, ImportState, Row
from chengnao.sensing.devices.importing.repository import DeviceImportRepository
from chengnao.sensing.devices.importing.service import file_of, folder_of
from chengnao.sensing.devices.importing.taking import Taking

log = logging.getLogger(__name__)

SECONDS = 1.0
"""Between two looks where there is nothing to do."""
ROWS_AT_ONCE = 1_000
ATTEMPTS = 3
_LONGEST_LINE = 16 * 2**20


class DeviceImportWorker:
    """Works on the imports that are not done, one after another."""

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._home = home

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                busy = await self.step()
            except (SQLAlchemyError, OSError) as error:
                log.warning("imports of devices wait for the database: %s", error)
                busy = False
            await asyncio.sleep(0 if busy else SECONDS)

    async def step(self) -> bool:
        """Take one file in; False where there was none."""
        async with self._database.unit_of_work() as uow:
            jobs = await DeviceImportRepository(uow.session).unfinished()
        if not jobs:
            await asyncio.to_thread(forget_files, folder_of(self._home), set())
            return False
        await self._take(jobs[0])
        return True

    async def _take(self, job: DeviceImport) -> None:
        if job.attempts == ATTEMPTS:
            await self._end(job, ImportState.FAILED, error=ChengnaoError("device_import_died").to_dict())
            return
        await self._change(job, state=ImportState.TAKING.value, attempts=job.attempts + 1)
        async with self._database.unit_of_work() as uow:
            taking = await Taking.of(uow, job)
        told: dict[str, Any] = {}
        header, rows = Header({}, ()), list[tuple[Header, Row]]()
        skip = job.counts.done
        async for line in _lines(file_of(self._home, job.id)):
            if "row" in line:
                rows.append((header, Row(**line["row"])))
                if len(rows) == ROWS_AT_ONCE:
                    skip = await self._take_batch(taking, rows, skip)
                    rows = []
            elif "header" in line:
                fields = {name: (text, place) for name, (text, place) in line["header"]["fields"].items()}
                header = Header(fields, tuple(line["header"]["unknown"]))
                columns = {text: name for name, (text, _) in fields.items()}
                await self._change(job, columns=columns, unknown=list(header.unknown))
            elif "rows" in line:
                await self._change(job, rows=line["rows"])
            else:
                told = line
        if told.get("failed"):
            await self._end(job, ImportState.FAILED, error=told["failed"])
        elif told:
            await self._take_batch(taking, rows, skip)
            await self._end(job, ImportState.DONE)
        else:
            log.warning("reading %s for import %s broke off", job.file_name, job.id)

    async def _take_batch(self, taking: Taking, rows: list[tuple[Header, Row]], skip: int) -> int:
        """Take the rows in but for the first `skip`, which were dealt with before; returns how many are still to be
        passed over."""
        for header, row in rows[:skip]:
            taking.read(header, row)
        fresh = rows[skip:]
        if fresh:
            job, counts = taking.job, taking.job.counts
            async with self._database.unit_of_work() as uow:
                repository = DeviceImportRepository(uow.session)
                errors = await taking.take(uow, fresh, counts)
                kept = errors[: max(0, MOST_ERRORS - taking.errors)]
                await repository.add_errors(job.id, taking.errors + 1, kept)
                taking.errors += len(errors)
                await repository.change(job.id, errors=taking.errors, **counts.__dict__)
                await uow.commit()
        return max(0, skip - len(rows))

    async def _end(self, job: DeviceImport, state: ImportState, **values: Any) -> None:
        await self._change(job, state=state.value, finished_at=self._database.clock.now(), **values)
        await asyncio.to_thread(file_of(self._home, job.id).unlink, missing_ok=True)

    async def _change(self, job: DeviceImport, **values: Any) -> None:
        async with self._database.unit_of_work() as uow:
            await DeviceImportRepository(uow.session).change(job.id, **values)
            await uow.commit()


async def _lines(path: Path) -> AsyncIterator[dict[str, Any]]:
    """What the child that reads the file writes; it ends with this process."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "chengnao.sensing.devices.importing.child",
        str(path),
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
