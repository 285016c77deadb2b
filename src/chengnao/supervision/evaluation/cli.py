"""`chengnao indicators`: the evaluation of this installation, from the command line."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.table import Table

from chengnao.incident.measures import By, Span
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import CST, load_clock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.errors import Invalid
from chengnao.kernel.settings import load_settings
from chengnao.supervision.evaluation.model import Evaluation, Group, Time, indicators, shown
from chengnao.supervision.evaluation.replay import Checked, check_log
from chengnao.supervision.evaluation.service import evaluate, period

_COLUMNS = ("opened", "accept_rate", "handle_rate", "on_time_close_rate", "return_rate", "satisfaction_rate")


def show_indicators(
    since: Annotated[
        str | None, typer.Option("--from", help="开始日期或时间 / first day or moment", show_default=False)
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="结束日期（含）或时间 / last day or moment", show_default=False)
    ] = None,
    by: Annotated[str, typer.Option(help=" | ".join(get_args(By)))] = "unit",
    as_json: Annotated[bool, typer.Option("--json", help="每行一个 JSON 对象 / one JSON object a line")] = False,
    recompute: Annotated[
        bool, typer.Option("--recompute", help="与事件日志核对，有差异时退出码为 1 / check against the event log")
    ] = False,
) -> None:
    """评价指标（平台须在运行）/ The evaluation indicators (the platform must be running)."""
    found = next((each for each in get_args(By) if each == by), None)
    if found is None:
        known = get_args(By)
        raise Invalid(
            "invalid_value",
            field="--by",
            value=by,
            reason_zh="可选：" + "、".join(known),
            reason_en="choose from " + ", ".join(known),
        )
    evaluation, checked = asyncio.run(_read(found, since, to, recompute))
    if as_json:
        for group in (*evaluation.groups, evaluation.total):
            print(json.dumps(figures(group), ensure_ascii=False))
    else:
        Console().print(_table(evaluation))
    if checked is not None:
        _tell(checked, as_json)
        if checked.differing:
            raise typer.Exit(1)


async def _read(by: By, since: str | None, to: str | None, recompute: bool) -> tuple[Evaluation, Checked | None]:
    settings = load_settings()
    clock = load_clock(settings.home, settings.clock_speed)
    database = Database.connect(database_url(settings), clock)
    try:
        await database.check()
        async with database.unit_of_work() as uow:
            span = _span(since, to, clock.now())
            evaluation = await evaluate(uow, Scope(), by, span)
            return evaluation, await check_log(uow, Scope(), span) if recompute else None
    finally:
        await database.close()


def _span(since: str | None, to: str | None, now: datetime) -> Span:
    begin = None if since is None else _moment("--from", since)
    end = None if to is None else _moment("--to", to)
    if end is not None and to is not None and len(to.strip()) == len("2026-11-25"):
        end += timedelta(days=1)
    return period(begin, end, now)


def _moment(option: str, text: str) -> datetime:
    """A day or a moment; without a zone it is local."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid(
            "invalid_value",
            field=option,
            value=text,
            reason_zh="应为 2026-11-25 或 2026-11-25T08:00",
            reason_en="write 2026-11-25 or 2026-11-25T08:00",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=CST)


def figures(group: Group) -> Mapping[str, Any]:
    """All figures of a group by their keys; times in seconds."""
    values: dict[str, Any] = {"key": group.key, "name": group.name}
    for each in indicators().all:
        values[each.key] = vars(group.spread(each)) if isinstance(each, Time) else group.value(each)
    return values


def _table(evaluation: Evaluation) -> Table:
    columns = [indicators().get(key) for key in _COLUMNS]
    table = Table()
    table.add_column("", no_wrap=True)
    for each in columns:
        table.add_column(f"{each.name}\n[dim]{each.name_en}[/]", justify="right", overflow="fold")
    for group in (*evaluation.groups, evaluation.total):
        table.add_row(group.name, *(shown(each, group.value(each)) for each in columns))
    return table


def _tell(checked: Checked, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"check": "log", **vars(checked), "differences": [vars(each) for each in checked.differences]},
                         ensure_ascii=False, default=str))  # fmt: skip
        return
    print(
        f"与事件日志核对：{checked.incidents} 件、{checked.entries} 条，差异 {checked.differing}"
        f" / checked against the event log: {checked.differing} differences"
    )
    for each in checked.differences:
        print(f"  {each.number} {each.field}: {each.column} ≠ {each.log}")
