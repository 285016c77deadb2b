"""Use cases of imports: hand a file in, look at one, put a row right or discard it. None of them commits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chengnao.incident.importing.jobs import Job, JobState, KeptRow, RowState
from chengnao.incident.importing.model import Crs, Mode
from chengnao.incident.importing.repository import ImportRepository
from chengnao.incident.importing.taking import Taking, take_rows
from chengnao.incident.reports.model import Channel
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, NotFound
from chengnao.kernel.organisation.service import require_division


@dataclass(frozen=True)
class Handed:
    """A file that somebody hands in."""

    file_name: str
    digest: str
    channel: Channel = Channel.IMPORT
    crs: Crs = Crs.WGS84
    mode: Mode = Mode.AUTO
    default_division: str | None = None


async def open_import(uow: UnitOfWork, actor: Principal, import_id: str, handed: Handed) -> Job:
    """Keep that a file was handed in; the worker reads it."""
    if handed.default_division is not None:
        await require_division(uow, handed.default_division)
    job = Job(
        id=import_id,
        file_name=handed.file_name,
        digest=handed.digest,
        state=JobState.WAITING,
        channel=handed.channel,
        crs=handed.crs,
        mode=handed.mode,
        division_code=actor.division_code,
        default_division=handed.default_division,
        created_at=uow.clock.now(),
        created_by=actor.id,
        created_by_name=actor.name,
        created_by_kind=actor.kind,
    )
    await ImportRepository(uow.session).add(job)
    await record_act(uow, actor, "report.import", file=handed.file_name, digest=handed.digest, job=job.id)
    return job


async def require_import(uow: UnitOfWork, scope: Scope, import_id: str) -> Job:
    job = await ImportRepository(uow.session).get(scope, import_id)
    if job is None:
        raise NotFound("not_found", kind="导入 import", id=import_id)
    return job


async def correct_row(
    uow: UnitOfWork, taking: Taking, actor: Principal, number: int, cells: Mapping[str, str]
) -> KeptRow:
    """Put cells of a rejected row right, by header, and take it in; it stays rejected where it is still wrong.

    An empty text empties a cell. Raises Conflict where the row is not rejected.
    """
    kept = await _require_rejected(uow, taking.job, number)
    # A line that was no object has no cells of its own.
    before = {header: text for header, text in taking.cells(kept).items() if header != "#"}
    after = {header: text for header, text in {**before, **cells}.items() if text}
    kept = await _change(uow, kept, sealed=taking.sealed(kept, after), changed_by=actor.name)
    await record_act(uow, actor, "report.import", job=kept.import_id, row=number, columns=sorted(cells))
    return (await take_rows(uow, taking, [kept]))[0]


async def discard_row(uow: UnitOfWork, job: Job, actor: Principal, number: int, reason: str) -> KeptRow:
    """Say that a rejected row will not be taken in, and why; it stays kept."""
    kept = await _require_rejected(uow, job, number)
    await record_act(uow, actor, "report.import", job=job.id, row=number, discarded=reason)
    return await _change(uow, kept, state=RowState.DISCARDED, reason=reason, changed_by=actor.name)


async def _change(uow: UnitOfWork, kept: KeptRow, **values: Any) -> KeptRow:
    await ImportRepository(uow.session).change_row(kept, **values)
    return replace(kept, **values)


async def _require_rejected(uow: UnitOfWork, job: Job, number: int) -> KeptRow:
    kept = await ImportRepository(uow.session).row(job.id, number, lock=True)
    if kept is None:
        raise NotFound("not_found", kind="导入的行 row", id=number)
    if kept.state is not RowState.REJECTED:
        raise Conflict("import_row_settled", state=kept.state.zh, state_en=kept.state.en)
    return kept
