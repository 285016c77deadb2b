"""`chengnao reports import`: take a file of reports in, or only say what would become of its rows."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from chengnao.incident.importing import service
from chengnao.incident.importing.divisions import DivisionIndex, placed
from chengnao.incident.importing.files import file_of
from chengnao.incident.importing.jobs import Counts, Job, JobState, RowState
from chengnao.incident.importing.model import BadRow, Crs, Mode, Odd, Row
from chengnao.incident.importing.reading import Book, Reading, read_file
from chengnao.incident.importing.repository import ImportRepository
from chengnao.incident.importing.taking import row_error
from chengnao.incident.reports.model import Channel
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.clock import CST, SystemClock, load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import ChengnaoError, Conflict, Invalid, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY, Division, read_divisions
from chengnao.kernel.settings import load_settings
from chengnao.kernel.tabular.files import keep_file

_PATIENCE = 60
"""Seconds until a file that nobody begins to read is left to the worker."""
_ACTOR = Principal("cli", "chengnao reports import", "system", frozenset(), CITY)

app = typer.Typer(help="诉求 / reports", no_args_is_help=True)


@app.callback()
def reports() -> None:
    """诉求：批量导入 / Reports: import files of them."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, Excel (.xlsx .xls), JSON lines")],
    channel: Annotated[
        Channel, typer.Option(help="来源渠道，行内未写明时 / where the rows do not say")
    ] = Channel.IMPORT,
    crs: Annotated[Crs, typer.Option(help="坐标系 / what the coordinates are counted in")] = Crs.WGS84,
    mode: Annotated[Mode, typer.Option(help="新诉求或历史案件 / new reports, or cases with a past")] = Mode.AUTO,
    division: Annotated[
        str | None, typer.Option(help="行内没有区划时的默认代码 / for rows that tell none", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="只检查，平台不必运行 / only look; nothing need be started")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / one JSON object a line")] = False,
) -> None:
    """导入诉求或历史案件；有未通过的行时退出码为 1 / Take a file in; exit code 1 where rows were rejected.

    没有时区的时间按重庆时间（UTC+8）。/ A time without a zone is Chongqing's (UTC+8).
    """
    if not file.is_file():
        raise Invalid("file_unreadable", field="file", file=str(file), reason="没有这个文件 / there is no such file")
    tell = _Teller(as_json)
    if dry_run:
        _look(file, Reading(SystemClock().now().astimezone(CST), crs, mode), division, tell)
    else:
        handed = service.Handed(file.name, "", channel, crs, mode, division)
        asyncio.run(_take_in(file, handed, tell))
    if tell.rejected:
        raise typer.Exit(1)


class _Teller:
    """Says what becomes of rows, as JSON lines or as a table at the end."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._table = Table("表 sheet", "行 row", "列 column", "", show_lines=False)
        self.rejected = 0

    def wrong(self, errors: list[dict[str, Any]]) -> None:
        self.rejected += 1
        for error in errors:
            if self._as_json:
                self._line({"state": "rejected", **error})
            text = f"[red]{_plain(error['message'])}[/]\n[dim]{_plain(error['message_en'])}[/]"
            self._table.add_row(error["sheet"], str(error["row"]), _plain(error["column"]), text)

    def odd(self, sheet: str, row: int, odd: tuple[str, ...]) -> None:
        if self._as_json:
            self._line({"state": "odd", "sheet": sheet, "row": row, "odd": [str(each) for each in odd]})

    def end(self, counts: Counts, odd: Counter[str], sheets: list[dict[str, Any]], historic: bool) -> None:
        summary = {**counts.__dict__, "odd_by_code": dict(odd), "historic": historic, "sheets": sheets}
        if self._as_json:
            self._line({"state": "done", **summary})
            return
        console = Console()
        for sheet in sheets:
            known = "、".join(f"{header}→{field}" for header, field in sheet["columns"].items())
            name = sheet["sheet"] or "-"
            console.print(f"{name}: {sheet['skipped'] or known}", highlight=False, markup=False)
            for header in sheet["unknown"]:
                console.print(f"  未用到的列 unknown column: {header}", highlight=False, markup=False)
            for header, other in sheet["unused"].items():
                console.print(f"  {header} → 已有 covered by {other}", highlight=False, markup=False)
        if self.rejected:
            console.print(self._table)
        for code, count in odd.most_common():
            console.print(f"  {count:>7}  {Odd(code).zh} / {Odd(code).en}", highlight=False)
        console.print(
            f"共 {counts.total} 行：接收 {counts.accepted}，未通过 {counts.rejected}，此前已导入 {counts.known}，"
            f"存疑 {counts.odd}\n{counts.total} rows: {counts.accepted} accepted, {counts.rejected} rejected, "
            f"{counts.known} known before, {counts.odd} odd",
            highlight=False,
        )

    @staticmethod
    def _line(value: dict[str, Any]) -> None:
        print(json.dumps(value, ensure_ascii=False))


def _plain(text: str) -> str:
    """A text in which brackets are no markup."""
    return text.replace("[", "\\[")


def _look(file: Path, how: Reading, division: str | None, tell: _Teller) -> None:
    """Say what would become of the rows; nothing is kept."""
    index = DivisionIndex(_packaged_divisions(), how.now.date())
    book = read_file(file, file.name, how)
    counts, odd = Counter[str](), Counter[str]()
    for row in _tried(book, index, division):
        counts["total"] += 1
        if isinstance(row, BadRow):
            counts["rejected"] += 1
            tell.wrong([each.to_dict() for each in row.errors])
            continue
        counts["accepted"] += 1
        if row.odd:
            counts["odd"] += 1
            odd.update(str(each) for each in row.odd)
            tell.odd(row.spot.sheet, row.spot.row, row.odd)
    sheets = [sheet.__dict__ for sheet in book.sheets]
    tell.end(Counts(**counts), odd, sheets, book.historic)


def _tried(book: Book, index: DivisionIndex, division: str | None) -> Iterator[Row]:
    """The rows; those that nothing places count as bad. What a classifier might read from the words is not tried."""
    for row in book.rows:
        if isinstance(row, BadRow):
            yield row
            continue
        try:
            yield placed(row, index, None, division, CITY)[0]
        except Conflict as error:
            yield BadRow(row.spot, row.cells, (row_error(row.spot, error),))


def _packaged_divisions() -> list[Division]:
    source = files("chengnao.kernel.organisation") / "data" / "divisions.csv"
    read = read_divisions(source.read_text("utf-8").splitlines(), source.name)
    return [each for each in read if isinstance(each, Division)]


async def _take_in(file: Path, handed: service.Handed, tell: _Teller) -> None:
    """Hand the file in, follow the worker, and say what became of the rows."""
    settings = load_settings()
    database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed))
    try:
        await database.check()
        import_id = new_id()
        with file.open("rb") as source:
            digest = await asyncio.to_thread(keep_file, file_of(settings.home, import_id), source)
        async with database.unit_of_work() as uow:
            job = await service.open_import(uow, _ACTOR, import_id, replace(handed, digest=digest))
            await uow.commit()
        job, counts = await _follow(database, job)
        if job.error is not None:
            raise ChengnaoError(job.error["code"], **job.error["params"])
        odd = Counter[str]()
        async with database.unit_of_work() as uow:
            for row in await ImportRepository(uow.session).noteworthy(job.id):
                if row.state is RowState.REJECTED:
                    tell.wrong([dict(each) for each in row.errors])
                elif row.odd:
                    odd.update(row.odd)
                    tell.odd(row.sheet, row.row, tuple(row.odd))
        tell.end(counts, odd, [dict(each) for each in job.sheets], job.historic)
    finally:
        await database.close()


async def _follow(database: Database, job: Job) -> tuple[Job, Counts]:
    waited = 0.0
    with _progress() as progress:
        task = progress.add_task(job.file_name, total=None)
        while True:
            async with database.unit_of_work() as uow:
                job = await service.require_import(uow, Scope(), job.id)
                counts = (await ImportRepository(uow.session).counts([job.id]))[job.id]
            settled = counts.total - counts.ready
            total = counts.total if job.state is not JobState.READING else None
            progress.update(task, total=total, completed=settled, description=f"{job.state.zh} {job.state.en}")
            if job.state in (JobState.DONE, JobState.FAILED):
                return job, counts
            waited = waited + 0.5 if job.state is JobState.WAITING else 0.0
            if waited > _PATIENCE:
                raise Unavailable("import_not_started", id=job.id)
            await asyncio.sleep(0.5)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
