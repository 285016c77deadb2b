"""Reviews of what the city's own channels are about to publish, kept with their reasons, and appeals against them.

A finding is never the last word: whoever wrote the text may appeal, and another person decides. None commits.
"""

from dataclasses import replace

from chengnao.agents.general.model import ContentReview, ReviewState
from chengnao.agents.general.repository import ContentReviewRepository
from chengnao.agents.general.review import passes, review
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, NotFound
from chengnao.kernel.ids import new_id


async def review_content(
    uow: UnitOfWork, actor: Principal, text: str, channel: str, *, ai_generated: bool
) -> ContentReview:
    """Review the text by the rules and keep what was found, with who asked."""
    now = uow.clock.now()
    issues = review(text, channel, ai_generated=ai_generated, today=now.astimezone(CST).date())
    passed = passes(issues)
    kept = ContentReview(
        id=new_id(),
        text=text,
        channel=channel,
        ai_generated=ai_generated,
        passed=passed,
        issues=tuple(issues),
        state=ReviewState.PASSED if passed else ReviewState.HELD,
        asked_by=actor.id,
        asked_by_name=actor.name,
        at=now,
        division_code=actor.division_code,
        unit_id=actor.unit_id,
    )
    await ContentReviewRepository(uow.session).add(kept)
    return kept


async def require_review(uow: UnitOfWork, scope: Scope, review_id: str, *, lock: bool = False) -> ContentReview:
    found = await ContentReviewRepository(uow.session).get(scope, review_id, lock=lock)
    if found is None:
        raise NotFound("not_found", kind="内容审查 content review", id=review_id)
    return found


async def appeal(uow: UnitOfWork, held: ContentReview, reason: str) -> ContentReview:
    """Say why the findings are wrong; raises Conflict where nothing is held or it was appealed already."""
    if held.state is not ReviewState.HELD:
        raise Conflict("content_review_state", state=held.state.zh, state_en=held.state.en)
    appealed = replace(held, state=ReviewState.APPEALED, appeal=reason.strip(), appealed_at=uow.clock.now())
    await ContentReviewRepository(uow.session).save(appealed)
    return appealed


async def decide(
    uow: UnitOfWork, actor: Principal, appealed: ContentReview, *, uphold: bool, reason: str
) -> ContentReview:
    """Hear the appeal; raises Conflict where there is none, or where the one who decides is the one who asked."""
    if appealed.state is not ReviewState.APPEALED:
        raise Conflict("content_review_state", state=appealed.state.zh, state_en=appealed.state.en)
    if actor.id == appealed.asked_by:
        raise Conflict("content_review_own")
    decided = replace(
        appealed,
        state=ReviewState.UPHELD if uphold else ReviewState.SET_ASIDE,
        decision=reason.strip(),
        decided_by=actor.id,
        decided_by_name=actor.name,
        decided_at=uow.clock.now(),
    )
    await ContentReviewRepository(uow.session).save(decided)
    return decided
