"""Content review of the city's own channels over HTTP."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from chengnao.agents.general import service
from chengnao.agents.general.asking import RULE_LABEL, ask_model
from chengnao.agents.general.model import ContentReview, ReviewState
from chengnao.agents.general.repository import ContentReviewRepository
from chengnao.agents.runtime.views import RunOut
from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.web import ContextDep, Id, PageDep, PageOf, ScopeDep, UowDep, check, require

router = APIRouter(tags=["content"])

Reviewer = Annotated[Principal, Depends(require("content.review"))]
Channel = Literal["website", "wechat", "weibo", "sms", "notice", "answer"]


class TextIn(BaseModel):
    """`model`: have the agent look at it too; its findings come with the run."""

    text: Annotated[str, Field(min_length=1, max_length=5000)]
    channel: Channel = "website"
    ai_generated: bool = False
    model: bool = False


class IssueOut(BaseModel):
    """One finding. `level` stop: not to be published so; mind: a person decides."""

    kind: str
    level: Literal["stop", "mind"]
    quote: str
    reason: str
    advice: str


class ContentReviewOut(BaseModel):
    """A review. Whoever asked for it may appeal, and another person decides; nothing in it is about a person."""

    id: str
    text: str
    channel: Channel
    ai_generated: bool
    passed: bool
    issues: list[IssueOut]
    state: ReviewState
    state_name: str
    by: Literal["rule"] = "rule"
    label: str = RULE_LABEL
    asked_by: str
    asked_by_name: str
    at: datetime
    appeal: str
    appealed_at: datetime | None
    decision: str
    decided_by_name: str | None
    decided_at: datetime | None
    run: RunOut | None = None

    @classmethod
    def of(cls, review: ContentReview, run: RunOut | None = None) -> Self:
        derived = {
            "issues": [IssueOut.model_validate(vars(each)) for each in review.issues],
            "state_name": review.state.zh,
            "run": run,
        }
        own = {
            name: getattr(review, name)
            for name in cls.model_fields
            if name not in derived and name not in ("by", "label")
        }
        return cls.model_validate(own | derived)


@router.post("/content-review", status_code=201)
async def review_content(body: TextIn, principal: Reviewer, uow: UowDep, context: ContextDep) -> ContentReviewOut:
    """Review a text before it is published; what was found is kept with its reasons."""
    kept = await service.review_content(uow, principal, body.text, body.channel, ai_generated=body.ai_generated)
    run = None
    if body.model:
        given = {"text": body.text, "channel": body.channel, "ai_generated": body.ai_generated}
        run = await ask_model(
            uow, context.settings, context.authority, principal, "content-review", given, key=f"content-{kept.id}"
        )
    await uow.commit()
    return ContentReviewOut.of(kept, None if run is None else RunOut.of(run, principal))


@router.get("/content-reviews")
async def list_reviews(
    principal: Reviewer,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    state: Annotated[ReviewState | None, Query()] = None,
) -> PageOf[ContentReviewOut]:
    """Reviews of the own divisions, the newest first."""
    found = await ContentReviewRepository(uow.session).reviews(scope, state, page)
    return PageOf.of(found, [ContentReviewOut.of(each) for each in found.items])


@router.get("/content-reviews/{content_review_id}")
async def read_review(content_review_id: Id, principal: Reviewer, scope: ScopeDep, uow: UowDep) -> ContentReviewOut:
    return ContentReviewOut.of(await service.require_review(uow, scope, content_review_id))


class AppealIn(BaseModel):
    reason: Annotated[str, Field(min_length=2, max_length=1000)]


@router.post("/content-reviews/{content_review_id}/appeal")
async def appeal(
    content_review_id: Id, body: AppealIn, request: Request, principal: Reviewer, scope: ScopeDep, uow: UowDep
) -> ContentReviewOut:
    """Say why the findings are wrong."""
    held = await service.require_review(uow, scope, content_review_id, lock=True)
    await check(request, principal, "content.review", held.division_code, held.unit_id)
    appealed = await service.appeal(uow, held, body.reason)
    await record_act(uow, principal, "content.review", review=held.id, appealed=True)
    await uow.commit()
    return ContentReviewOut.of(appealed)


class DecisionIn(BaseModel):
    """`uphold` false sets the findings aside."""

    uphold: bool
    reason: Annotated[str, Field(min_length=2, max_length=1000)]


@router.post("/content-reviews/{content_review_id}/decision")
async def decide(
    content_review_id: Id,
    body: DecisionIn,
    request: Request,
    principal: Annotated[Principal, Depends(require("content.decide"))],
    scope: ScopeDep,
    uow: UowDep,
) -> ContentReviewOut:
    """Hear an appeal; nobody decides on a review that was asked for by themselves."""
    appealed = await service.require_review(uow, scope, content_review_id, lock=True)
    await check(request, principal, "content.decide", appealed.division_code, appealed.unit_id)
    decided = await service.decide(uow, principal, appealed, uphold=body.uphold, reason=body.reason)
    await record_act(uow, principal, "content.decide", review=appealed.id, uphold=body.uphold)
    await uow.commit()
    return ContentReviewOut.of(decided)
