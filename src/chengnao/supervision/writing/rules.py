"""What writes where no model does: a paper out of figures and cases, each reckoned or recorded."""

from typing import Any

from chengnao.agents.tools import Answer, Call, Evidence
from chengnao.kernel.privacy.model import mask
from chengnao.supervision.writing.model import Facts, Figure, Line, paper_of
from chengnao.supervision.writing.service import KINDS, facts_for

USUAL = ("opened", "closed", "overdue_open", "accept_rate", "handle_rate", "return_rate", "reopen_rate", "time_handle")
_PARAGRAPH = 600


async def office_writing(call: Call, given: dict[str, Any]) -> Answer:
    """A draft from what the record says, from figures that are given, or from points."""
    kind = str(given.get("kind", "weekly"))
    facts = _given(kind, given)
    own = facts is not None
    if facts is None:
        facts = await facts_for(call, kind, int(given.get("days", 7)), str(given.get("report_id", "")))
    paper = paper_of(facts) if kind in ("weekly", "duty") else None
    paragraphs = list(paper.paragraphs) if paper else [line.text for line in facts.lines]
    return Answer(
        result={
            "answerable": bool(paragraphs),
            "title": facts.title[:80],
            # What the asker gives stays as it is: the telephone in a notice is the office's own.
            "paragraphs": [(each if own else mask(each))[:_PARAGRAPH] for each in paragraphs[:10]],
            "suggestion": paper.suggestion if paper else "",
        },
        evidence=[
            *(Evidence(kind="indicator", id=each.name, title=each.name) for each in facts.figures),
            *(Evidence(kind=line.kind, id=line.id, title=mask(line.text)[:80]) for line in facts.lines if line.id),
        ],
        confidence=0.8 if paragraphs else 0.2,
    )


def _given(kind: str, given: dict[str, Any]) -> Facts | None:
    """The facts that the asker gives; None where the record is to be asked."""
    figures = [
        Figure(
            str(each.get("name", ""))[:40],
            _number(each.get("value")),
            _number(each.get("before")),
            str(each.get("unit", ""))[:8],
            each.get("better", "") if each.get("better") in ("higher", "lower") else "",
        )
        for each in given.get("figures", [])
        if isinstance(each, dict)
    ]
    points = [str(each).strip() for each in given.get("points", []) if str(each).strip()]
    if not figures and not points:
        return None if kind != "notice" else Facts(KINDS["notice"], "", [])
    title = str(given.get("title", "")).strip() or KINDS.get(kind, "报告")
    ended = [point if point.endswith(("。", "！", "？")) else f"{point}。" for point in points]
    return Facts(title, str(given.get("period", "")).strip() or "本期", [Line(each) for each in ended], figures)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
