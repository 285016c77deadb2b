"""A file as a stream of rows: reports that can be taken over, and rows with all that is wrong with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from chengnao.incident.importing.columns import Columns, field_of, find_header, no_header, require_columns
from chengnao.incident.importing.model import BadRow, Crs, Mode, Odd, ReportRow, Row, RowError, SheetReport, Spot
from chengnao.incident.importing.rows import RawRow, RowParser
from chengnao.kernel.errors import Invalid
from chengnao.kernel.tabular.files import SIZE_LIMIT
from chengnao.kernel.tabular.text import (
    JsonLine,
    Line,
    encoding_of,
    json_lines,
    open_text,
    records,
    sniff_delimiter,
)
from chengnao.kernel.tabular.workbook import Merge, WorkSheet, open_workbook

ROW_LIMIT = 1_000_000
HEAD = 40
"""In so many rows the header is looked for."""
_JSON_HEAD = 200

_KINDS = (
    (b"PK\x03\x04", "workbook"),
    (b"\xd0\xcf\x11\xe0", "workbook"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x1f\x8b", "GZIP"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7z"),
)


@dataclass(frozen=True)
class Reading:
    """How a file is to be read; a time without a zone is Chongqing's (UTC+8)."""

    now: datetime
    crs: Crs = Crs.WGS84
    mode: Mode = Mode.AUTO


@dataclass
class Book:
    """The rows of a file, read once; `sheets` is complete when they have all been read."""

    file: str
    rows: Iterator[Row]
    sheets: list[SheetReport] = field(default_factory=list)
    historic: bool = False
    """Whether the rows are cases with a past of their own."""


def read_file(path: Path, name: str, how: Reading) -> Book:
    """The rows of the file, which its owner calls `name`.

    Raises Invalid where no row can be read at all: no file of a known kind, no header, neither content nor category
    among the columns, too large. What is wrong with single rows comes as a BadRow among the others.
    """
    size = path.stat().st_size
    if size > SIZE_LIMIT:
        raise Invalid("import_file_large", field="file", size_mb=size // 2**20, limit_mb=SIZE_LIMIT // 2**20)
    with path.open("rb") as file:
        head = file.read(4096)
    kind = next((kind for magic, kind in _KINDS if head.startswith(magic)), "text")
    book = Book(name, iter(()))
    if kind == "workbook":
        rows = _workbook(path, book, how)
    elif kind == "text":
        rows = _text(path, book, how)
    else:
        raise Invalid("import_file_kind", field="file", kind=kind)
    # The first row is read now, so that a file of which nothing can be read is refused at once.
    first = list(islice(rows, 1))
    book.rows = _bounded(_marked(chain(first, rows)), book)
    return book


def _marked(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, with a mark on each whose number came before."""
    seen: set[int] = set()
    for row in rows:
        if isinstance(row, ReportRow) and row.external_id:
            key = hash(row.external_id)
            again = key in seen
            seen.add(key)
            yield replace(row, odd=(*row.odd, Odd.DUPLICATE_ID)) if again else row
        else:
            yield row


def _bounded(rows: Iterator[Row], book: Book) -> Iterator[Row]:
    for count, row in enumerate(rows):
        if count == ROW_LIMIT:
            raise Invalid("import_rows_many", field="file", limit=ROW_LIMIT)
        yield row


def _workbook(path: Path, book: Book, how: Reading) -> Iterator[Row]:
    sheets = open_workbook(path)
    failed: Invalid | None = None
    for sheet in sheets:
        if sheet.hidden:
            book.sheets.append(SheetReport(sheet.name, None, {}, skipped="hidden"))
            continue
        try:
            yield from _sheet(sheet, book, how)
        except Invalid as error:
            # Other sheets may be what was meant; without any, the first error tells best.
            failed = failed or error
            book.sheets.append(SheetReport(sheet.name, None, {}, skipped=error.code))
    if failed is not None and not any(each.columns for each in book.sheets):
        raise failed
    if not any(each.columns for each in book.sheets):
        raise Invalid("import_file_empty", field="file")


def _sheet(sheet: WorkSheet, book: Book, how: Reading) -> Iterator[Row]:
    rows = sheet.rows()
    head = list(islice(rows, HEAD))
    if not any(any(texts) for _, texts in head):
        book.sheets.append(SheetReport(sheet.name, None, {}, skipped="empty"))
        return
    spread = [_spread(number, texts, head, sheet.merges) for number, texts in head]
    index = find_header(spread)
    if index is None:
        raise no_header(sheet.name, spread)
    columns = Columns.of(spread[index])
    header_row = head[index][0]
    require_columns(columns, sheet.name, header_row)
    parser = _begin(book, columns, sheet.name, header_row, how)
    covers = _Covers(sheet.merges, header_row)
    labels = columns.labels()
    for number, texts in chain(head[index + 1 :], rows):
        covered = covers.of(number, texts)
        filled = [covers.text(i) if i in labels and i in covered else text for i, text in enumerate(texts)]
        if any(texts):
            yield parser.parse(RawRow(Spot(book.file, sheet.name, number), _stripped(filled), covered))


def _begin(book: Book, columns: Columns, sheet: str, header_row: int | None, how: Reading) -> RowParser:
    book.sheets.append(columns.report(sheet, header_row))
    parser = RowParser(columns, how.now, how.crs, how.mode)
    book.historic = book.historic or parser.historic
    return parser


def _spread(number: int, texts: list[str], head: list[tuple[int, list[str]]], merges: Sequence[Merge]) -> list[str]:
    """A row of the head with the text of merged cells in every cell that they cover."""
    by_number = dict(head)
    spread = list(texts)
    for merge in merges:
        if merge.top <= number <= merge.bottom and merge.top in by_number:
            origin = by_number[merge.top]
            for column in range(merge.left, min(merge.right + 1, len(spread))):
                spread[column] = origin[merge.left] if merge.left < len(origin) else ""
    return spread


class _Covers:
    """Follows the cells that are merged downwards while the rows go by."""

    def __init__(self, merges: Sequence[Merge], header_row: int) -> None:
        down = [each for each in merges if each.bottom > each.top and each.bottom > header_row]
        self._waiting = sorted(down, key=lambda each: each.top, reverse=True)
        self._open: dict[int, tuple[Merge, str]] = {}

    def of(self, number: int, texts: Sequence[str]) -> dict[int, int]:
        """The columns of this row over which a cell from above lies, with the row of its text."""
        self._open = {column: each for column, each in self._open.items() if each[0].bottom >= number}
        covered = {column: each[0].top for column, each in self._open.items()}
        while self._waiting and self._waiting[-1].top <= number:
            merge = self._waiting.pop()
            text = texts[merge.left] if merge.top == number and merge.left < len(texts) else ""
            self._open[merge.left] = (merge, text)
        return covered

    def text(self, column: int) -> str:
        return self._open[column][1] if column in self._open else ""


def _stripped(texts: list[str]) -> list[str]:
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _text(path: Path, book: Book, how: Reading) -> Iterator[Row]:
    with open_text(path, encoding_of(path)) as lines:
        head = list(islice(lines, 2 * HEAD))
        start = "".join(head).lstrip("\ufeff \t\r\n")
        if not start:
            raise Invalid("import_file_empty", field="file")
        if start[0] == "[":
            raise Invalid("import_json_array", field="file")
        if start[0] == "<":
            raise Invalid("import_file_web_page", field="file")
        everything = chain(head, lines)
        if start[0] == "{":
            yield from _json(everything, book, how)
        else:
            yield from _csv(head, everything, book, how)


def _csv(head: list[str], lines: Iterator[str], book: Book, how: Reading) -> Iterator[Row]:
    def fields_named(rows: list[list[str]]) -> int:
        return max((len({known for cell in row if (known := field_of(cell))}) for row in rows), default=0)

    read = records(lines, sniff_delimiter(head, fields_named))
    first: list[Line] = list(islice(read, HEAD))
    index = find_header([line.texts for line in first])
    if index is None:
        raise no_header("", [line.texts for line in first])
    columns = Columns.of(_stripped(list(first[index].texts)))
    require_columns(columns, "", first[index].number)
    parser = _begin(book, columns, "", first[index].number, how)
    for line in chain(first[index + 1 :], read):
        if any(line.texts):
            spot = Spot(book.file, "", line.number)
            yield parser.parse(RawRow(spot, _stripped(line.texts), {}, line.broken))


def _json(lines: Iterator[str], book: Book, how: Reading) -> Iterator[Row]:
    read = json_lines(lines)
    head = list(islice(read, _JSON_HEAD))
    keys = list(dict.fromkeys(key for line in head for key in line.keys))
    columns = Columns.of(keys)
    require_columns(columns, "", None)
    parser = _begin(book, columns, "", None, how)
    mode = Mode.HISTORIC if parser.historic else Mode.NEW
    parsers: dict[tuple[str, ...], RowParser] = {}
    for line in chain(head, read):
        if line.keys not in parsers:
            parsers[line.keys] = RowParser(Columns.of(line.keys), how.now, how.crs, mode)
            new = [key for key in line.keys if key not in keys]
            if new:
                keys += new
                book.sheets[-1] = Columns.of(keys).report("", None)
        yield _json_row(line, parsers[line.keys], book)


def _json_row(line: JsonLine, parser: RowParser, book: Book) -> Row:
    spot = Spot(book.file, "", line.number)
    if line.broken:
        error = RowError(spot, line.broken, value=line.texts[0][:80])
        return BadRow(spot, {"#": line.texts[0][:2000]}, (error,))
    return parser.parse(RawRow(spot, line.texts, {}))
