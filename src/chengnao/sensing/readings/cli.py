"""`chengnao readings`: readings in bulk from the command line."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TimeElapsedColumn

from chengnao.kernel.access.model import SYSTEM, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.clock import CST, load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import Invalid
from chengnao.kernel.settings import load_secrets, load_settings
from chengnao.sensing.devices.area_repository import Area
from chengnao.sensing.readings.tiers import Tier

if TYPE_CHECKING:
    from chengnao.sensing.readings.export import Wanted

readings = typer.Typer(name="readings", no_args_is_help=True, help="读数 / Readings")


@readings.callback()
def about() -> None:
    """读数 / Readings."""


@readings.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="要写的 Parquet 文件 / the Parquet file to write")],
    since: Annotated[str, typer.Option("--from", help="开始日期或时间 / first day or moment")],
    to: Annotated[str, typer.Option("--to", help="结束日期（含）或时间 / last day or moment")],
    division: Annotated[str, typer.Option(help="区划代码 / code of a division")] = "",
    class_code: Annotated[str, typer.Option("--class", help="设备类型 / class of devices")] = "",
    device: Annotated[list[str] | None, typer.Option(help="设备编号，可多次给出 / id of a device, repeatable")] = None,
    metric: Annotated[list[str] | None, typer.Option(help="指标，可多次给出 / metric, repeatable")] = None,
    tier: Annotated[Tier, typer.Option(help="粗细 / how finely")] = Tier.RAW,
) -> None:
    """把读数导出为 Parquet（平台须在运行）/ Export readings as Parquet (the platform must be running)."""
    # Here and below: what only this command needs is loaded by it alone.
    from chengnao.sensing.readings.export import Wanted  # noqa: PLC0415

    area = Area(division, None, class_code)
    begin, end = _moment("--from", since, last=False), _moment("--to", to, last=True)
    wanted = Wanted(begin, end, area, tuple(device or ()), tuple(metric or ()), tier)
    wanted.check()
    scratch = file.with_name(f"{file.name}.part")
    try:
        asyncio.run(_write(scratch, wanted))
        scratch.replace(file)
    finally:
        scratch.unlink(missing_ok=True)


async def _write(file: Path, wanted: "Wanted") -> None:
    from chengnao.sensing.readings.export import parquet  # noqa: PLC0415
    from chengnao.sensing.readings.store import ReadingsStore  # noqa: PLC0415

    settings = load_settings()
    database = Database.connect(database_url(settings), load_clock(settings.home, settings.clock_speed))
    store = ReadingsStore.create(settings, load_secrets(settings.home))
    columns = SpinnerColumn(), DownloadColumn(), TimeElapsedColumn()
    try:
        await database.check()
        async with database.unit_of_work() as uow:
            since, until = wanted.begin.isoformat(), wanted.end.isoformat()
            await record_act(uow, SYSTEM, "reading.export", tier=wanted.tier.value, since=since, until=until)
            await uow.commit()
        with file.open("wb") as out, Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("", total=None)
            async for piece in parquet(database, store, Scope(), wanted):
                out.write(piece)
                progress.advance(task, len(piece))
    finally:
        await store.close()
        await database.close()


def _moment(option: str, text: str, *, last: bool) -> datetime:
    """Field people speak China's time; a last day is meant as a whole."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(
            "invalid_value",
            field=option,
            value=text,
            reason_zh="应为日期（2026-11-25）或时间（2026-11-25T08:00）",
            reason_en="it must be a day (2026-11-25) or a moment (2026-11-25T08:00)",
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=CST)
    whole_day = last and len(text.strip()) == len("2026-11-25")
    return (moment + timedelta(days=1) if whole_day else moment).astimezone(UTC)
