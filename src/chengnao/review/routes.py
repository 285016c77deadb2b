"""Reviews over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from chengnao.incident.names import Names
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.web import Id, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.review import printed, service
from chengnao.review.model import Review, ReviewState, Written, causes
from chengnao.review.proposals.repository import ProposalRepository
from chengnao.review.proposals.views import ProposalOut
from chengnao.review.repository import ReviewRepository
from chengnao.review.views import FactsOut, ReviewOut, flat

router = APIRouter(tags=["review"])

Text = Annotated[str, Field(min_length=1, max_length=4000)]
Version = Annotated[int, Field(ge=1, le=2**31 - 1)]
Reader = Annotated[Principal, Depends(require("review.read"))]
Writer = Annotated[Principal, Depends(require("review.write"))]

_ALL_PROPOSALS = PageRequest(1, 200)


class CauseOut(BaseModel):
    code: str
    name: str
    name_en: str


class ReviewDetail(ReviewOut):
    """With what the records say of each of its incidents that the asker may see."""

    facts: list[FactsOut]
    proposals: list[ProposalOut]


@router.get("/review-causes")
async def list_causes(principal: Reader) -> list[CauseOut]:
    """The causes that a review may name."""
    return [CauseOut(**each.__dict__) for each in causes().values()]


@router.get("/reviews")
async def list_reviews(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    state: ReviewState | None = None,
    incident: Annotated[str | None, Query(max_length=64)] = None,
) -> PageOf[ReviewOut]:
    """Reviews, the newest first."""
    found = await ReviewRepository(uow.session).reviews(scope, state, incident, page)
    names = await Names.load(uow)
    return PageOf.of(found, [ReviewOut.of(each, names) for each in found.items])


class ReviewIn(BaseModel):
    """`title`: that of the first incident where none is given."""

    incident_ids: Annotated[list[Id], Field(min_length=1, max_length=50)]
    title: Annotated[str, Field(max_length=200)] = ""


@router.post("/reviews", status_code=201)
async def open_review(
    body: ReviewIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> ReviewDetail:
    """Open a review by hand."""
    review = await service.open_by_hand(uow, principal, body.incident_ids, body.title)
    await check(request, principal, "review.write", review.division_code, review.unit_id)
    detail = await _detail(uow, scope, review)
    await uow.commit()
    return detail


@router.get("/reviews/{review_id}")
async def get_review(review_id: Id, principal: Reader, scope: ScopeDep, uow: UowDep) -> ReviewDetail:
    """A review with the deviations, the repeats nearby and the timeline of each incident, and its proposals."""
    return await _detail(uow, scope, await service.require_review(uow, scope, review_id))


async def _detail(uow: UowDep, scope: Scope, review: Review) -> ReviewDetail:
    names = await Names.load(uow)
    proposals = await ProposalRepository(uow.session).proposals(scope, _ALL_PROPOSALS, review_id=review.id)
    return ReviewDetail.model_validate(
        flat(review, names)
        | {
            "facts": [FactsOut.of(each, names) for each in await service.facts_of(uow, scope, review)],
            "proposals": [ProposalOut.of(each, names) for each in proposals.items],
        }
    )


class CauseIn(BaseModel):
    """`code`: one of /api/review-causes."""

    code: Id
    text: Text


class FindingsIn(BaseModel):
    """The whole of the causes and lessons; what is given as it was keeps its author."""

    version: Version
    causes: Annotated[list[CauseIn], Field(max_length=50)]
    lessons: Annotated[list[Text], Field(max_length=50)]


@router.put("/reviews/{review_id}")
async def write_review(
    review_id: Id, body: FindingsIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> ReviewDetail:
    """Write the causes and lessons of a review that is not finished."""
    review = await service.require_review(uow, scope, review_id)
    await check(request, principal, "review.write", review.division_code, review.unit_id)
    written = await service.write(
        uow,
        principal,
        review_id,
        body.version,
        [Written(each.text, each.code) for each in body.causes],
        [Written(each) for each in body.lessons],
    )
    detail = await _detail(uow, scope, written)
    await uow.commit()
    return detail


class FinishIn(BaseModel):
    version: Version


@router.post("/reviews/{review_id}/finish")
async def finish_review(
    review_id: Id, body: FinishIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> ReviewDetail:
    """Finish a review that names its causes and lessons; its facts stay as they are then."""
    review = await service.require_review(uow, scope, review_id)
    await check(request, principal, "review.write", review.division_code, review.unit_id)
    finished = await service.finish(uow, principal, review_id, body.version)
    detail = await _detail(uow, scope, finished)
    await uow.commit()
    return detail


@router.get("/print/reviews/{review_id}", response_class=HTMLResponse)
async def print_review(review_id: Id, principal: Reader, scope: ScopeDep, uow: UowDep) -> HTMLResponse:
    """The review report as a page to print."""
    review = await service.require_review(uow, scope, review_id)
    facts = await service.facts_of(uow, scope, review)
    proposals = await ProposalRepository(uow.session).proposals(scope, _ALL_PROPOSALS, review_id=review.id)
    return HTMLResponse(printed.page(review, facts, proposals.items, await Names.load(uow)))
