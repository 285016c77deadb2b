"""Handing in a file of devices. Nothing here commits; the worker does the rest."""

import csv
import io
from pathlib import Path

import openpyxl
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import NotFound
from chengnao.kernel.messages import message
from chengnao.sensing.devices.importing.model import CellError, Counts, DeviceImport, ImportState
from chengnao.sensing.devices.importing.reading import columns
from chengnao.sensing.devices.importing.repository import DeviceImportRepository
from chengnao.sensing.devices.model import Protocol, device_classes


def folder_of(home: Path) -> Path:
    return home / "device-imports"


def file_of(home: Path, import_id: str) -> Path:
    return folder_of(home) / import_id


async def open_import(
    uow: UnitOfWork, principal: Principal, import_id: str, name: str, digest: str, *, crs: str, dry_run: bool
) -> DeviceImport:
    """Put the file, kept under the id, in line for the worker."""
    job = DeviceImport(
        id=import_id,
        file_name=name,
        digest=digest,
        state=ImportState.WAITING,
        crs=crs,
        dry_run=dry_run,
        rows=None,
        counts=Counts(),
        errors=0,
        columns={},
        unknown=(),
        error=None,
        created_at=uow.clock.now(),
        created_by=principal.id,
        created_by_name=principal.name,
        finished_at=None,
        attempts=0,
        scope=Scope.of(principal),
    )
    await DeviceImportRepository(uow.session).add(job)
    await record_act(uow, principal, "device.import", id=import_id, file=name, digest=digest, dry_run=dry_run)
    return job


async def require_import(uow: UnitOfWork, scope: Scope, import_id: str) -> DeviceImport:
    """The import; raises NotFound outside the scope."""
    job = await DeviceImportRepository(uow.session).job(scope, import_id)
    if job is None:
        raise NotFound("not_found", kind="设备导入 import of devices", id=import_id)
    return job


def error_texts(error: CellError) -> tuple[str, str]:
    """What is wrong and what to do, in Chinese and in English."""
    params = {key: value for key, value in error.params.items() if key not in {"code", "language"}}
    return message(error.code, "zh", **params), message(error.code, "en", **params)


def template_workbook() -> bytes:
    """An empty workbook with all columns, one sample row, and what may stand in them on a second sheet."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = "设备"
    sheet.append([column["zh"] for column in columns()])
    sheet.append([column["example"] for column in columns()])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
        sheet.column_dimensions[cell.column_letter].width = 18
    sheet.freeze_panes = "A2"
    notes = book.create_sheet("说明")
    notes.append(["设备类型", "代码", "协议"])
    protocols = [each.value for each in Protocol]
    kinds = list(device_classes().values())
    for place in range(max(len(kinds), len(protocols))):
        kind = kinds[place] if place < len(kinds) else None
        protocol = protocols[place] if place < len(protocols) else ""
        notes.append([kind.name_zh if kind else "", kind.code if kind else "", protocol])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def template_csv() -> bytes:
    """The same as CSV that Excel opens as UTF-8."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow([column["zh"] for column in columns()])
    writer.writerow([column["example"] for column in columns()])
    return target.getvalue().encode("utf-8-sig")
