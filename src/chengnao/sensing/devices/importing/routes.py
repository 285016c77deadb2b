"""Imports of devices over HTTP: hand in a file, follow it, see each wrong cell, fetch the template."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile
from pydantic import BaseModel

from chengnao.kernel.access.model import Principal
from chengnao.kernel.ids import new_id
from chengnao.kernel.tabular.files import keep_file
from chengnao.kernel.web import ContextDep, Id, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.sensing.devices.importing import service
from chengnao.sensing.devices.importing.model import CellError, DeviceImport, ImportState
from chengnao.sensing.devices.importing.repository import DeviceImportRepository
from chengnao.sensing.devices.views import System

router = APIRouter(tags=["devices"])

Writer = Annotated[Principal, Depends(require("device.write"))]

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class DeviceImportOut(BaseModel):
    """`rows`: how many the file has, once that is known; `done`: how many are dealt with; `errors`: wrong cells;
    `columns`: heading -> field; `unknown`: headings that mean nothing here; `error`: why it cannot be read."""

    id: str
    file_name: str
    state: ImportState
    dry_run: bool
    rows: int | None
    done: int
    added: int
    changed: int
    unchanged: int
    rejected: int
    errors: int
    columns: dict[str, Any]
    unknown: list[str]
    error: dict[str, Any] | None
    created_at: datetime
    created_by_name: str
    finished_at: datetime | None

    @classmethod
    def of(cls, job: DeviceImport) -> "DeviceImportOut":
        own = {name: getattr(job, name) for name in cls.model_fields if hasattr(job, name)}
        return cls(**own | job.counts.__dict__ | {"done": job.counts.done, "unknown": list(job.unknown)})


class CellErrorOut(BaseModel):
    """`cell` as a spreadsheet names it; empty where the whole row is meant."""

    sheet: str
    row: int
    cell: str
    column: str
    value: str
    code: str
    message: str
    message_en: str

    @classmethod
    def of(cls, error: CellError) -> "CellErrorOut":
        zh, en = service.error_texts(error)
        own = {name: getattr(error, name) for name in cls.model_fields if hasattr(error, name)}
        return cls(**own, message=zh, message_en=en)


@router.post("/devices/import", status_code=202)
async def import_devices(
    file: UploadFile,
    request: Request,
    principal: Writer,
    uow: UowDep,
    context: ContextDep,
    crs: Annotated[System, Form()] = "wgs84",
    dry_run: Annotated[bool, Form()] = False,
) -> DeviceImportOut:
    """Hand in a CSV or Excel file of devices, of at most 200 MB; its rows are taken in afterwards.

    A device is told by its id, or else by its address: one that is there is brought to what the row says, an empty
    cell leaves what was there. `dry_run`: say what would become of the rows and change nothing.
    """
    await check(request, principal, "device.write", principal.division_code, principal.unit_id)
    import_id = new_id()
    digest = await asyncio.to_thread(keep_file, service.file_of(context.settings.home, import_id), file.file)
    name = (file.filename or "").replace("\\", "/").rsplit("/", 1)[-1][:200]
    job = await service.open_import(uow, principal, import_id, name, digest, crs=crs, dry_run=dry_run)
    await uow.commit()
    return DeviceImportOut.of(job)


@router.get("/device-imports")
async def list_device_imports(
    principal: Writer, scope: ScopeDep, uow: UowDep, page: PageDep
) -> PageOf[DeviceImportOut]:
    """Files that were handed in, the newest first."""
    found = await DeviceImportRepository(uow.session).jobs(scope, page)
    return PageOf.of(found, [DeviceImportOut.of(job) for job in found.items])


@router.get("/device-imports/{device_import_id}")
async def get_device_import(device_import_id: Id, principal: Writer, scope: ScopeDep, uow: UowDep) -> DeviceImportOut:
    """How far it is."""
    return DeviceImportOut.of(await service.require_import(uow, scope, device_import_id))


@router.get("/device-imports/{device_import_id}/errors")
async def list_device_import_errors(
    device_import_id: Id, principal: Writer, scope: ScopeDep, uow: UowDep, page: PageDep
) -> PageOf[CellErrorOut]:
    """Every wrong cell, in the order of the file; the first 10,000 are kept."""
    job = await service.require_import(uow, scope, device_import_id)
    found = await DeviceImportRepository(uow.session).errors(job.id, page)
    return PageOf.of(found, [CellErrorOut.of(error) for error in found.items])


@router.get("/device-import-template", response_class=Response)
async def get_device_import_template(principal: Writer, form: Literal["xlsx", "csv"] = "xlsx") -> Response:
    """A file to fill in: all columns, a sample row, and which classes and protocols there are."""
    content = service.template_workbook() if form == "xlsx" else service.template_csv()
    kind = _XLSX if form == "xlsx" else "text/csv; charset=utf-8"
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="devices.{form}"'})
