"""The evaluation as a page to print: one document without any outside resource."""

from collections.abc import Sequence
from html import escape

from chengnao.incident.measures import By, Span
from chengnao.kernel.clock import city_text
from chengnao.supervision.evaluation.model import (
    Count,
    Evaluation,
    Group,
    Indicator,
    Rate,
    Time,
    duration,
    indicators,
    shown,
)

_TITLES: dict[By, tuple[str, str]] = {
    "unit": ("单位", "unit"),
    "tier": ("层级", "tier"),
    "category": ("类别", "category"),
    "division": ("区县", "district"),
    "channel": ("渠道", "channel"),
    "day": ("日", "day"),
    "week": ("周", "week"),
    "month": ("月", "month"),
}
_SHOWN = ("opened", "closed", "completed", "overdue_open", "answered_at_intake", "merged", "urged", "reports")
_TABLE = (
    "opened", "accept_rate", "handle_rate", "close_rate", "on_time_close_rate", "return_rate", "rework_rate",
    "misdispatch_rate", "reopen_rate", "satisfaction_rate", "overdue_open", "time_whole",
)  # fmt: skip
_BARS = ("on_time_close_rate", "handle_rate")
_COLOURS = ("#2f6fb0", "#8ab4d8")
_MOST_BARS = 15
_STYLE = """
@page { size: A4 landscape; margin: 12mm }
* { box-sizing: border-box }
body { font: 11pt/1.5 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", sans-serif; color: #1b2733;
  max-width: 270mm; margin: 0 auto; padding: 8mm 4mm }
h1 { font-size: 20pt; margin: 0 } h2 { font-size: 13pt; margin: 8mm 0 2mm; break-after: avoid }
.en { color: #66727e; font-size: 9pt; font-weight: normal }
table { border-collapse: collapse; width: 100%; font-size: 9pt } thead { display: table-header-group }
th, td { border-bottom: 1px solid #d5dce3; padding: 1.2mm 2mm; text-align: right; vertical-align: top }
th { background: #eef3f8; text-align: right } th:first-child, td:first-child, .text { text-align: left }
td:first-child { white-space: nowrap }
tr { break-inside: avoid } tr.total td { font-weight: bold; border-top: 2px solid #1b2733 }
.tiles { display: grid; grid-template-columns: repeat(6, 1fr); gap: 3mm; margin: 5mm 0 }
.tile { border: 1px solid #d5dce3; padding: 2mm 3mm; break-inside: avoid } .tile b { display: block; font-size: 16pt }
.note { color: #66727e; font-size: 9pt } svg { display: block; width: 100%; height: auto; break-inside: avoid }
svg text { font-size: 10px; fill: #1b2733 }
@media screen { body { background: #fff } html { background: #e6eaee } }
"""


def page(evaluation: Evaluation, by: By, span: Span, division: str, category: str | None) -> str:
    """The document: headline figures, a table by group, bars, times by stage, and what each figure means."""
    zh, en = _TITLES[by]
    moments = [city_text(moment) for moment in (span.since, span.until, span.now)]
    about = f"类别：{category}。" if category else ""
    return f"""<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>评价报告 {moments[0]} 至 {moments[1]}</title><style>{_STYLE}</style></head><body>
<h1>{escape(division)}城市治理评价报告 <span class="en">Evaluation report</span></h1>
<p>统计期 {moments[0]} 至 {moments[1]}（不含）。{escape(about)}截至 {moments[2]}。
<span class="en">Times are UTC+8. A rate over nothing is shown as a dash; negative times are counted apart.</span></p>
{_tiles(evaluation.total)}
<h2>按{zh} <span class="en">by {en}</span></h2>
{_table(evaluation, zh)}
{_bars(evaluation.groups)}
<h2>各环节时长 <span class="en">time by stage</span></h2>
{_stages(evaluation.total)}
<h2>指标定义 <span class="en">definitions</span></h2>
<p class="note">“参照”指做法相近，不表示符合该标准。</p>
{_definitions()}
</body></html>
"""


def _tiles(total: Group) -> str:
    tiles = []
    for key in (*_SHOWN, *(rate.key for rate in indicators().rates)):
        each = indicators().get(key)
        tiles.append(
            f'<div class="tile">{escape(each.name)} <span class="en">{escape(each.name_en)}</span>'
            f"<b>{shown(each, total.value(each))}</b></div>"
        )
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _table(evaluation: Evaluation, head: str) -> str:
    columns = [indicators().get(key) for key in _TABLE]
    heads = "".join(f"<th>{escape(each.name)}</th>" for each in columns)
    rows = [_line(group, columns, "") for group in evaluation.groups]
    rows.append(_line(evaluation.total, columns, ' class="total"'))
    return f"<table><thead><tr><th>{head}</th>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _line(group: Group, columns: Sequence[Indicator], style: str) -> str:
    cells = "".join(f"<td>{shown(each, group.value(each))}</td>" for each in columns)
    return f"<tr{style}><td>{escape(group.name)}</td>{cells}</tr>"


def _bars(groups: Sequence[Group]) -> str:
    """Two rates of the groups with most incidents, as bars."""
    chosen = sorted(groups, key=lambda group: -group.counts.get("opened", 0))[:_MOST_BARS]
    rates = [indicators().get(key) for key in _BARS]
    parts, y = [], 20
    for number, rate in enumerate(rates):
        parts.append(f'<rect x="{180 + number * 120}" y="2" width="10" height="8" fill="{_COLOURS[number]}"/>')
        parts.append(f'<text x="{194 + number * 120}" y="10">{escape(rate.name)}</text>')
    for group in chosen:
        parts.append(f'<text x="0" y="{y + 17}">{escape(group.name[:16])}</text>')
        for number, rate in enumerate(rates):
            value, top = group.value(rate), y + 3 + number * 10
            width = round((value or 0) * 600, 1)
            parts.append(f'<rect x="180" y="{top}" width="{width}" height="8" fill="{_COLOURS[number]}"/>')
            parts.append(f'<text x="{184 + width}" y="{top + 8}">{shown(rate, value)}</text>')
        y += 26
    if not chosen:
        return ""
    named = " / ".join(escape(rate.name) for rate in rates)
    svg = f'<svg viewBox="0 0 840 {y}" role="img" aria-label="{named}">{"".join(parts)}</svg>'
    return f'<h2>{named} <span class="en">{" / ".join(escape(rate.name_en) for rate in rates)}</span></h2>{svg}'


def _stages(total: Group) -> str:
    rows = []
    for each in indicators().times:
        spread = total.spread(each)
        cells = [str(spread.count), _long(spread.median), _long(spread.p90), str(spread.odd)]
        rows.append(f"<tr><td>{escape(each.name)}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    heads = "<th>环节</th><th>件数</th><th>中位</th><th>九成在此之内</th><th>异常件数（负时长）</th>"
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _long(seconds: float | None) -> str:
    return "—" if seconds is None else duration(seconds)


def _definitions() -> str:
    rows = []
    for each in indicators().all:
        match each:
            case Rate():
                parts = [f"（{each.numerator.text}）÷（{each.denominator.text}）", f"排除：{each.exclusions}"]
                parts += [f"参照 {each.follows}"] if each.follows else []
            case Count() | Time():
                parts = [each.text]
        rows.append(f'<tr><td>{escape(each.name)}</td><td class="text">{escape("。".join(parts))}</td></tr>')
    return (
        f'<table><thead><tr><th>指标</th><th class="text">计法</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
