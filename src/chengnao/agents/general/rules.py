"""What answers for general agents without any model, as far as it needs nothing above this floor."""

from typing import Any

from chengnao.agents.general.papers import Metadata, metadata_of
from chengnao.agents.general.review import INJECTION, Issue, passes, review
from chengnao.agents.tools import Answer, Call, Evidence
from chengnao.kernel.clock import CST
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.privacy.model import mask
from chengnao.knowledge.readership import readership_of
from chengnao.knowledge.repository import KnowledgeRepository

_SHORTEST_TITLE = 4


async def content_review(call: Call, given: dict[str, Any]) -> Answer:
    """Findings by rules: where, why, and what to do."""
    text = str(given.get("text", ""))
    today = call.uow.clock.now().astimezone(CST).date()
    found = review(
        text, str(given.get("channel", "website")), ai_generated=bool(given.get("ai_generated", False)), today=today
    )
    return Answer(
        result={
            "passed": passes(found),
            "issues": [vars(each) for each in found[:20]],
        },
        evidence=[_evidence(each) for each in found[:20]],
        confidence=0.9 if found else 0.6,
    )


def _evidence(issue: Issue) -> Evidence:
    return Evidence(kind="rule", id=f"content-review:{issue.kind}", title=issue.reason, quote=issue.quote)


async def _known(call: Call, found: Metadata) -> list[Evidence]:
    """Documents there are already with its title, and those that it says it replaces: as far as the asker may read."""
    readership, repository = readership_of(call.principal), KnowledgeRepository(call.uow.session)
    known: dict[str, Evidence] = {}
    for title in dict.fromkeys([found.title, *found.replaces]):
        if len(title) < _SHORTEST_TITLE:
            continue
        page = await repository.documents(readership, PageRequest(1, 3), None, title, None)
        for each in page.items:
            what = "可能重复" if title == found.title else "被它取代"
            known[each.id] = Evidence(kind="document", id=each.id, title=f"{what}：{each.about.title}")
    return list(known.values())[:5]


async def knowledge_building(call: Call, given: dict[str, Any]) -> Answer:
    """What a document says of itself, for a person to confirm."""
    text = str(given.get("text", ""))
    found = metadata_of(text)
    known = await _known(call, found)
    read = [found.title, found.number, found.issued_by, found.issued_on, found.effective_on]
    return Answer(
        result={
            "title": mask(found.title),
            "number": found.number,
            "issued_by": found.issued_by,
            "issued_on": found.issued_on.isoformat() if found.issued_on else "",
            "effective_on": found.effective_on.isoformat() if found.effective_on else "",
            "expires_on": found.expires_on.isoformat() if found.expires_on else "",
            "kind": found.kind,
            "replaces": list(found.replaces[:5]),
            "known": [each.title for each in known],
            "suspect": INJECTION.search(text) is not None,
        },
        evidence=[Evidence(kind="document", id="text", title=found.title, quote=text.strip()[:80]), *known],
        confidence=round(0.3 + 0.12 * sum(bool(each) for each in read), 2),
    )
