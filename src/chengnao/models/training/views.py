"""Training jobs as the API shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel

from chengnao.models.training.folder import JobFolder
from chengnao.models.training.model import TRANSITIONS, Action, Job, JobState
from chengnao.models.training.recipe import Recipe, recipes
from chengnao.models.training.sources import Source


class StepOut(BaseModel):
    code: str
    name: str
    name_en: str


class RecipeOut(BaseModel):
    """`config`: the JSON schema of its settings; `missing`: packages that must be installed before it can be used."""

    kind: str
    name: str
    name_en: str
    config: dict[str, Any]
    steps: list[StepOut]
    metric: str
    higher_is_better: bool
    model_id: str
    missing: list[str]
    installable: bool

    @classmethod
    def of(cls, recipe: Recipe[Any]) -> Self:
        return cls(
            kind=recipe.kind,
            name=recipe.zh,
            name_en=recipe.en,
            config=recipe.config.model_json_schema(),
            steps=[StepOut(code=each.code, name=each.zh, name_en=each.en) for each in recipe.steps],
            metric=recipe.metric,
            higher_is_better=recipe.higher_is_better,
            model_id=recipe.model_id,
            missing=recipe.missing,
            installable=recipe.installed is not None,
        )


class SourceOut(BaseModel):
    name: str
    title: str
    title_en: str
    columns: list[str]

    @classmethod
    def of(cls, source: Source) -> Self:
        return cls(name=source.name, title=source.zh, title_en=source.en, columns=[*source.columns])


class RecipesOut(BaseModel):
    """What can be trained, and where rows come from beside files."""

    recipes: list[RecipeOut]
    sources: list[SourceOut]


class RefusalOut(BaseModel):
    row: int
    reason: str
    reason_en: str


class DataOut(BaseModel):
    """`refused` rows are not learnt from; `refusals` names the first of them; `masked` rows held personal details."""

    origin: str
    rows: int
    sha256: str
    refused: int
    refusals: list[RefusalOut]
    masked: int


class LimitsOut(BaseModel):
    memory_mb: int
    seconds: int
    disk_mb: int


class ProgressOut(BaseModel):
    """`percent` of the whole; `seconds_left` in real seconds, null while unknown."""

    percent: float
    step: str
    step_name: str
    seconds_left: float | None


class Problem(BaseModel):
    code: str
    message: str
    message_en: str


class JobOut(BaseModel):
    """`problem`: why it failed, or why its last attempt broke off; `actions`: what can be done to it now."""

    id: str
    name: str
    kind: str
    kind_name: str
    state: JobState
    state_name: str
    division_code: str
    unit_id: str | None
    created_at: datetime
    created_by_name: str
    started_at: datetime | None
    ended_at: datetime | None
    attempts: int
    progress: ProgressOut
    problem: Problem | None
    rows: int
    evaluation: dict[str, float] | None
    metric: str | None
    candidate: bool
    promoted_at: datetime | None
    promoted_by_name: str | None
    actions: list[str]

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(**_plain(job))


class Curve(BaseModel):
    """The values of one metric over steps, to be drawn."""

    steps: list[int]
    values: list[float]


class JobDetail(JobOut):
    """`log` is the end of a log of `log_bytes`; `ahead` counts the jobs that wait before it or run.

    `checkpoints` names all that it can go on from; resuming takes the newest.
    """

    config: dict[str, Any]
    limits: LimitsOut
    data: DataOut
    curves: dict[str, Curve]
    log: str
    log_bytes: int
    checkpoints: list[str]
    ahead: int | None
    result: dict[str, Any] | None
    in_use: bool

    @classmethod
    def read(cls, job: Job, home: Path, *, ahead: int | None, in_use: bool, log_limit: int) -> Self:
        """With what lies in the job's folder; reads files, so call it in a thread."""
        folder = JobFolder.of(home, job.id)
        log, log_bytes = folder.log_tail(log_limit)
        return cls(
            **_plain(job),
            config=dict(job.config),
            limits=LimitsOut(**vars(job.limits)),
            data=DataOut(
                origin=job.data.origin,
                rows=job.data.rows,
                sha256=job.data.sha256,
                refused=job.data.refused,
                refusals=[RefusalOut(row=each.row, reason=each.zh, reason_en=each.en) for each in job.data.refusals],
                masked=job.data.masked,
            ),
            curves={name: Curve(steps=steps, values=values) for name, (steps, values) in folder.curves().items()},
            log=log,
            log_bytes=log_bytes,
            checkpoints=folder.checkpoint_names(),
            ahead=ahead,
            result=None if job.result is None else dict(job.result),
            in_use=in_use,
        )


def _plain(job: Job) -> dict[str, Any]:
    recipe = recipes().get(job.kind)
    steps = {each.code: each.zh for each in recipe.steps} if recipe else {}
    result: Mapping[str, Any] = job.result or {}
    progress = job.progress
    return {
        "id": job.id,
        "name": job.name,
        "kind": job.kind,
        "kind_name": recipe.zh if recipe else job.kind,
        "state": job.state,
        "state_name": job.state.zh,
        "division_code": job.division_code,
        "unit_id": job.unit_id,
        "created_at": job.created_at,
        "created_by_name": job.created_by_name,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "attempts": job.attempts,
        "progress": ProgressOut(
            percent=progress.percent,
            step=progress.step,
            step_name=steps.get(progress.step, progress.step),
            seconds_left=progress.seconds_left if job.state is JobState.RUNNING else None,
        ),
        "problem": None
        if job.error is None
        else Problem(**{key: job.error[key] for key in ("code", "message", "message_en")}),
        "rows": job.data.rows,
        "evaluation": result.get("evaluation"),
        "metric": result.get("metric"),
        "candidate": bool(result.get("candidate")),
        "promoted_at": job.promoted_at,
        "promoted_by_name": job.promoted_by_name,
        "actions": _actions(job),
    }


def _actions(job: Job) -> Sequence[str]:
    """What a person can ask of it now."""
    found = [each.value for each in (Action.CANCEL, Action.RESUME) if (job.state, each) in TRANSITIONS]
    return [*found, "promote", "rollback"] if job.state is JobState.DONE else found
