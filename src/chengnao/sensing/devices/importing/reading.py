"""The rows of a file of devices: Excel, CSV. Nothing in it is checked yet but that there is a header."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import chain, islice
from pathlib import Path
from typing import Any

import yaml

from chengnao.kernel.errors import Invalid
from chengnao.kernel.tabular.text import encoding_of, open_text, records, sniff_delimiter
from chengnao.kernel.tabular.workbook import open_workbook
from chengnao.sensing.devices.importing.model import Header, Row

HEAD = 20
"""In so many rows the header is looked for."""
ROW_LIMIT = 1_000_000
_REQUIRED = ("name", "class_code", "division_code")
_FOREIGN = ((b"%PDF", "PDF"), (b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"\x1f\x8b", "GZIP"), (b"Rar!", "RAR"))

Lines = Iterator[tuple[int, list[str], str]]


@cache
def columns() -> list[dict[str, Any]]:
    """The columns that a file may have, in the template's order."""
    text = files("chengnao.sensing.devices.importing").joinpath("columns.yaml").read_text("utf-8")
    known: list[dict[str, Any]] = yaml.safe_load(text)
    return known


@cache
def _headings() -> dict[str, str]:
    return {
        _plain(name): column["field"]
        for column in columns()
        for name in (column["zh"], column["en"], column["field"], *column["also"])
    }


def _plain(heading: str) -> str:
    return "".join(heading.lower().replace("*", "").replace("(", "（").replace(")", "）").split())


def read_rows(path: Path) -> Iterator[tuple[Header, Row]]:
    """Each row with the header of its sheet.

    Raises Invalid where no row can be read at all: no file of a known kind, no header, a column missing that every
    device needs.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    kind = next((kind for magic, kind in _FOREIGN if head.startswith(magic)), None)
    if kind is not None:
        raise Invalid("import_file_kind", field="file", kind=kind)
    workbook = head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0"))
    for number, each in enumerate(_workbook(path) if workbook else _text(path)):
        if number == ROW_LIMIT:
            raise Invalid("import_rows_many", field="file", limit=ROW_LIMIT)
        yield each


def _workbook(path: Path) -> Iterator[tuple[Header, Row]]:
    problem: Invalid | None = None
    found = False
    for sheet in open_workbook(path):
        if sheet.hidden:
            continue
        lines = ((number, texts, "") for number, texts in sheet.rows())
        try:
            for each in _rows(sheet.name, lines):
                found = True
                yield each
        except Invalid as error:
            problem = problem or error  # another sheet may be what was meant
    if not found:
        raise problem or Invalid("import_file_empty", field="file")


def _text(path: Path) -> Iterator[tuple[Header, Row]]:
    with open_text(path, encoding_of(path)) as lines:
        head = list(islice(lines, 2 * HEAD))
        start = "".join(head).lstrip("\ufeff \t\r\n")
        if not start:
            raise Invalid("import_file_empty", field="file")
        if start[0] == "<":
            raise Invalid("import_file_web_page", field="file")

        def headings(rows: list[list[str]]) -> int:
            return max((len({_plain(cell) for cell in row} & _headings().keys()) for row in rows), default=0)

        read = records(chain(head, lines), sniff_delimiter(head, headings))
        yield from _rows("", ((line.number, line.texts, line.broken) for line in read))


def _rows(sheet: str, lines: Lines) -> Iterator[tuple[Header, Row]]:
    head = list(islice(lines, HEAD))
    place = next((place for place, (_, texts, _) in enumerate(head) if _is_header(texts)), None)
    if place is None:
        if not any(any(texts) for _, texts, _ in head):
            raise Invalid("import_file_empty", field="file")
        seen = "、".join(text for text in next(texts for _, texts, _ in head if any(texts)) if text)[:200]
        raise Invalid("device_import_header", field="file", sheet=sheet or "-", found=seen)
    header = _header(head[place][1])
    missing = [name for name in _REQUIRED if name not in header.fields]
    if missing:
        named = {column["field"]: column for column in columns()}
        raise Invalid(
            "device_import_columns",
            field="file",
            sheet=sheet or "-",
            row=head[place][0],
            missing="、".join(named[name]["zh"] for name in missing),
            missing_en=", ".join(named[name]["en"] for name in missing),
        )
    for number, texts, broken in chain(head[place + 1 :], lines):
        if any(texts):
            cells = {name: texts[column] if column < len(texts) else "" for name, (_, column) in header.fields.items()}
            yield header, Row(sheet, number, cells, broken)


def _is_header(texts: list[str]) -> bool:
    return len({_headings()[_plain(text)] for text in texts if _plain(text) in _headings()}) >= 3


def _header(texts: list[str]) -> Header:
    fields: dict[str, tuple[str, int]] = {}
    unknown = []
    for place, text in enumerate(texts):
        name = _headings().get(_plain(text))
        if name is None or name in fields:
            unknown += [text] if text else []
        else:
            fields[name] = text, place
    return Header(fields, tuple(unknown))
