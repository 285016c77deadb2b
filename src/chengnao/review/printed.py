"""A review as a page to print: one document without any outside resource."""

from collections.abc import Iterable, Sequence
from html import escape

from chengnao.incident.catalogue import category_name
from chengnao.incident.model import OPEN, Action, TimelineEntry
from chengnao.incident.names import Names
from chengnao.kernel.clock import city_text
from chengnao.review.model import Finding, Review, causes
from chengnao.review.proposals.model import Proposal
from chengnao.review.service import Facts
from chengnao.review.wording import sentence

_STYLE = """
@page { size: A4; margin: 16mm }
* { box-sizing: border-box }
body { font: 11pt/1.6 "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", sans-serif; color: #1b2733;
  max-width: 180mm; margin: 0 auto; padding: 8mm 4mm; background: #fff }
h1 { font-size: 20pt; margin: 0 0 2mm } h2 { font-size: 14pt; margin: 8mm 0 2mm; break-after: avoid }
h3 { font-size: 12pt; margin: 5mm 0 1mm; break-after: avoid }
.en { color: #66727e; font-size: 9pt; font-weight: normal } .note { color: #66727e; font-size: 9pt }
table { border-collapse: collapse; width: 100%; font-size: 9.5pt } thead { display: table-header-group }
th, td { border-bottom: 1px solid #d5dce3; padding: 1.2mm 2mm; text-align: left; vertical-align: top }
th { background: #eef3f8; white-space: nowrap } tr { break-inside: avoid } td.time { white-space: nowrap }
li { break-inside: avoid }
@media screen { html { background: #e6eaee } }
"""


def page(review: Review, facts: Sequence[Facts], proposals: Sequence[Proposal], names: Names) -> str:
    """The document: what happened, what went otherwise than planned, why, what was learnt, what shall change."""
    occasions = "、".join(each.zh for each in review.occasions)
    finished = ""
    if review.finished_at and review.finished_by:
        finished = f"{city_text(review.finished_at)} 由{review.finished_by.name}完成。"
    return f"""<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>复盘报告 {escape(review.number)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(review.title)}</h1>
<p>复盘报告 <span class="en">Review report</span> {escape(review.number)}，
{escape(names.division(review.division_code))}，{review.state.zh}。发起原因：{escape(occasions)}。
{city_text(review.opened_at)} 由{escape(review.opened_by.name)}发起。
{escape(finished)}<span class="en">Times are UTC+8.</span></p>
<h2>事件与偏差 <span class="en">Incidents and deviations</span></h2>
{"".join(_incident(each, names) for each in facts) or "<p>无可见事件。</p>"}
<h2>原因 <span class="en">Causes</span></h2>
{_findings(review.causes)}
<h2>经验 <span class="en">Lessons</span></h2>
{_findings(review.lessons)}
<h2>改进建议 <span class="en">Proposals</span></h2>
{_proposals(proposals)}
</body></html>
"""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column holds times, and every cell is text."""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(
        f'<tr><td class="time">{escape(row[0])}</td>{"".join(f"<td>{escape(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _incident(facts: Facts, names: Names) -> str:
    incident = facts.incident
    about = (
        f"{category_name(incident.category)}，{incident.grade} 级，{names.division(incident.division_code)}"
        f"{incident.address and f' {incident.address}'}，{incident.state.zh}"
    )
    deviations = [(city_text(each.at), each.kind.zh, sentence(each, names)) for each in facts.deviations]
    near = [
        (city_text(each.opened_at), each.number, f"{each.title}（{each.state.zh}）", f"{metres:.0f} 米")
        for each, metres in facts.near
    ]
    steps = [(city_text(each.at), each.actor.name, _done(each), each.reason) for each in facts.entries]
    return "".join(
        (
            f"<h3>{escape(incident.number)} {escape(incident.title)}</h3><p>{escape(about)}</p>",
            _table(("时间", "偏差", "情况"), deviations) if deviations else "<p>未发现偏差。</p>",
            "<p>300 米、30 天内的同类事件：</p>" + _table(("时间", "编号", "事件", "距离"), near) if near else "",
            "<p>经过：</p>" + _table(("时间", "经办", "动作", "说明"), steps),
        )
    )


def _done(entry: TimelineEntry) -> str:
    return "立案" if entry.action == OPEN else Action(entry.action).zh


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return "<p>尚未填写。</p>"
    lines = []
    for each in findings:
        cause = causes().get(each.code or "")
        head = f"<b>{escape(cause.name)}</b>：" if cause else ""
        by = f"{each.author_name}，{city_text(each.at)}"
        lines.append(f'<li>{head}{escape(each.text)} <span class="note">{escape(by)}</span></li>')
    return f"<ol>{''.join(lines)}</ol>"


def _proposals(proposals: Sequence[Proposal]) -> str:
    if not proposals:
        return "<p>无。</p>"
    rows = []
    for each in proposals:
        decided = each.withdrawal or each.decision
        by = f"{decided.actor.name}：{decided.reason}" if decided else ""
        rows.append((city_text(each.made_at), each.number, f"{each.about}。{each.reason}", each.state.zh, by))
    return _table(("时间", "编号", "建议", "状态", "审定"), rows)
