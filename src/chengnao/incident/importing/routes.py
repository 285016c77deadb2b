"""Imports over HTTP: hand in a file, see what became of its rows, put rows right."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, UploadFile
from pydantic import BaseModel, Field

from chengnao.incident.importing import service
from chengnao.incident.importing.files import file_of
from chengnao.incident.importing.jobs import Job, RowState
from chengnao.incident.importing.model import Crs, Mode, Odd
from chengnao.incident.importing.repository import ImportRepository, RowFilter
from chengnao.incident.importing.taking import Taking
from chengnao.incident.importing.views import ImportedRowOut, ImportOut
from chengnao.incident.reports.desk import desk_at
from chengnao.incident.reports.model import Channel
from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.ids import new_id
from chengnao.kernel.tabular.files import keep_file
from chengnao.kernel.web import Context, ContextDep, Id, PageDep, PageOf, ScopeDep, UowDep, check, require

router = APIRouter(tags=["incident"])

Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Reader = Annotated[Principal, Depends(require("import.read"))]
Writer = Annotated[Principal, Depends(require("import.write"))]


@router.post("/reports/import", status_code=202)
async def import_reports(
    file: UploadFile,
    request: Request,
    principal: Writer,
    uow: UowDep,
    context: ContextDep,
    channel: Annotated[Channel, Form()] = Channel.IMPORT,
    crs: Annotated[Crs, Form()] = Crs.WGS84,
    mode: Annotated[Mode, Form()] = Mode.AUTO,
    division_code: Annotated[str | None, Form(pattern=r"^(\d{6}|\d{9})$")] = None,
) -> ImportOut:
    """Hand in a CSV, Excel or JSON lines file of at most 200 MB; its rows are read and taken in afterwards.

    `channel`: by which way these reports came, where the rows do not say; `crs`: of its coordinates;
    `mode`: whether its rows are new reports or cases with a past; `division_code`: for rows that tell none.
    """
    await check(request, principal, "import.write", division_code or principal.division_code, None)
    import_id = new_id()
    digest = await asyncio.to_thread(keep_file, file_of(context.settings.home, import_id), file.file)
    name = (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1][:200]
    handed = service.Handed(name, digest, channel, crs, mode, division_code)
    job = await service.open_import(uow, principal, import_id, handed)
    answer = await _shown(uow, job)
    await uow.commit()
    return answer


async def _shown(uow: UnitOfWork, job: Job) -> ImportOut:
    return ImportOut.of(job, (await ImportRepository(uow.session).counts([job.id]))[job.id])


@router.get("/imports")
async def list_imports(principal: Reader, scope: ScopeDep, uow: UowDep, page: PageDep) -> PageOf[ImportOut]:
    """Imports, the newest first."""
    repository = ImportRepository(uow.session)
    found = await repository.imports(scope, page)
    counts = await repository.counts([job.id for job in found.items])
    return PageOf.of(found, [ImportOut.of(job, counts[job.id]) for job in found.items])


@router.get("/imports/{import_id}")
async def get_import(import_id: Id, principal: Reader, scope: ScopeDep, uow: UowDep) -> ImportOut:
    """One import with what became of its rows so far."""
    return await _shown(uow, await service.require_import(uow, scope, import_id))


@router.get("/imports/{import_id}/rows")
async def list_imported_rows(
    import_id: Id,
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    context: ContextDep,
    state: RowState | None = None,
    odd: Odd | None = None,
) -> PageOf[ImportedRowOut]:
    """The rows of an import in their order; personal details are masked."""
    taking = await _taking(uow, context, await service.require_import(uow, scope, import_id))
    found = await ImportRepository(uow.session).rows(import_id, RowFilter(state, odd), page)
    return PageOf.of(found, [ImportedRowOut.of(row, taking.cells(row)) for row in found.items])


async def _taking(uow: UnitOfWork, context: Context, job: Job) -> Taking:
    return await Taking.of(uow, desk_at(context.settings.home), job)


class CellsIn(BaseModel):
    """The cells to put right, by header; an empty text empties a cell."""

    cells: Annotated[
        dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=20_000)]],
        Field(min_length=1, max_length=200),
    ]


@router.put("/imports/{import_id}/rows/{number}")
async def correct_imported_row(
    import_id: Id, number: Number, body: CellsIn, principal: Writer, scope: ScopeDep, uow: UowDep, context: ContextDep
) -> ImportedRowOut:
    """Put a rejected row right and take it in at once; where it is still wrong it stays rejected and says why."""
    taking = await _taking(uow, context, await service.require_import(uow, scope, import_id))
    row = await service.correct_row(uow, taking, principal, number, body.cells)
    answer = ImportedRowOut.of(row, taking.cells(row))
    await uow.commit()
    return answer


class DiscardIn(BaseModel):
    reason: Annotated[str, Field(min_length=2, max_length=200)]


@router.post("/imports/{import_id}/rows/{number}/discard")
async def discard_imported_row(
    import_id: Id, number: Number, body: DiscardIn, principal: Writer, scope: ScopeDep, uow: UowDep, context: ContextDep
) -> ImportedRowOut:
    """Say that a rejected row will not be taken in; it stays kept with the reason."""
    taking = await _taking(uow, context, await service.require_import(uow, scope, import_id))
    row = await service.discard_row(uow, taking.job, principal, number, body.reason)
    answer = ImportedRowOut.of(row, taking.cells(row))
    await uow.commit()
    return answer
