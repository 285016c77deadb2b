"""Excel workbooks, .xlsx and .xls: their sheets as rows of texts, with the cells that are merged."""

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetVisibleEnum

from chengnao.kernel.errors import Invalid
from chengnao.kernel.tabular.cells import cell_text

UNPACKED_LIMIT = 2**30
"""Bytes of a workbook once unpacked: a small file can unpack to more than any memory."""
AREA_LIMIT = 20_000_000
"""Cells of the rectangle that a sheet's filled cells span: a lone cell in the last corner spans 17 billion."""

_CELL = re.compile(rb'<(?:\w+:)?c r="([A-Z]{1,3})(\d{1,7})"')
_CHUNK = 2**20


@dataclass(frozen=True)
class Merge:
    """A merged range, its rows counted from 1, its columns from 0."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True)
class WorkSheet:
    name: str
    hidden: bool
    merges: Sequence[Merge]
    _sheet: CalamineSheet

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row with its number; hidden rows are rows like all others."""
        offset = [""] * (self._sheet.start or (0, 0))[1]
        for number, row in enumerate(self._sheet.iter_rows(), start=1):
            yield number, offset + [cell_text(value) for value in row]


def open_workbook(path: Path) -> list[WorkSheet]:
    """The sheets of the workbook; raises Invalid that says what is wrong with the file and what to do."""
    if zipfile.is_zipfile(path):
        _check_zip(path)
    try:
        book = CalamineWorkbook.from_path(path)
        return [
            WorkSheet(
                each.name,
                each.visible is not SheetVisibleEnum.Visible,
                [Merge(r0 + 1, c0, r1 + 1, c1) for (r0, c0), (r1, c1) in sheet.merged_cell_ranges or []],
                sheet,
            )
            for each in book.sheets_metadata
            for sheet in [book.get_sheet_by_name(each.name)]
        ]
    except PasswordError as error:
        raise Invalid("import_file_locked", field="file", file=path.name) from error
    except CalamineError as error:
        raise Invalid("import_file_broken", field="file", reason=str(error)) from error


def _check_zip(path: Path) -> None:
    """Refuse what would unpack, or span, more than fits in memory, by looking at it piece by piece."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "xl/workbook.xml" not in names:
                raise Invalid("import_file_kind", field="file", kind="ZIP")
            left = UNPACKED_LIMIT
            for name in names:
                left -= _scan(archive, name, left)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise Invalid("import_file_broken", field="file", reason=str(error)) from error


def _scan(archive: zipfile.ZipFile, name: str, left: int) -> int:
    """The true size of a member; raises Invalid where it, or the area of the sheet in it, is too large."""
    size = most_row = most_column = 0
    is_sheet = name.startswith("xl/worksheets/") and name.endswith(".xml")
    rest = b""
    with archive.open(name) as member:
        while chunk := member.read(_CHUNK):
            size += len(chunk)
            if size > left:
                raise Invalid("import_file_unpacks", field="file", limit_mb=UNPACKED_LIMIT // 2**20)
            if not is_sheet:
                continue
            for letters, digits in _CELL.findall(rest + chunk):
                most_row, most_column = max(most_row, int(digits)), max(most_column, _column(letters))
            rest = chunk[-40:]
    if most_row * most_column > AREA_LIMIT:
        raise Invalid("import_sheet_spans", field="file", rows=most_row, columns=most_column, limit=AREA_LIMIT)
    return size


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
