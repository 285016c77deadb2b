"""A file of devices: its rows, what is wrong with them, and how far its taking in is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid
from chengnao.sensing.devices.model import Device

MOST_ERRORS = 10_000
"""So many wrong cells of one file are kept; those beyond are only counted."""


class ImportState(StrEnum):
    WAITING = "waiting"
    TAKING = "taking"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Row:
    """One row of the file: its cells by field, and where it stands."""

    sheet: str
    number: int
    cells: Mapping[str, str]
    broken: str = ""
    """The code of what is wrong with the row as a whole."""


@dataclass(frozen=True)
class Header:
    """The columns that were found: field -> (heading, place counted from 0), and headings that mean nothing here."""

    fields: Mapping[str, tuple[str, int]]
    unknown: tuple[str, ...]

    def cell(self, name: str, row: int) -> str:
        """The cell as a spreadsheet names it; empty where there is no such column."""
        if name not in self.fields:
            return ""
        letters, number = "", self.fields[name][1] + 1
        while number:
            number, rest = divmod(number - 1, 26)
            letters = chr(65 + rest) + letters
        return f"{letters}{row}"


@dataclass(frozen=True)
class CellError:
    """What is wrong with one cell; `cell` as a spreadsheet names it, empty where the whole row is meant."""

    sheet: str
    row: int
    cell: str
    column: str
    value: str
    code: str
    params: Mapping[str, Any] = field(default_factory=dict)


class WrongCell(Invalid):
    """Raised for a cell's text; `field` names the column."""


@dataclass
class Counts:
    """What became of the rows."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def done(self) -> int:
        return self.added + self.changed + self.unchanged + self.rejected


@dataclass(frozen=True)
class DeviceImport:
    """A file that was handed in. `rows`: how many it has, once that is known; `errors`: of how many cells."""

    id: str
    file_name: str
    digest: str
    state: ImportState
    crs: str
    dry_run: bool
    rows: int | None
    counts: Counts
    errors: int
    columns: Mapping[str, Any]
    unknown: tuple[str, ...]
    error: Mapping[str, Any] | None
    created_at: datetime
    created_by: str
    created_by_name: str
    finished_at: datetime | None
    attempts: int
    scope: Scope


@dataclass(frozen=True)
class Wanted:
    """A device as a row describes it: the fields that the row tells, checked each by itself."""

    row: Row
    values: Mapping[str, Any]

    def onto(self, device: Device) -> dict[str, Any]:
        """What the row would change in the device."""
        return {name: value for name, value in self.values.items() if value != getattr(device, name)}
