"""The weekly letter as a page to print: one document without any outside resource."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from html import escape
from importlib.resources import files
from string import Template

from chengnao.incident.duty_measures import LetterCase, Part
from chengnao.kernel.clock import CST, city_text_short
from chengnao.supervision.letters.model import PARTS, Letter

Cases = Mapping[Part, tuple[LetterCase, ...]]

_IN_SHORT = (Part.DISPATCHED, Part.ACCEPT_DUE, Part.HANDLE_DUE)
"""Their cases are listed by their numbers alone: nothing went wrong with them as such."""


def page(letter: Letter) -> str:
    """The document: the numbers of each unit, and under each number the cases that it counts."""
    last = letter.until if not letter.over else letter.until - timedelta(days=1)
    period = f"{_day(letter.since)}至{_day(last)}"
    year, week = letter.week.split("-W")
    template = Template((files("chengnao.supervision.letters") / "letter.html").read_text("utf-8"))
    return template.substitute(
        title=escape(f"督办函 {letter.week} {letter.unit or letter.division}"),
        number=f"〔{year}〕第 {int(week)} 周",
        addressee=escape(letter.unit or f"{letter.division}各有关单位"),
        opening=_opening(letter, period),
        summary=_summary(letter),
        units="\n".join(_unit(name, cases) for name, cases in letter.units),
        request=_request(letter),
        sender=escape(f"{letter.division}城市治理中心"),
        issued=_day(letter.issued),
        note="时间均为北京时间。每个数字之下列有其全部案件；超时以期限为准，到本周末（未结束的周以出函时为准）未完成的也计入。"
        " Times are UTC+8; under each number stand all the cases that it counts.",
    )


def _opening(letter: Letter, period: str) -> str:
    unfinished = "" if letter.over else "（本周尚未结束，为截至目前的情况）"
    if not letter.units:
        return f"{period}{unfinished}，没有派发、到期、退单或催办的事项。"
    faults = sum(len(cases[part]) for _, cases in letter.units for part in (Part.ACCEPT_LATE, Part.HANDLE_LATE))
    overdue = sum(len(cases[Part.OVERDUE]) for _, cases in letter.units)
    return f"现将{period}{unfinished}事项办理情况函告如下：超时 {faults} 件次，周末超期未结 {overdue} 件。"


def _request(letter: Letter) -> str:
    if not any(cases[part] for _, cases in letter.units for part in (Part.OVERDUE, Part.UNANSWERED, Part.HANDLE_LATE)):
        return "请继续按时办理。"
    return f"请对超期未结和未回应的事项逐件说明原因和办结时间，并于{_day(letter.answer_by)}前书面反馈。"


def _summary(letter: Letter) -> str:
    if not letter.units:
        return ""
    heads = "".join(f'<th class="n">{zh}</th>' for zh, _ in PARTS.values())
    rows = [
        f"<tr><td>{escape(name)}</td>{''.join(_number(len(cases[part])) for part in PARTS)}</tr>"
        for name, cases in letter.units
    ]
    if len(letter.units) > 1:
        totals = (sum(len(cases[part]) for _, cases in letter.units) for part in PARTS)
        rows.append(f"<tr><th>合计</th>{''.join(_number(total) for total in totals)}</tr>")
    head = f"<thead><tr><th>单位</th>{heads}</tr></thead>"
    return f'<h2>总体情况</h2><table class="sum">{head}<tbody>{"".join(rows)}</tbody></table>'


def _number(number: int) -> str:
    return f'<td class="n">{number}</td>'


def _unit(name: str, cases: Cases) -> str:
    parts = [_part(part, cases[part]) for part in PARTS if cases[part]]
    return f'<section class="unit"><h2>{escape(name)}</h2>{"".join(parts)}</section>'


def _part(part: Part, cases: Sequence[LetterCase]) -> str:
    zh, en = PARTS[part]
    head = f'<h3>{zh} {len(cases)} 件 <span class="en">{en}</span></h3>'
    if part in _IN_SHORT:
        numbers = "、".join(f'<span class="t">{escape(case.number)}</span>' for case in cases)
        return f'{head}<p class="numbers">{numbers}</p>'
    rows = "".join(_row(case) for case in cases)
    heads = "<th>编号</th><th>事项</th><th>等级</th><th>起</th><th>期限</th><th>完成</th><th>说明</th>"
    return f'{head}<table class="cases"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _row(case: LetterCase) -> str:
    moments = "".join(f'<td class="t">{city_text_short(each)}</td>' for each in (case.at, case.due, case.done))
    return (
        f'<tr><td class="t">{escape(case.number)}</td><td>{escape(case.title)}</td><td>{case.grade}</td>{moments}'
        f"<td>{escape(case.remark)}</td></tr>"
    )


def _day(moment: datetime) -> str:
    local = moment.astimezone(CST)
    return f"{local.year} 年 {local.month} 月 {local.day} 日"
