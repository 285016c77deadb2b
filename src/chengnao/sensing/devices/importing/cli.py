"""`chengnao devices import`: take a file of devices in, with a bar that shows how far it is."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.clock import load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import ChengnaoError, Invalid, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import load_settings
from chengnao.kernel.tabular.files import keep_file
from chengnao.sensing.devices.importing import service
from chengnao.sensing.devices.importing.model import CellError, DeviceImport, ImportState
from chengnao.sensing.devices.importing.repository import DeviceImportRepository

_PATIENCE = 60
"""Seconds until a file that nobody begins to read is left to the worker."""
_SHOWN = 200
_ACTOR = Principal("cli", "chengnao devices import", "system", frozenset(), CITY)

app = typer.Typer(help="设备 / devices", no_args_is_help=True)


@app.callback()
def devices() -> None:
    """设备：批量登记 / Devices: register many of them."""


@app.command("template")
def write_template(
    file: Annotated[Path, typer.Argument(help="devices.xlsx, devices.csv")],
) -> None:
    """写出导入模板 / Write the file to fill in."""
    file.write_bytes(service.template_csv() if file.suffix.lower() == ".csv" else service.template_workbook())


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="Excel (.xlsx .xls), CSV")],
    crs: Annotated[str, typer.Option(help="坐标系 / coordinates: wgs84, gcj02, bd09")] = "wgs84",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不登记 / only look, register nothing")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / one JSON object a line")] = False,
) -> None:
    """从文件登记设备；有未通过的行时退出码为 1 / Register devices from a file; exit code 1 where rows were rejected.

    平台须在运行 / The platform must be running.
    """
    if not file.is_file():
        raise Invalid("device_import_file_missing", field="file", file=str(file))
    if crs not in ("wgs84", "gcj02", "bd09"):
        raise Invalid(
            "invalid_value", field="crs", value=crs, reason_zh="应为 wgs84、gcj02 或 bd09", reason_en="unknown system"
        )
    job, errors = asyncio.run(_take_in(file, crs, dry_run=dry_run, quiet=as_json))
    _tell(job, errors, as_json=as_json)
    if job.state is ImportState.FAILED or job.counts.rejected:
        raise typer.Exit(1)


async def _take_in(file: Path, crs: str, *, dry_run: bool, quiet: bool) -> tuple[DeviceImport, list[CellError]]:
    settings = load_settings()
    database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed), pool_size=2)
    try:
        import_id = new_id()
        with file.open("rb") as source:
            digest = await asyncio.to_thread(keep_file, service.file_of(settings.home, import_id), source)
        async with database.unit_of_work() as uow:
            await service.open_import(uow, _ACTOR, import_id, file.name, digest, crs=crs, dry_run=dry_run)
            await uow.commit()
        job = await _follow(database, import_id, quiet=quiet)
        async with database.unit_of_work() as uow:
            page = await DeviceImportRepository(uow.session).errors(import_id, PageRequest(1, 10_000))
        return job, page.items
    finally:
        await database.close()


async def _follow(database: Database, import_id: str, *, quiet: bool) -> DeviceImport:
    waited = 0.0
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("导入设备 / importing devices", total=None)
        while True:
            async with database.unit_of_work() as uow:
                job = await service.require_import(uow, Scope(), import_id)
            progress.update(task, total=job.rows, completed=job.counts.done)
            if job.state in (ImportState.DONE, ImportState.FAILED):
                return job
            if job.state is ImportState.WAITING and waited > _PATIENCE:
                raise Unavailable("device_import_not_started", id=import_id)
            waited += 0.3
            await asyncio.sleep(0.3)


def _tell(job: DeviceImport, errors: list[CellError], *, as_json: bool) -> None:
    if job.error is not None:
        raise ChengnaoError(str(job.error["code"]), **job.error.get("params", {}))
    if as_json:
        for error in errors:
            zh, en = service.error_texts(error)
            own = {name: getattr(error, name) for name in ("sheet", "row", "cell", "column", "value", "code")}
            print(json.dumps({"state": "rejected", **own, "message": zh, "message_en": en}, ensure_ascii=False))
        print(json.dumps({"state": "done", "id": job.id, "dry_run": job.dry_run, **job.counts.__dict__}))
        return
    console = Console()
    if errors:
        table = Table("表 sheet", "单元格 cell", "", show_lines=False)
        for error in errors[:_SHOWN]:
            zh, en = (text.replace("[", "\\[") for text in service.error_texts(error))
            table.add_row(error.sheet or "-", error.cell or f"{error.row}", f"[red]{zh}[/]\n[dim]{en}[/]")
        console.print(table)
        if job.errors > _SHOWN:
            console.print(f"还有 {job.errors - _SHOWN} 处 / {job.errors - _SHOWN} more", highlight=False)
    counts = job.counts
    trial = "（只检查 / dry run）" if job.dry_run else ""
    console.print(
        f"共 {counts.done} 行{trial}：新增 {counts.added}，更新 {counts.changed}，未变 {counts.unchanged}，"
        f"未通过 {counts.rejected}\n{counts.done} rows: {counts.added} added, {counts.changed} changed, "
        f"{counts.unchanged} unchanged, {counts.rejected} rejected",
        highlight=False,
    )
