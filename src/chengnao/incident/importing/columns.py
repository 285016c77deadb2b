"""Which field a column means: the names stand in `columns.yaml`, the words of states and channels in `words.yaml`."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.incident.catalogue import categories
from chengnao.incident.importing.model import SheetReport, Status
from chengnao.kernel.errors import Invalid

HISTORY = frozenset({"closed", "due", "status"})
"""A file that tells one of these tells of cases that have a past."""

_REMARKS = re.compile(r"[(\[{【（].*?[)\]}】）]")
_NOT_WORD = re.compile(r"[^0-9a-z\u3400-\u9fff]+")


@dataclass(frozen=True)
class Field:
    field: str
    zh: str
    en: str
    names: tuple[str, ...]
    label: bool = False
    private: bool = False


@cache
def fields() -> Mapping[str, Field]:
    """All fields that a column can mean."""
    found = [Field(**entry | {"names": tuple(map(str, entry["names"]))}) for entry in _load("columns.yaml")]
    return {each.field: each for each in found}


@cache
def _by_name() -> Mapping[str, tuple[str, int]]:
    """Folded name -> its field, and the place among the field's names."""
    found: dict[str, tuple[str, int]] = {}
    for each in fields().values():
        for rank, name in enumerate(each.names):
            if found.setdefault(folded(name), (each.field, rank)) != (each.field, rank):
                raise ValueError(f"columns.yaml: {name} stands for two fields")
    return found


def folded(text: str) -> str:
    """The text as names are compared: width, case, blanks and punctuation do not matter."""
    return _NOT_WORD.sub("", unicodedata.normalize("NFKC", text).lower())


def field_of(header: str) -> tuple[str, int] | None:
    """The field that a header means, and how telling the name is (0 most); None where it means none."""
    known = _by_name()
    return known.get(folded(header)) or known.get(folded(_REMARKS.sub("", header)))


@dataclass(frozen=True)
class Columns:
    """The columns of one sheet: which of them give which field."""

    headers: Sequence[str]
    by_field: Mapping[str, Sequence[int]]
    """More than one only where a header cell is merged over several columns: their texts are joined."""
    unused: Mapping[int, int]
    """Columns of a field that another column gives."""

    @classmethod
    def of(cls, headers: Sequence[str]) -> "Columns":
        found: dict[str, list[tuple[int, int]]] = {}
        for index, header in enumerate(headers):
            known = field_of(header)
            if known is not None:
                found.setdefault(known[0], []).append((known[1], index))
        by_field: dict[str, list[int]] = {}
        unused: dict[int, int] = {}
        for name, columns in found.items():
            rank, first = min(columns)
            # The very same header again is one header over two columns; only words can be put together.
            same = [i for r, i in columns if r == rank and headers[i] == headers[first]]
            by_field[name] = same if name in ("content", "address") else [first]
            unused |= {i: first for _, i in columns if i not in by_field[name]}
        return cls(headers, by_field, unused)

    @property
    def historic(self) -> bool:
        return bool(HISTORY & self.by_field.keys())

    def labels(self) -> set[int]:
        """The columns whose merged cells stand for every row that they cover."""
        return {i for name, columns in self.by_field.items() if fields()[name].label for i in columns}

    def header(self, field: str) -> str:
        """The field's header as the file writes it, else the field's own name."""
        columns = self.by_field.get(field)
        return self.headers[columns[0]] if columns else fields()[field].zh

    def report(self, sheet: str, header_row: int | None) -> SheetReport:
        known = {i for columns in self.by_field.values() for i in columns} | self.unused.keys()
        return SheetReport(
            sheet,
            header_row,
            {self.headers[i]: name for name, columns in self.by_field.items() for i in columns},
            [header for i, header in enumerate(self.headers) if header.strip() and i not in known],
            {self.headers[i]: self.headers[other] for i, other in self.unused.items()},
        )


def find_header(rows: Sequence[Sequence[str]]) -> int | None:
    """The index of the row that names most fields; None where no row names any."""
    scores = [len({known[0] for cell in row if (known := field_of(cell))}) for row in rows]
    best = max(scores, default=0)
    return scores.index(best) if best else None


def require_columns(columns: Columns, sheet: str, row: int | None) -> None:
    """Raises Invalid, naming what was found and what is expected, where neither content nor category is there."""
    if {"content", "category"} & columns.by_field.keys():
        return
    headers = [header for header in columns.headers if header.strip()]
    raise Invalid(
        "import_column_missing",
        field="file",
        sheet=sheet,
        row=row or "-",
        found="、".join(headers[:30]),
        expected="、".join(fields()["content"].names[:8]),
        expected_en=", ".join([*fields()["content"].names[-8:], *fields()["category"].names[-7:]]),
        **_nearest(headers),
    )


def no_header(sheet: str, rows: Sequence[Sequence[str]]) -> Invalid:
    """The error for a sheet in which no row looks like a header."""
    first = next((row for row in rows if any(cell.strip() for cell in row)), [])
    headers = [cell for cell in first if cell.strip()]
    return Invalid(
        "import_header_missing",
        field="file",
        sheet=sheet,
        found="、".join(each[:20] for each in headers[:30]),
        expected="、".join(each.zh for each in fields().values()),
        expected_en=", ".join(each.en for each in fields().values()),
        **_nearest(headers),
    )


def _nearest(headers: Sequence[str]) -> dict[str, str]:
    """Headers that look like a misspelt name of the content."""
    names = {folded(name): name for each in ("content", "category") for name in fields()[each].names}
    for header in headers:
        if near := get_close_matches(folded(header), names, 1, cutoff=0.6):
            return {
                "near": f"“{header}”是否应为“{names[near[0]]}”？",
                "near_en": f"Is '{header}' meant to be '{names[near[0]]}'?",
            }
    return {"near": "", "near_en": ""}


@cache
def _words(kind: str) -> Mapping[str, str]:
    return {folded(str(word)): code for code, words in _load("words.yaml")[kind].items() for word in words}


def status_of(text: str) -> Status | None:
    code = _words("statuses").get(folded(text))
    return None if code is None else Status(code)


def channel_of(text: str) -> str | None:
    return _words("channels").get(folded(text))


@cache
def _categories() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for each in categories().values():
        for name in (each.code, each.name, each.name_en, *each.words):
            found.setdefault(folded(name), each.code)
    return found


def category_of(text: str) -> str | None:
    """The category that a text names: by code, name or a word for it, or by the last part of a path of names."""
    known = _categories()
    last = re.split(r"[/\\>＞→|·]|--", text)[-1]
    return known.get(folded(text)) or known.get(folded(last))


def _load(name: str) -> Any:
    return yaml.safe_load((files("chengnao.incident.importing") / name).read_text("utf-8"))
