"""`chengnao train list|show|cancel|resume|export`: jobs of the platform, and recipe files for machines with a GPU."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.clock import city_text, load_clock
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.settings import Settings, load_settings

if TYPE_CHECKING:
    # Loaded by the commands themselves: the other commands need none of it.
    from chengnao.kernel.database import UnitOfWork
    from chengnao.models.training.exports.model import TuningConfig
    from chengnao.models.training.model import Job

T = TypeVar("T")

COMMAND = Principal("cli", "chengnao train", "system", frozenset(), CITY)
"""Whoever may run the command on the machine; what it does is put on record under this name."""

JobId = Annotated[str, typer.Argument(help="任务编号 / id of the job")]


class Trainer(StrEnum):
    LLAMAFACTORY = "llamafactory"
    SWIFT = "ms-swift"


def add_training_commands(app: typer.Typer) -> None:
    """Add the commands to `chengnao train`."""
    app.command("list")(list_jobs)
    app.command("show")(show_job)
    app.command("cancel")(cancel)
    app.command("resume")(resume)
    app.command("export")(export)


def list_jobs(
    size: Annotated[int, typer.Option(min=1, max=200, help="多少条 / how many")] = 20,
) -> None:
    """训练任务，新的在前 / Training jobs, the newest first."""
    from chengnao.kernel.paging import PageRequest  # noqa: PLC0415
    from chengnao.models.training.repository import TrainingRepository  # noqa: PLC0415

    async def work(uow: "UnitOfWork", settings: Settings) -> "list[Job]":
        return (await TrainingRepository(uow.session).jobs(Scope(), None, None, PageRequest(1, size))).items

    table = Table("编号 id", "名称 name", "状态 state", "进度 progress", "提交 handed in")
    for job in _do(work):
        made = city_text(job.created_at)
        table.add_row(job.id, job.name, f"{job.state.zh} {job.state.en}", f"{job.progress.percent:.0f} %", made)
    Console().print(table)


def show_job(
    job_id: JobId,
    log_bytes: Annotated[int, typer.Option("--log", min=0, help="日志末尾的字节数 / end of the log")] = 2000,
) -> None:
    """一项任务：数据、结果和日志 / One job: its data, its result and the end of its log."""
    from chengnao.models.training.folder import JobFolder  # noqa: PLC0415
    from chengnao.models.training.service import require_job  # noqa: PLC0415

    async def work(uow: "UnitOfWork", settings: Settings) -> "tuple[Job, str]":
        job = await require_job(uow, Scope(), job_id)
        return job, JobFolder.of(settings.home, job.id).log_tail(log_bytes)[0]

    job, log = _do(work)
    out = Console()
    out.print(
        f"{job.name} · {job.kind} · {job.state.zh} {job.state.en} · {job.progress.percent:.1f} %", highlight=False
    )
    data = job.data
    out.print(
        f"{data.origin}: {data.rows} 行 rows, {data.refused} 行未用 not used, SHA-256 {data.sha256}", highlight=False
    )
    for refusal in data.refusals[:10]:
        out.print(f"  {refusal.row}: {refusal.zh} / {refusal.en}", highlight=False)
    if job.error is not None:
        out.print(f"{job.error['message']}\n{job.error['message_en']}", highlight=False)
    if job.result is not None:
        figures = Table("指标 figure", "结果 result", "基线 baseline", "在用 in use")
        for name, value in job.result["evaluation"].items():
            others = [(job.result[each] or {}).get(name) for each in ("baseline", "rival")]
            figures.add_row(name, f"{value:.4f}", *("—" if each is None else f"{each:.4f}" for each in others))
        out.print(figures)
    if log:
        out.print(log, markup=False, highlight=False)


def cancel(job_id: JobId) -> None:
    """停止任务，保留检查点 / Stop a job; its checkpoints stay."""
    from chengnao.kernel.access.authority import Authority  # noqa: PLC0415
    from chengnao.models.training.service import cancel_job  # noqa: PLC0415

    job = _do(lambda uow, settings: cancel_job(uow, Authority.load(), COMMAND, job_id))
    typer.echo(f"{job.state.zh} / {job.state.en}")


def resume(job_id: JobId, fresh: Annotated[bool, typer.Option(help="从头开始 / from the beginning")] = False) -> None:
    """继续失败或已取消的任务 / Go on with a job that failed or was cancelled."""
    from chengnao.kernel.access.authority import Authority  # noqa: PLC0415
    from chengnao.models.training.service import resume_job  # noqa: PLC0415

    job = _do(lambda uow, settings: resume_job(uow, Authority.load(), settings.home, COMMAND, job_id, fresh=fresh))
    typer.echo(f"{job.state.zh} / {job.state.en}")


def export(
    trainer: Annotated[Trainer, typer.Argument(help="llamafactory | ms-swift")],
    file: Annotated[Path, typer.Argument(help="JSON lines 或 CSV / JSON lines or CSV")],
    out: Annotated[Path, typer.Argument(help="写到哪个目录 / folder to write to")],
    config: Annotated[Path | None, typer.Option(help="设置文件 YAML / settings, YAML", show_default=False)] = None,
) -> None:
    """为有 GPU 的机器生成微调文件 / Write the files for tuning a language model on a machine with a GPU.

    数据逐行检查并遮盖个人信息。设置见 --config：model、template、rank、learning_rate 等，缺省可用。

    Rows are checked one by one and personal details masked. --config sets model, template, rank and more.
    """
    from chengnao.models.training.data import collect, read_file  # noqa: PLC0415
    from chengnao.models.training.exports import llamafactory, swift  # noqa: PLC0415
    from chengnao.models.training.exports.model import columns  # noqa: PLC0415

    settings = _tuning(config)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise Invalid("file_unusable", field="file", file=str(file), reason=error.strerror or str(error)) from error
    rows, data = collect(file.name, read_file(file.name, content), columns(settings))
    made = (llamafactory if trainer is Trainer.LLAMAFACTORY else swift).export(settings, rows)
    out.mkdir(parents=True, exist_ok=True)
    for name, written in made.files.items():
        (out / name).write_bytes(written)
    for refusal in data.refusals:
        typer.echo(f"{refusal.row}: {refusal.zh} / {refusal.en}", err=True)
    typer.echo(f"{data.rows} 行 rows -> {out}\n{made.command}")
    if data.refused:
        raise typer.Exit(1)


def _tuning(path: Path | None) -> "TuningConfig":
    import yaml  # noqa: PLC0415
    from pydantic import ValidationError  # noqa: PLC0415

    from chengnao.models.training.exports.model import TuningConfig  # noqa: PLC0415

    try:
        return TuningConfig.model_validate({} if path is None else yaml.safe_load(path.read_text("utf-8")) or {})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Invalid("training_config_invalid", field=field, reason=first["msg"]) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Invalid("file_unusable", field="config", file=str(path), reason=str(error)) from error


def _do(work: "Callable[[UnitOfWork, Settings], Awaitable[T]]") -> T:
    """One unit of work of the platform, which must be running."""
    from chengnao.kernel.database import Database  # noqa: PLC0415
    from chengnao.kernel.engines import database_url  # noqa: PLC0415

    async def run() -> T:
        settings = load_settings()
        database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed))
        try:
            await database.check()
            async with database.unit_of_work() as uow:
                found = await work(uow, settings)
                await uow.commit()
                return found
        finally:
            await database.close()

    return asyncio.run(run())
