"""SQL over imports and their rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.importing.jobs import Counts, Job, JobState, KeptRow, RowState
from chengnao.incident.importing.model import Crs, Mode
from chengnao.incident.importing.tables import ImportedRowRow, ImportRow
from chengnao.incident.reports.model import Channel
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository

_UNFINISHED = [JobState.WAITING.value, JobState.READING.value, JobState.TAKING.value]


@dataclass(frozen=True)
class RowFilter:
    """Which rows of an import a list wants."""

    state: RowState | None = None
    odd: str | None = None


class ImportRepository(Repository):
    async def add(self, job: Job) -> None:
        values = _plain(job) | {"sheets": list(job.sheets), "unit_id": None}
        await self.session.execute(insert(ImportRow).values(**values))

    async def change(self, import_id: str, **values: Any) -> None:
        await self.session.execute(update(ImportRow).where(ImportRow.id == import_id).values(**values))

    async def get(self, scope: Scope, import_id: str) -> Job | None:
        query = select(ImportRow).where(ImportRow.id == import_id, scope.where(ImportRow))
        row = await self.session.scalar(query.execution_options(populate_existing=True))
        return None if row is None else _job(row)

    async def imports(self, scope: Scope, request: PageRequest) -> Page[Job]:
        query = select(ImportRow).where(scope.where(ImportRow))
        page = await self.page(query.order_by(ImportRow.created_at.desc(), ImportRow.id.desc()), request)
        return page.map(_job)

    async def unfinished(self) -> list[Job]:
        """The imports of the platform that still have work to do, the oldest first."""
        query = select(ImportRow).where(ImportRow.state.in_(_UNFINISHED)).order_by(ImportRow.created_at, ImportRow.id)
        return [_job(row) for row in await self.session.scalars(query.execution_options(populate_existing=True))]

    async def counts(self, import_ids: Sequence[str]) -> dict[str, Counts]:
        """What became of the rows of each import."""
        row = ImportedRowRow
        taken = row.state.in_([RowState.ACCEPTED.value, RowState.KNOWN.value])
        states = [func.count().filter(row.state == state.value) for state in RowState]
        odd = func.count().filter(taken, func.cardinality(row.odd) > 0)
        query = select(row.import_id, func.count(), *states, odd).where(row.import_id.in_(import_ids))
        names = [state.value for state in RowState]
        counts = {each: Counts() for each in import_ids}
        for import_id, total, *by_state, strange in await self.session.execute(query.group_by(row.import_id)):
            counts[import_id] = Counts(total=total, odd=strange, **dict(zip(names, by_state, strict=True)))
        return counts

    async def add_rows(self, rows: Sequence[KeptRow]) -> None:
        """Keep rows; those that are kept already, by a reading that was cut off, stay as they are."""
        values = [_plain(row) | {"errors": list(row.errors), "odd": list(row.odd)} for row in rows]
        await self.session.execute(insert(ImportedRowRow).values(values).on_conflict_do_nothing())

    async def ready(self, import_id: str, limit: int) -> list[KeptRow]:
        """The next rows to be taken in, locked; those that somebody else has locked are left to them."""
        query = select(ImportedRowRow).where(
            ImportedRowRow.import_id == import_id, ImportedRowRow.state == RowState.READY.value
        )
        query = query.order_by(ImportedRowRow.number).limit(limit).with_for_update(skip_locked=True)
        return [_row(row) for row in await self.session.scalars(query.execution_options(populate_existing=True))]

    async def taken(self, keys: Sequence[str]) -> dict[str, KeptRow]:
        """The rows by which these cases were taken in."""
        query = select(ImportedRowRow).where(
            ImportedRowRow.key.in_(keys), ImportedRowRow.state == RowState.ACCEPTED.value
        )
        return {row.key or "": _row(row) for row in await self.session.scalars(query)}

    async def change_row(self, row: KeptRow, **values: Any) -> None:
        where = (ImportedRowRow.import_id == row.import_id, ImportedRowRow.number == row.number)
        await self.session.execute(update(ImportedRowRow).where(*where).values(**_texts(values)))

    async def settle(self, rows: Sequence[KeptRow]) -> None:
        """Keep what became of rows."""
        kept = ("import_id", "number", "state", "errors", "odd", "key", "report_id", "incident_id")
        values = [{name: value for name, value in _plain(row).items() if name in kept} for row in rows]
        await self.session.execute(update(ImportedRowRow), values)

    async def row(self, import_id: str, number: int, *, lock: bool = False) -> KeptRow | None:
        query = select(ImportedRowRow).where(ImportedRowRow.import_id == import_id, ImportedRowRow.number == number)
        if lock:
            query = query.with_for_update()
        row = await self.session.scalar(query.execution_options(populate_existing=True))
        return None if row is None else _row(row)

    async def noteworthy(self, import_id: str) -> list[KeptRow]:
        """The rows that were rejected, and those that are odd, in their order."""
        row = ImportedRowRow
        strange = (row.state == RowState.REJECTED.value) | (func.cardinality(row.odd) > 0)
        query = select(row).where(row.import_id == import_id, strange).order_by(row.number)
        return [_row(each) for each in await self.session.scalars(query)]

    async def rows(self, import_id: str, wanted: RowFilter, request: PageRequest) -> Page[KeptRow]:
        query = select(ImportedRowRow).where(ImportedRowRow.import_id == import_id)
        if wanted.state is not None:
            query = query.where(ImportedRowRow.state == wanted.state.value)
        if wanted.odd is not None:
            query = query.where(ImportedRowRow.odd.any_() == wanted.odd)
        page = await self.page(query.order_by(ImportedRowRow.number), request)
        return page.map(_row)


def _plain(value: Job | KeptRow) -> dict[str, Any]:
    return _texts(asdict(value))


def _texts(values: dict[str, Any]) -> dict[str, Any]:
    """Column values: enumerations as their text."""
    return {key: each.value if isinstance(each, StrEnum) else each for key, each in values.items()}


def _job(row: ImportRow) -> Job:
    values = {each.name: getattr(row, each.name) for each in fields(Job)}
    kinds = {"state": JobState(row.state), "channel": Channel(row.channel), "crs": Crs(row.crs), "mode": Mode(row.mode)}
    return Job(**values | kinds)


def _row(row: ImportedRowRow) -> KeptRow:
    values = {each.name: getattr(row, each.name) for each in fields(KeptRow)}
    return KeptRow(**values | {"state": RowState(row.state)})
