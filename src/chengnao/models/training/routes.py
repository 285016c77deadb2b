"""Training over HTTP: what can be trained, jobs, their progress, curves and logs, and the use of their results."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, Base64Bytes, BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.web import (
    Context,
    ContextDep,
    DivisionCode,
    Id,
    PageDep,
    PageOf,
    RepeatableDep,
    ScopeDep,
    UowDep,
    require,
)
from chengnao.models.training import service
from chengnao.models.training.folder import LOG_TAIL
from chengnao.models.training.model import Job, JobState, Limits
from chengnao.models.training.recipe import recipes
from chengnao.models.training.repository import TrainingRepository
from chengnao.models.training.results import in_use
from chengnao.models.training.sources import sources
from chengnao.models.training.views import JobDetail, JobOut, RecipeOut, RecipesOut, SourceOut

router = APIRouter(tags=["models"])

BODY_LIMIT = 65 * 2**20
"""A file of 48 MiB in base64 and what stands around it."""

Reader = Annotated[Principal, Depends(require("model.read"))]
Trainer = Annotated[Principal, Depends(require("training.write"))]
Operator = Annotated[Principal, Depends(require("model.write"))]


class UploadIn(BaseModel):
    """A file of JSON lines or CSV; it stays in memory until personal details are masked."""

    source: Literal["upload"] = "upload"
    name: Annotated[str, Field(min_length=1, max_length=200)]
    content: Base64Bytes

    def given(self) -> service.Upload:
        return service.Upload(self.name, self.content)


class SourceIn(BaseModel):
    """Rows of the platform's own, of a period."""

    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
    since: AwareDatetime
    until: AwareDatetime
    limit: Annotated[int, Field(ge=1, le=200_000)] = 50_000

    def given(self) -> service.Taken:
        return service.Taken(self.source, self.since, self.until, self.limit)


class LimitsIn(BaseModel):
    """Memory and disk in MiB; `seconds` of one attempt."""

    memory_mb: Annotated[int, Field(ge=256, le=1_048_576)] = Limits().memory_mb
    seconds: Annotated[int, Field(ge=1, le=30 * 86_400)] = Limits().seconds
    disk_mb: Annotated[int, Field(ge=1, le=1_048_576)] = Limits().disk_mb


class JobIn(BaseModel):
    """`config`: as the recipe's schema says; `division_code`: whose job it is, by default the own division."""

    kind: Annotated[str, Field(max_length=60)]
    name: Annotated[str, Field(max_length=120)] = ""
    config: dict[str, Any] = {}
    data: UploadIn | SourceIn
    division_code: DivisionCode | None = None
    limits: LimitsIn = LimitsIn()


class ResumeIn(BaseModel):
    """`fresh`: begin anew instead of going on from the last checkpoint."""

    fresh: bool = False


@router.get("/models/training/recipes")
async def list_recipes(principal: Reader) -> RecipesOut:
    """What can be trained here, and where rows come from beside files."""
    return RecipesOut(
        recipes=[RecipeOut.of(each) for each in recipes().values()],
        sources=[SourceOut.of(each) for each in sources().values()],
    )


@router.get("/models/training")
async def list_training(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    state: JobState | None = None,
    kind: Annotated[str | None, Query(max_length=60)] = None,
) -> PageOf[JobOut]:
    """Jobs of the own divisions, the newest first."""
    found = await TrainingRepository(uow.session).jobs(scope, state, kind, page)
    return PageOf.of(found, [JobOut.of(each) for each in found.items])


@router.post("/models/training", status_code=201)
async def start_training(
    body: JobIn, principal: Trainer, uow: UowDep, context: ContextDep, repeatable: RepeatableDep
) -> JobOut:
    """Check and mask the rows and queue a job; rows that cannot be used are named in the job."""
    if (known := await repeatable.known(JobOut)) is not None:
        return known
    limits = Limits(**body.limits.model_dump())
    wanted = service.Wanted(
        kind=body.kind,
        data=body.data.given(),
        division_code=body.division_code or principal.division_code,
        config=body.config,
        name=body.name,
        limits=limits,
    )
    job = await service.start_job(uow, context.authority, context.settings.home, principal, wanted)
    answer = await repeatable.keep(JobOut.of(job))
    await uow.commit()
    return answer


@router.get("/models/training/{job_id}")
async def read_training(
    job_id: Id,
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    log_limit: Annotated[int, Query(ge=0, le=262_144, description="bytes of the log's end")] = LOG_TAIL,
) -> JobDetail:
    """A job with its progress, its curves and the end of its log."""
    job = await service.require_job(uow, scope, job_id)
    return await _detail(uow, context, job, log_limit)


@router.post("/models/training/{job_id}/cancel")
async def cancel_training(job_id: Id, principal: Trainer, uow: UowDep, context: ContextDep) -> JobOut:
    """Stop the job within seconds; what it needs to go on later is kept."""
    job = await service.cancel_job(uow, context.authority, principal, job_id)
    await uow.commit()
    return JobOut.of(job)


@router.post("/models/training/{job_id}/resume")
async def resume_training(
    job_id: Id, principal: Trainer, uow: UowDep, context: ContextDep, body: ResumeIn | None = None
) -> JobOut:
    """Queue a job again that failed or was cancelled."""
    fresh = body is not None and body.fresh
    job = await service.resume_job(uow, context.authority, context.settings.home, principal, job_id, fresh=fresh)
    await uow.commit()
    return JobOut.of(job)


@router.post("/models/training/{job_id}/promote")
async def promote_training(job_id: Id, principal: Operator, uow: UowDep, context: ContextDep) -> JobDetail:
    """Use the result from now on in the whole installation; what it replaces is kept."""
    job = await service.promote_job(uow, context.authority, context.settings.home, principal, job_id)
    await uow.commit()
    return await _detail(uow, context, job)


@router.post("/models/training/{job_id}/rollback")
async def roll_back_training(job_id: Id, principal: Operator, uow: UowDep, context: ContextDep) -> JobDetail:
    """Use again what the result replaced."""
    job = await service.roll_back_job(uow, context.authority, context.settings.home, principal, job_id)
    await uow.commit()
    return await _detail(uow, context, job)


async def _detail(uow: UnitOfWork, context: Context, job: Job, log_limit: int = LOG_TAIL) -> JobDetail:
    home = context.settings.home
    ahead = await TrainingRepository(uow.session).ahead_of(job) if job.state is JobState.QUEUED else None
    used = await in_use(uow, home, job)
    return await asyncio.to_thread(JobDetail.read, job, home, ahead=ahead, in_use=used, log_limit=log_limit)
