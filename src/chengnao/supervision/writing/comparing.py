"""Options beside each other in figures; which leads, in what, and what the figures do not tell."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from chengnao.agents.tools import Answer, Call, Evidence
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.supervision.evaluation import service as evaluation
from chengnao.supervision.evaluation.model import Group, Time, indicators
from chengnao.supervision.writing.model import Better, Comparison, Option, compare, shown

UNIT_FIGURES: dict[str, Better] = {
    "在办件数": "lower",
    "按时办理率": "higher",
    "退单率": "lower",
    "处置时长（小时）": "lower",
}
_MOST = 6


async def units_as_options(call: Call, unit_ids: Sequence[str], days: int) -> list[Option]:
    """Units with their load and their rates of the last days; those with most work where none are named."""
    now = call.uow.clock.now()
    span = evaluation.period(now - timedelta(days=days), None, now)
    found = await evaluation.evaluate(call.uow, call.scope, "unit", span)
    groups = {group.key: group for group in found.groups if group.key}
    wanted = list(unit_ids)[:_MOST] or sorted(groups, key=lambda key: -groups[key].counts.get("dispatched", 0))[:_MOST]
    names = await OrganisationRepository(call.uow.session).unit_names()
    load = await IncidentRepository(call.uow.session).open_tasks_of(wanted)
    return [
        Option(names.get(key, key), _figures(groups.get(key), load.get(key, 0)), key) for key in wanted if key in names
    ]


def _figures(group: Group | None, open_tasks: int) -> dict[str, float | None]:
    values: dict[str, float | None] = {"在办件数": float(open_tasks)}
    for name, key, factor in (
        ("按时办理率", "handle_rate", 100.0),
        ("退单率", "return_rate", 100.0),
        ("处置时长（小时）", "time_handle", 1 / 3600),
    ):
        indicator = indicators().get(key)
        value = None if group is None else group.value(indicator)
        if value is None and isinstance(indicator, Time):
            values[name] = None
        else:
            values[name] = None if value is None else round(value * factor, 1)
    return values


async def decision_analysis(call: Call, given: dict[str, Any]) -> Answer:
    """The options that are given with their figures, or units by their load and rates."""
    raw = [each for each in given.get("options", []) if isinstance(each, dict)]
    if raw:
        options = [Option(str(each.get("name", ""))[:60], _numbers(each.get("figures"))) for each in raw[:_MOST]]
        asked = given.get("better", {})
        better: dict[str, Better] = {
            name: "lower" if asked.get(name) == "lower" else "higher"
            for name in dict.fromkeys(name for option in options for name in option.figures)
        }
    else:
        options = await units_as_options(
            call, [str(each) for each in given.get("unit_ids", [])], int(given.get("days", 30))
        )
        better = dict(UNIT_FIGURES)
    found = compare(options, better, {str(key): float(each) for key, each in given.get("weights", {}).items()})
    return Answer(
        result={
            "answerable": found.best is not None,
            "recommended": found.best.name if found.best else "",
            "reason": _reason(found, better)[:400],
            "table": [
                {"name": each.option.name, "score": each.score, "figures": dict(each.option.figures)}
                for each in found.weighed
            ],
        },
        evidence=[
            Evidence(
                kind="indicator",
                id=each.option.id or each.option.name,
                title=each.option.name,
                quote="，".join(
                    f"{name} {shown(value)}" for name, value in each.option.figures.items() if value is not None
                ),
            )
            for each in found.weighed
        ],
        confidence=_sure(found),
    )


def _numbers(figures: Any) -> dict[str, float | None]:
    if not isinstance(figures, dict):
        return {}
    return {
        str(name)[:40]: float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        for name, value in figures.items()
    }


def _reason(found: Comparison, better: dict[str, Better]) -> str:
    if not found.weighed:
        return "没有可比较的方案。"
    if found.best is None:
        return "现有数据分不出高下，请补充指标或由人决定。"
    parts = [f"按 {len(better)} 项指标综合，“{found.best.name}”较优"]
    if found.told_by:
        told = "、".join(f"{name} {shown(found.best.figures[name] or 0.0)}" for name in found.told_by)
        parts.append(f"领先的指标：{told}")
    behind = [f"{each.option.name}各项都不如{each.worse_than}" for each in found.weighed if each.worse_than]
    if behind:
        parts.append("；".join(behind[:2]))
    missing = [
        each.option.name for each in found.weighed if any(each.option.figures.get(name) is None for name in better)
    ]
    if missing:
        parts.append(f"{'、'.join(missing[:3])}缺少部分数据")
    return "；".join(parts) + "。指标之外的因素由决策人判断。"


def _sure(found: Comparison) -> float:
    scores = [each.score for each in found.weighed if each.score is not None]
    return 0.2 if found.best is None else round(min(0.9, 0.4 + scores[0] - scores[1]), 2)
