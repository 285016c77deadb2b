"""Gathers what a report may be made of, from the record. Reads only."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from chengnao.agents.tools import Call
from chengnao.incident.advice.service import answer_text, standing_of
from chengnao.incident.duty_repository import DutyRepository
from chengnao.incident.names import Names
from chengnao.incident.reports.service import require_report
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.privacy.model import mask
from chengnao.kernel.vocabulary import Level
from chengnao.supervision.duty.model import duty_rules, told
from chengnao.supervision.evaluation import service as evaluation
from chengnao.supervision.evaluation.model import Count, Group, Rate, indicators
from chengnao.supervision.writing.model import Facts, Figure, Line
from chengnao.warning.repository import WarningRepository

Kind = Literal["weekly", "duty", "notice", "answer"]
KINDS = {"weekly": "城市运行周报", "duty": "值班报告", "notice": "通知", "answer": "诉求答复"}
_WEEKLY = ("opened", "closed", "overdue_open", "accept_rate", "handle_rate", "return_rate", "satisfaction_rate")
_DUTY = ("opened", "completed", "overdue_open", "reports")
_MOST = 5


async def facts_for(call: Call, kind: str, days: int, report_id: str = "") -> Facts:
    """The figures and cases of the scope for that kind of paper; those of one report for an answer to it."""
    match kind:
        case "answer":
            report = await require_report(call.uow, call.scope, report_id)
            text = answer_text(await standing_of(call.uow, report))
            return Facts(f"关于诉求 {report.tracking_number} 的答复", "", [Line(text, "report", report.id)])
        case "weekly" | "duty":
            return await _of_period(call, kind, 1 if kind == "duty" else days)
        case _:
            raise Invalid(
                "invalid_value",
                field="kind",
                value=kind,
                reason_zh=f"可用的值：{'、'.join(KINDS)}；通知只按给出的要点写",
                reason_en=f"use one of {', '.join(KINDS)}; a notice is written from the points alone",
            )


async def _of_period(call: Call, kind: str, days: int) -> Facts:
    uow, scope, now = call.uow, call.scope, call.uow.clock.now()
    since = now - timedelta(days=days)
    present = await evaluation.evaluate(uow, scope, "category", evaluation.period(since, now, now))
    earlier = await evaluation.evaluate(
        uow, scope, "category", evaluation.period(since - timedelta(days=days), since, now)
    )
    keys = _WEEKLY if kind == "weekly" else _DUTY
    figures = [figure(key, present.total, earlier.total) for key in keys]
    names = await Names.load(uow)
    lines = [*_categories(present.groups), *await _warnings(call), *await _duty(call, names)]
    title = f"{names.division(scope.division_code)}{KINDS[kind]}（{_day(since)}—{_day(now)}）"
    return Facts(title, f"{_day(since)}至{_day(now)}", lines, figures)


def figure(key: str, present: Group, earlier: Group | None) -> Figure:
    """An indicator as a figure of a report; rates in percent."""
    indicator = indicators().get(key)
    factor, unit = (100.0, "%") if isinstance(indicator, Rate) else (1.0, "件")
    values = [None if group is None else group.value(indicator) for group in (present, earlier)]
    now, before = (None if each is None else round(each * factor, 1) for each in values)
    better: Any = "lower" if key == "overdue_open" else indicator.better or ""
    return Figure(indicator.name, now, before, unit, "" if isinstance(indicator, Count) and not better else better)


def _categories(groups: Sequence[Group]) -> list[Line]:
    found = sorted((group for group in groups if group.counts.get("opened")), key=lambda group: -group.counts["opened"])
    if not found:
        return []
    shown = "、".join(f"{group.name} {group.counts['opened']} 件" for group in found[:_MOST])
    return [Line(f"事件较多的类别：{shown}。", "indicator", "opened")]


async def _warnings(call: Call) -> list[Line]:
    levels = await WarningRepository(call.uow.session).open_by_level(call.scope)
    if not levels:
        return [Line("当前没有未解除的预警。", "warning")]
    shown = "、".join(f"{Level(level).zh} {count} 条" for level, count in sorted(levels.items()))
    return [Line(f"未解除的预警：{shown}。", "warning")]


async def _duty(call: Call, names: Names) -> list[Line]:
    rules = duty_rules()
    found, _ = await DutyRepository(call.uow.session).duty_list(
        call.scope, rules.repetition, None, names.now, PageRequest(1, _MOST)
    )
    if not found.total:
        return [Line("没有需要领导督办的事件。", "incident")]
    lines = [Line(f"需要督办的事件 {found.total} 件，其中：", "incident")]
    for case in found.items:
        why = told(case, names)
        reason = f"：{mask(why[0].why).rstrip('。')}" if why else ""
        text = f"{case.incident.number} {mask(case.incident.title)}{reason}。"
        lines.append(Line(text, "incident", case.incident.id))
    return lines


def _day(moment: datetime) -> str:
    local = moment.astimezone(CST)
    return f"{local.month}月{local.day}日"
