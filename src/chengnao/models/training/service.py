"""Use cases of training: start a job, cancel it, go on with it, use its result. None of them commits."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.apart import run_apart
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.models.training.folder import JobFolder
from chengnao.models.training.intake import SECONDS, WORK
from chengnao.models.training.model import Data, Job, JobState, Limits, Refusal
from chengnao.models.training.recipe import require_recipe
from chengnao.models.training.repository import TrainingRepository
from chengnao.models.training.results import in_use, put_back, put_in_place
from chengnao.models.training.sources import require_source


@dataclass(frozen=True)
class Upload:
    """A file that was handed in."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Taken:
    """Rows that a source is asked for."""

    source: str
    since: datetime
    until: datetime
    limit: int = 50_000


@dataclass(frozen=True)
class Wanted:
    """A job as somebody asks for it."""

    kind: str
    data: Upload | Taken
    division_code: str
    config: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    limits: Limits = field(default_factory=Limits)


async def require_job(uow: UnitOfWork, scope: Scope, job_id: str, *, lock: bool = False) -> Job:
    """The job; raises NotFound outside the scope."""
    job = await TrainingRepository(uow.session).get(scope, job_id, lock=lock)
    if job is None:
        raise NotFound("not_found", kind="训练任务 training job", id=job_id)
    return job


async def start_job(uow: UnitOfWork, authority: Authority, home: Path, actor: Principal, wanted: Wanted) -> Job:
    """Read, check and mask the rows, keep them, and queue the job.

    Raises NotRead where nothing can be learnt from them, Unavailable where a package for it is not installed.
    """
    authority.require(actor, "training.write", Resource(wanted.division_code, actor.unit_id))
    recipe = require_recipe(wanted.kind)
    recipe.require_packages()
    config = recipe.parse(wanted.config)
    given = await _given(uow, authority, actor, wanted.data)
    job_id, settings = new_id(), config.model_dump(mode="json")
    options = {"job": job_id, "kind": recipe.kind, "config": settings, "name": given.name}
    (told,) = await run_apart(WORK, given.content, home=home, seconds=SECONDS, options=options)
    data = Data(**told | {"refusals": tuple(Refusal(**each) for each in told["refusals"])})
    now = uow.clock.now()
    job = Job(
        id=job_id,
        name=wanted.name.strip() or f"{recipe.zh} {given.name}",
        kind=recipe.kind,
        config=settings,
        limits=wanted.limits,
        data=data,
        state=JobState.QUEUED,
        division_code=wanted.division_code,
        unit_id=actor.unit_id,
        created_at=now,
        created_by=actor.id,
        created_by_name=actor.name,
        queued_at=now,
    )
    await TrainingRepository(uow.session).add(job)
    await record_act(uow, actor, "training.write", job=job.id, kind=job.kind, rows=data.rows, sha256=data.sha256)
    return job


async def _given(uow: UnitOfWork, authority: Authority, actor: Principal, data: Upload | Taken) -> Upload:
    """The rows as a file: that which was handed in, or what a source gives."""
    if isinstance(data, Upload):
        return data
    source = require_source(data.source)
    authority.require(actor, source.action, Resource(actor.division_code, actor.unit_id))
    if data.until <= data.since:
        raise Invalid("training_period_empty", field="until", since=data.since, until=data.until)
    found = await source.rows(uow, Scope.of(actor), data.since, data.until, data.limit)
    return Upload(source.name, b"".join(orjson.dumps(row) + b"\n" for row in found))


async def cancel_job(uow: UnitOfWork, authority: Authority, actor: Principal, job_id: str) -> Job:
    """Ask the job to stop; what it needs to go on is kept. Raises Conflict where it has ended."""
    job = await _own(uow, authority, actor, job_id)
    return await _save(uow, actor, job.cancel(uow.clock.now()), "cancel")


async def resume_job(
    uow: UnitOfWork, authority: Authority, home: Path, actor: Principal, job_id: str, *, fresh: bool = False
) -> Job:
    """Queue a job again that failed or was cancelled; it goes on from its last checkpoint, a fresh one begins anew.

    Raises Conflict where it runs or is done.
    """
    job = await _own(uow, authority, actor, job_id)
    resumed = job.resume(uow.clock.now())
    if fresh:
        await asyncio.to_thread(JobFolder.of(home, job.id).forget)
    return await _save(uow, actor, resumed, "resume")


async def promote_job(uow: UnitOfWork, authority: Authority, home: Path, actor: Principal, job_id: str) -> Job:
    """Use the result from now on, in the whole installation; what it replaces is kept for the way back.

    Raises Conflict where the job is not done, Forbidden for whoever may not change the city's models.
    """
    authority.require(actor, "model.write", Resource(CITY))
    job = await require_job(uow, Scope.of(actor), job_id, lock=True)
    if job.state is not JobState.DONE:
        raise Conflict("training_not_done", state=job.state.zh, state_en=job.state.en)
    await put_in_place(uow, home, actor, job)
    promoted = replace(job, promoted_at=uow.clock.now(), promoted_by_name=actor.name)
    return await _save(uow, actor, promoted, "promote")


async def roll_back_job(uow: UnitOfWork, authority: Authority, home: Path, actor: Principal, job_id: str) -> Job:
    """Use again what the result replaced; raises Conflict where the result is not in use, or replaced nothing."""
    authority.require(actor, "model.write", Resource(CITY))
    job = await require_job(uow, Scope.of(actor), job_id, lock=True)
    if not await in_use(uow, home, job):
        raise Conflict("training_not_in_use")
    await put_back(uow, home, actor, job)
    return await _save(uow, actor, replace(job, promoted_at=None, promoted_by_name=None), "roll_back")


async def _own(uow: UnitOfWork, authority: Authority, actor: Principal, job_id: str) -> Job:
    job = await require_job(uow, Scope.of(actor), job_id, lock=True)
    authority.require(actor, "training.write", Resource(job.division_code, job.unit_id))
    return job


async def _save(uow: UnitOfWork, actor: Principal, job: Job, verb: str) -> Job:
    await TrainingRepository(uow.session).save(job)
    await record_act(uow, actor, "training.write", job=job.id, step=verb)
    return job
