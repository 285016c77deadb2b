"""Imports and their rows as the API shows them: without personal details."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from chengnao.incident.importing.columns import field_of
from chengnao.incident.importing.jobs import Counts, Job, JobState, KeptRow, RowState
from chengnao.incident.importing.model import Crs, Mode, Odd
from chengnao.incident.reports.model import Channel
from chengnao.kernel.privacy.model import mask
from chengnao.kernel.privacy.names import mask_name


class CountsOut(BaseModel):
    """What became of the rows; `odd`: of the accepted and known, those that deserve a look."""

    total: int
    ready: int
    accepted: int
    rejected: int
    known: int
    discarded: int
    odd: int


class SheetOut(BaseModel):
    """What was found in one sheet: header -> field, columns that mean nothing to us, columns that another replaces."""

    sheet: str
    header_row: int | None
    columns: dict[str, str]
    unknown: list[str]
    unused: dict[str, str]
    skipped: str


class ImportOut(CountsOut):
    """`sheets` and `historic` are known once the file was read; `error` says why it could not be."""

    id: str
    file_name: str
    state: JobState
    state_name: str
    channel: Channel
    crs: Crs
    mode: Mode
    division_code: str
    default_division: str | None
    created_at: datetime
    created_by_name: str
    finished_at: datetime | None
    historic: bool
    sheets: list[SheetOut]
    error: dict[str, Any] | None

    @classmethod
    def of(cls, job: Job, counts: Counts) -> Self:
        own = {name: getattr(job, name) for name in cls.model_fields if hasattr(job, name)}
        return cls(**own | {"state_name": job.state.zh, "sheets": list(job.sheets)}, **counts.__dict__)


class RowErrorOut(BaseModel):
    """What is wrong with a row, in which column, and what to do."""

    file: str
    sheet: str
    row: int
    column: str
    value: str
    code: str
    message: str
    message_en: str


class OddOut(BaseModel):
    code: str
    name: str
    name_en: str


class ImportedRowOut(BaseModel):
    """`number` names the row in the API; `sheet` and `row` say where it stands in the file."""

    number: int
    sheet: str
    row: int
    state: RowState
    state_name: str
    cells: dict[str, str]
    errors: list[RowErrorOut]
    odd: list[OddOut]
    report_id: str | None
    incident_id: str | None
    reason: str | None
    changed_by: str | None

    @classmethod
    def of(cls, row: KeptRow, cells: Mapping[str, str]) -> Self:
        shown = {
            "state_name": row.state.zh,
            "cells": {header: shown_cell(header, text) for header, text in cells.items()},
            "errors": [RowErrorOut(**each) for each in row.errors],
            "odd": [OddOut(code=code, name=Odd(code).zh, name_en=Odd(code).en) for code in row.odd],
        }
        own = {name: getattr(row, name) for name in cls.model_fields if name not in shown}
        return cls(**own, **shown)


def shown_cell(header: str, text: str) -> str:
    """The cell as those see it who put rows right: names and telephones hidden, details in texts too."""
    known = field_of(header)
    match known and known[0]:
        case "name":
            return mask_name(text, "")
        case "phone":
            return f"{text[:3]}****{text[-4:]}" if len(text) > 8 else "****"
        case _:
            return mask(text)
