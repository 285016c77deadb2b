"""An import and its rows as the platform keeps them. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from chengnao.incident.importing.model import BadRow, Crs, Mode, Odd, ReportRow, Row
from chengnao.incident.reports.model import Channel
from chengnao.kernel.privacy.model import mask
from chengnao.kernel.vocabulary import Named


class JobState(Named):
    WAITING = "waiting", "等待读取", "waiting to be read"
    READING = "reading", "读取中", "being read"
    TAKING = "taking", "入库中", "being taken in"
    DONE = "done", "已完成", "done"
    FAILED = "failed", "无法读取", "could not be read"


class RowState(Named):
    READY = "ready", "待入库", "to be taken in"
    ACCEPTED = "accepted", "已接收", "accepted"
    REJECTED = "rejected", "未通过", "rejected"
    KNOWN = "known", "此前已导入", "taken in before"
    DISCARDED = "discarded", "已丢弃", "discarded"


@dataclass(frozen=True)
class Job:
    """One file that was handed in, and how it is to be understood."""

    id: str
    file_name: str
    digest: str
    """Of the file's bytes."""
    state: JobState
    channel: Channel
    crs: Crs
    mode: Mode
    division_code: str
    """Of whoever handed it in: its rows must lie there."""
    default_division: str | None
    """For rows that tell no division."""
    created_at: datetime
    created_by: str
    created_by_name: str
    created_by_kind: Literal["user", "machine", "system"]
    finished_at: datetime | None = None
    historic: bool = False
    sheets: Sequence[Mapping[str, Any]] = ()
    error: Mapping[str, Any] | None = None
    """Why it could not be read, as the API shows errors."""
    attempts: int = 0


@dataclass(frozen=True)
class Counts:
    """What became of the rows of an import."""

    total: int = 0
    ready: int = 0
    accepted: int = 0
    rejected: int = 0
    known: int = 0
    discarded: int = 0
    odd: int = 0
    """Of the accepted and known, those that deserve a look."""


@dataclass(frozen=True)
class KeptRow:
    """A row of a file with all that it said, and what became of it."""

    import_id: str
    number: int
    """Its place among all rows of the file."""
    sheet: str
    row: int
    state: RowState
    sealed: bytes
    """Its cells by header."""
    errors: Sequence[Mapping[str, Any]] = ()
    odd: Sequence[str] = ()
    key: str | None = None
    report_id: str | None = None
    incident_id: str | None = None
    reason: str | None = None
    """Why it was discarded."""
    changed_by: str | None = None
    """Who corrected or discarded it."""

    @property
    def record(self) -> str:
        """What its cells are sealed for."""
        return f"{self.import_id}:{self.number}"


@dataclass(frozen=True)
class ReadRow:
    """A row as the reading gives it on: what it said, and what was found."""

    sheet: str
    row: int
    cells: Mapping[str, str]
    errors: Sequence[Mapping[str, Any]] = ()
    odd: Sequence[str] = ()
    key: str | None = None

    @classmethod
    def of(cls, digest: str, channel: str, row: Row) -> "ReadRow":
        spot = row.spot
        if isinstance(row, BadRow):
            return cls(spot.sheet, spot.row, row.cells, masked_errors(row))
        odd = [str(each) for each in row.odd]
        return cls(spot.sheet, spot.row, row.cells, (), odd, key_of(digest, channel, row))


def masked_errors(row: BadRow) -> list[dict[str, Any]]:
    """What is wrong with the row, as it is kept and shown: without personal details."""
    return [replace(each, value=mask(each.value)).to_dict() for each in row.errors]


def key_of(digest: str, channel: str, row: ReportRow) -> str:
    """Names the case that a row tells of, so that it is taken in once, by whichever file it comes.

    By its number in the system it comes from; where the same number comes again in one file with other words, by these
    too. Without a number, by the place in this very file.
    """
    if not row.external_id:
        parts = [digest, row.spot.sheet, str(row.spot.row)]
    elif Odd.DUPLICATE_ID in row.odd:
        at = row.created_at.isoformat() if row.created_at else ""
        parts = [channel, row.external_id, row.content, row.given_category, at]
    else:
        parts = [channel, row.external_id]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
