"""SQL over files of devices that were handed in."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import insert, select, update

from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, batched
from chengnao.sensing.devices.importing.model import CellError, Counts, DeviceImport, ImportState
from chengnao.sensing.devices.importing.tables import DeviceImportErrorRow, DeviceImportRow


class DeviceImportRepository(Repository):
    async def add(self, job: DeviceImport) -> None:
        values = asdict(job) | asdict(job.counts) | asdict(job.scope) | {"unknown": list(job.unknown)}
        own = {name: value for name, value in values.items() if name not in {"counts", "scope"}}
        await self.session.execute(insert(DeviceImportRow).values(**own))

    async def change(self, import_id: str, **values: Any) -> None:
        await self.session.execute(update(DeviceImportRow).where(DeviceImportRow.id == import_id).values(**values))

    async def job(self, scope: Scope, import_id: str) -> DeviceImport | None:
        query = select(DeviceImportRow).where(DeviceImportRow.id == import_id, scope.where(DeviceImportRow))
        row = await self.session.scalar(query, execution_options={"populate_existing": True})
        return None if row is None else _job(row)

    async def jobs(self, scope: Scope, request: PageRequest) -> Page[DeviceImport]:
        query = select(DeviceImportRow).where(scope.where(DeviceImportRow)).order_by(DeviceImportRow.id.desc())
        return (await self.page(query, request)).map(_job)

    async def unfinished(self) -> list[DeviceImport]:
        todo = DeviceImportRow.state.in_([ImportState.WAITING.value, ImportState.TAKING.value])
        rows = await self.session.scalars(select(DeviceImportRow).where(todo).order_by(DeviceImportRow.id))
        return [_job(row) for row in rows]

    async def add_errors(self, import_id: str, first: int, errors: Sequence[CellError]) -> None:
        """Keep the errors under numbers from `first` on."""
        rows = [
            asdict(error) | {"import_id": import_id, "number": number, "params": dict(error.params)}
            for number, error in enumerate(errors, start=first)
        ]
        for part in batched(rows, 1_000):
            await self.session.execute(insert(DeviceImportErrorRow), list(part))

    async def errors(self, import_id: str, request: PageRequest) -> Page[CellError]:
        """What is wrong, in the order of the file."""
        query = select(DeviceImportErrorRow).where(DeviceImportErrorRow.import_id == import_id)
        return (await self.page(query.order_by(DeviceImportErrorRow.number), request)).map(_error)


def _job(row: DeviceImportRow) -> DeviceImport:
    own = {name: getattr(row, name) for name in DeviceImport.__dataclass_fields__ if hasattr(row, name)}
    return DeviceImport(
        **own
        | {
            "state": ImportState(row.state),
            "counts": Counts(row.added, row.changed, row.unchanged, row.rejected),
            "unknown": tuple(row.unknown),
            "scope": Scope(row.division_code, row.unit_id),
        }
    )


def _error(row: DeviceImportErrorRow) -> CellError:
    return CellError(**{name: getattr(row, name) for name in CellError.__dataclass_fields__})
