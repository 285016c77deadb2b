"""The evaluation as an Excel workbook."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from chengnao.incident.catalogue import category_name
from chengnao.incident.measures import By, Case, Span
from chengnao.incident.names import Names
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import CST, city_text
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.paging import Page, PageRequest
from chengnao.supervision.evaluation import service
from chengnao.supervision.evaluation.model import (
    Count,
    Evaluation,
    Group,
    Indicator,
    Rate,
    Time,
    indicators,
)

CASES = 5_000
"""Cases on the sheet of cases; a note says how many there are."""

SHEETS: dict[By, str] = {
    "unit": "按单位",
    "tier": "按层级",
    "category": "按类别",
    "division": "按区县",
    "channel": "按渠道",
    "day": "按日",
    "week": "按周",
    "month": "按月",
}
_SENSE = {"higher": "越高越好", "lower": "越低越好", None: ""}
_UNITS = {"%": "%", "count": "件", "s": "秒"}
_HEAD = Font(bold=True)
_TOTAL = PatternFill("solid", fgColor="FFE8F0FA")
_PERCENT, _MOMENT = "0.0%", "yyyy-mm-dd hh:mm"


@dataclass(frozen=True)
class Gathered:
    """All that goes into a workbook."""

    span: Span
    evaluations: dict[By, Evaluation]
    cases: Page[Case]
    names: Names


async def gather(uow: UnitOfWork, scope: Scope, span: Span, category: str | None) -> Gathered:
    """Read what a workbook of the period needs."""
    evaluations = {by: await service.evaluate(uow, scope, by, span, category) for by in SHEETS}
    opened, newest = indicators().get("opened"), PageRequest(1, CASES)
    cases = await service.cases_behind(uow, scope, opened, "numerator", span, newest, category=category)
    return Gathered(span, evaluations, cases, await Names.load(uow))


def workbook(gathered: Gathered) -> bytes:
    """The bytes of an .xlsx file: a sheet for each grouping, the definitions, the cases."""
    book = Workbook(write_only=True)
    for by, evaluation in gathered.evaluations.items():
        _grouping(book.create_sheet(SHEETS[by]), gathered.span, evaluation)
    _definitions(book.create_sheet("指标定义"))
    _cases(book.create_sheet("案卷"), gathered.cases, gathered.names)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _grouping(sheet: WriteOnlyWorksheet, span: Span, evaluation: Evaluation) -> None:
    sheet.freeze_panes = "B3"
    sheet.column_dimensions["A"].width = 24
    since, until = city_text(span.since), city_text(span.until)
    _row(sheet, [f"统计期 {since} 至 {until}（不含）；时长为中位数和九成位数，单位小时"])
    heads = ["分组"]
    for each in indicators().all:
        if isinstance(each, Time):
            heads += [f"{each.name} 件数", f"{each.name} 中位", f"{each.name} 九成", f"{each.name} 异常件数"]
        else:
            heads.append(each.name)
    _row(sheet, heads, font=_HEAD)
    for group in evaluation.groups:
        _row(sheet, _figures(group))
    _row(sheet, _figures(evaluation.total), font=_HEAD, fill=_TOTAL)


def _figures(group: Group) -> list[Any]:
    cells: list[Any] = [group.name]
    for each in indicators().all:
        if isinstance(each, Time):
            spread = group.spread(each)
            cells += [spread.count, _hours(spread.median), _hours(spread.p90), spread.odd]
        elif isinstance(each, Rate):
            cells.append(_Styled(group.value(each), _PERCENT))
        else:
            cells.append(group.value(each))
    return cells


def _hours(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 3600, 2)


def _definitions(sheet: WriteOnlyWorksheet) -> None:
    sheet.freeze_panes = "A3"
    for column, width in zip("ABCDEFGHI", (18, 14, 60, 60, 36, 30, 8, 10, 22), strict=True):
        sheet.column_dimensions[column].width = width
    _row(sheet, ["分母为零的比率留空。负的时长不参与平均，单列为异常件数。“参照”指做法相近，不表示符合该标准。"])
    _row(sheet, ["指标", "英文", "分子", "分母", "排除", "参照", "单位", "方向", "代码"], font=_HEAD)
    for each in indicators().all:
        _row(sheet, _definition(each), alignment=Alignment(wrap_text=True, vertical="top"))


def _definition(each: Indicator) -> Sequence[Any]:
    if isinstance(each, Count | Time):
        texts: tuple[str, ...] = (each.text, "", "", "")
    else:
        texts = (each.numerator.text, each.denominator.text, each.exclusions, each.follows)
    return [each.name, each.name_en, *texts, _UNITS[each.unit], _SENSE[each.better], each.key]


def _cases(sheet: WriteOnlyWorksheet, cases: Page[Case], names: Names) -> None:
    sheet.freeze_panes = "A3"
    for column, width in zip("ABCDEFGHIJK", (22, 40, 16, 6, 10, 18, 22, 17, 17, 17, 8), strict=True):
        sheet.column_dimensions[column].width = width
    whole = f"统计期内立案 {cases.total} 件，全部列出"
    part = f"统计期内立案 {cases.total} 件，这里只列最近 {len(cases.items)} 件；其余请缩短统计期导出或用接口分页读取"
    _row(sheet, [whole if len(cases.items) == cases.total else part])
    heads = ["编号", "标题", "类别", "等级", "状态", "区划", "单位", "立案时间", "办结时间", "全案时限", "退单次数"]
    _row(sheet, heads, font=_HEAD)
    for case in cases.items:
        incident = case.incident
        cells = [
            incident.number,
            incident.title,
            category_name(incident.category),
            incident.grade,
            incident.state.zh,
            names.division(incident.division_code),
            names.unit(incident.unit_id) or service.NOBODY,
            *(_moment(each) for each in (incident.opened_at, incident.closed_at, incident.close_by)),
            incident.returns,
        ]
        _row(sheet, cells)


@dataclass(frozen=True)
class _Styled:
    value: Any
    number_format: str


def _moment(moment: datetime | None) -> _Styled | None:
    """Local time as Excel keeps it, which knows no zones."""
    return None if moment is None else _Styled(moment.astimezone(CST).replace(tzinfo=None), _MOMENT)


def _row(sheet: WriteOnlyWorksheet, values: Iterable[Any], **style: Any) -> None:
    cells = []
    for value in values:
        given = value.value if isinstance(value, _Styled) else value
        if isinstance(given, str):
            given = ILLEGAL_CHARACTERS_RE.sub("�", given)
        cell = WriteOnlyCell(sheet, given)
        if isinstance(given, str):
            cell.data_type = "s"  # a title that begins with = is no formula
        if isinstance(value, _Styled):
            cell.number_format = value.number_format
        for name, one in style.items():
            setattr(cell, name, one)
        cells.append(cell)
    sheet.append(cells)
