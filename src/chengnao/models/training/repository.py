"""All SQL over training jobs."""

from collections.abc import Collection
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository
from chengnao.models.training.model import HELD, Data, Job, JobState, Limits, Progress, Refusal
from chengnao.models.training.tables import TrainingJobRow


class TrainingRepository(Repository):
    async def add(self, job: Job) -> None:
        await self.session.execute(insert(TrainingJobRow).values(**_plain(job)))

    async def save(self, job: Job) -> None:
        """Keep the job as it is now; its beat is the runner's own to write."""
        values = _plain(job)
        del values["beat"]
        await self.session.execute(update(TrainingJobRow).where(TrainingJobRow.id == job.id).values(**values))

    async def get(self, scope: Scope, job_id: str, *, lock: bool = False) -> Job | None:
        query = select(TrainingJobRow).where(TrainingJobRow.id == job_id, scope.where(TrainingJobRow))
        if lock:
            query = query.with_for_update()
        row = await self.session.scalar(query, execution_options={"populate_existing": True})
        return None if row is None else _job(row)

    async def jobs(self, scope: Scope, state: JobState | None, kind: str | None, request: PageRequest) -> Page[Job]:
        """Jobs of the scope, the newest first."""
        query = select(TrainingJobRow).where(scope.where(TrainingJobRow))
        if state is not None:
            query = query.where(TrainingJobRow.state == state.value)
        if kind is not None:
            query = query.where(TrainingJobRow.kind == kind)
        ordered = query.order_by(TrainingJobRow.created_at.desc(), TrainingJobRow.id.desc())
        return (await self.page(ordered, request)).map(_job)

    async def ahead_of(self, job: Job) -> int:
        """How many jobs wait before this one, or run."""
        row = TrainingJobRow
        before = (row.state == JobState.QUEUED.value) & (
            (row.queued_at < job.queued_at) | ((row.queued_at == job.queued_at) & (row.id < job.id))
        )
        query = select(func.count()).where(before | row.state.in_([each.value for each in HELD]))
        return await self.session.scalar(query) or 0

    async def held(self) -> list[Job]:
        """All jobs that belong to a runner."""
        query = select(TrainingJobRow).where(TrainingJobRow.state.in_([each.value for each in HELD]))
        return [_job(row) for row in await self.session.scalars(query)]

    async def next_queued(self) -> Job | None:
        """The job whose turn it is, locked; the caller holds the queue."""
        query = (
            select(TrainingJobRow)
            .where(TrainingJobRow.state == JobState.QUEUED.value)
            .order_by(TrainingJobRow.queued_at, TrainingJobRow.id)
            .limit(1)
            .with_for_update()
        )
        row = await self.session.scalar(query, execution_options={"populate_existing": True})
        return None if row is None else _job(row)

    async def beat(self, job_id: str, runner: str, progress: Progress) -> JobState | None:
        """Say that the runner lives and how far its job is; gives its state, None where it is the runner's no more."""
        row = TrainingJobRow
        statement = (
            update(row)
            .where(row.id == job_id, row.runner == runner)
            .values(beat=row.beat + 1, progress=asdict(progress))
            .returning(row.state)
        )
        state = await self.session.scalar(statement)
        return None if state is None else JobState(state)

    async def known(self, job_ids: Collection[str]) -> set[str]:
        """Those of the ids that are jobs."""
        query = select(TrainingJobRow.id).where(TrainingJobRow.id.in_(job_ids))
        return set(await self.session.scalars(query))


def _plain(job: Job) -> dict[str, Any]:
    return asdict(job) | {"state": job.state.value}


def _job(row: TrainingJobRow) -> Job:
    values = {each.name: getattr(row, each.name) for each in fields(Job)}
    refusals = tuple(Refusal(**each) for each in row.data["refusals"])
    return Job(
        **values
        | {
            "state": JobState(row.state),
            "limits": Limits(**row.limits),
            "data": Data(**row.data | {"refusals": refusals}),
            "progress": Progress(**row.progress),
        }
    )
