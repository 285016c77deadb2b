"""All SQL over executors, which belong to no division."""

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.durable.tables import ExecutorRow
from chengnao.kernel.repository import Repository


@dataclass(frozen=True)
class Executor:
    id: str
    beat: int
    """Grows as long as it lives."""
    left: bool
    """It has ended by itself."""


class ExecutorRepository(Repository):
    async def beat(self, executor: str) -> None:
        fresh = insert(ExecutorRow).values(id=executor, beat=1, left=False)
        again = {"beat": ExecutorRow.beat + 1, "left": False}
        await self.session.execute(fresh.on_conflict_do_update(index_elements=["id"], set_=again))

    async def leave(self, executor: str) -> None:
        await self.session.execute(update(ExecutorRow).where(ExecutorRow.id == executor).values(left=True))

    async def others(self, executor: str, kind: str) -> list[Executor]:
        """All but this one whose names begin with the kind."""
        of_kind = ExecutorRow.id.startswith(kind, autoescape=True)
        rows = await self.session.scalars(select(ExecutorRow).where(ExecutorRow.id != executor, of_kind))
        return [Executor(row.id, row.beat, row.left) for row in rows]

    async def claim(self, executor: Executor) -> bool:
        """Whether what it left is the caller's to take until the transaction ends: nobody else does, and it is as it
        was when it was thought dead."""
        query = select(ExecutorRow.id).where(ExecutorRow.id == executor.id, ExecutorRow.beat == executor.beat)
        return await self.session.scalar(query.with_for_update(skip_locked=True)) is not None

    async def forget(self, executor: str) -> None:
        await self.session.execute(delete(ExecutorRow).where(ExecutorRow.id == executor))
