"""Proposals over HTTP."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, Field, model_validator

from chengnao.incident.names import Names
from chengnao.kernel.access.model import Principal, Resource
from chengnao.kernel.database import Database
from chengnao.kernel.web import Context, ContextDep, Id, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.review.proposals import service
from chengnao.review.proposals.changes import Change, ProposalKind
from chengnao.review.proposals.kinds import Tools
from chengnao.review.proposals.model import Origin, Proposal, ProposalState, Span
from chengnao.review.proposals.repository import ProposalRepository
from chengnao.review.proposals.views import CaseOut, EffectOut, ProposalDetail, ProposalOut, flat

router = APIRouter(tags=["review"])

Reason = Annotated[str, Field(min_length=1, max_length=2000)]
Reader = Annotated[Principal, Depends(require("review.read"))]
Writer = Annotated[Principal, Depends(require("proposal.write"))]
Decider = Annotated[Principal, Depends(require("proposal.decide"))]


@router.get("/proposals")
async def list_proposals(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    state: ProposalState | None = None,
    kind: ProposalKind | None = None,
    origin: Origin | None = None,
    review: Annotated[str | None, Query(max_length=64)] = None,
) -> PageOf[ProposalOut]:
    """Proposals, the newest first; `origin=returns`: those that the platform drafted from returned dispatches."""
    found = await ProposalRepository(uow.session).proposals(
        scope, page, state=state, kind=kind, origin=origin, review_id=review
    )
    names = await Names.load(uow)
    return PageOf.of(found, [ProposalOut.of(each, names) for each in found.items])


class ProposalIn(BaseModel):
    """`change` says what shall be; the kind decides what it holds, and need not be said twice."""

    kind: ProposalKind
    change: Change
    reason: Reason
    review_id: Id | None = None

    @model_validator(mode="before")
    @classmethod
    def _kind_of_change(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("change"), dict):
            return values | {"change": {"kind": values.get("kind")} | values["change"]}
        return values

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.change.kind != self.kind:
            raise ValueError(f"the change is of the kind {self.change.kind}, not {self.kind}")
        return self


@router.post("/proposals", status_code=201)
async def make_proposal(
    body: ProposalIn, request: Request, principal: Writer, uow: UowDep, context: ContextDep
) -> ProposalDetail:
    """Propose a change; it does nothing until it was replayed and another person has approved it."""
    proposal = await service.make(uow, principal, body.change, body.reason, review_id=body.review_id)
    assert proposal is not None
    await check(request, principal, "proposal.write", proposal.division_code, None)
    detail = await _detail(uow, context, principal, proposal)
    await uow.commit()
    return detail


@router.get("/proposals/{proposal_id}")
async def get_proposal(
    proposal_id: Id, principal: Reader, scope: ScopeDep, uow: UowDep, context: ContextDep
) -> ProposalDetail:
    """A proposal with its replay and, once it is in force, its measured effect."""
    return await _detail(uow, context, principal, await service.require_proposal(uow, scope, proposal_id))


async def _detail(uow: UowDep, context: Context, principal: Principal, proposal: Proposal) -> ProposalDetail:
    effect = await service.effect_of(uow, proposal)
    may_decide = principal.id != proposal.author.id and all(
        context.authority.allows(principal, action, Resource(proposal.target_code))
        for action in ("proposal.decide", service.KINDS[proposal.kind].action)
    )
    return ProposalDetail(
        **flat(proposal, await Names.load(uow)),
        before=dict(proposal.before) if proposal.before else None,
        after=dict(proposal.after) if proposal.after else None,
        effect=EffectOut.of(effect) if effect else None,
        may_decide=may_decide,
    )


class ReplayIn(BaseModel):
    """The past period; by default 90 days up to now, for thresholds 7."""

    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None


@router.post("/proposals/{proposal_id}/replay")
async def replay_proposal(
    proposal_id: Id,
    body: ReplayIn,
    request: Request,
    principal: Writer,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
) -> ProposalDetail:
    """Show what the change would have done in the past; while that runs, `progress` tells how far it is."""
    proposal = await service.require_proposal(uow, scope, proposal_id)
    await check(request, principal, "proposal.write", proposal.division_code, None)
    span = None if body.since is None or body.until is None else Span(body.since, body.until)

    async def progress(done: int, total: int) -> None:
        await _tell(context.database, proposal_id, {"done": done, "total": total})

    tools = Tools(request.app.state.readings, progress)
    try:
        replayed = await service.replay(uow, principal, proposal_id, span, tools)
    except Exception:
        await _tell(context.database, proposal.id, None)
        raise
    detail = await _detail(uow, context, principal, replayed)
    await uow.commit()
    return detail


async def _tell(database: Database, proposal_id: str, progress: dict[str, int] | None) -> None:
    """Keep the progress where others see it at once."""
    async with database.unit_of_work() as uow:
        await ProposalRepository(uow.session).tell_progress(proposal_id, progress)
        await uow.commit()


@router.get("/proposals/{proposal_id}/cases")
async def list_cases(
    proposal_id: Id,
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    outcome: Annotated[str | None, Query(max_length=40)] = None,
) -> PageOf[CaseOut]:
    """The past cases of the last replay, each with what would have become of it."""
    proposal = await service.require_proposal(uow, scope, proposal_id)
    found = await ProposalRepository(uow.session).cases(scope, proposal.id, outcome, page)
    return PageOf.of(found, [CaseOut.of(each) for each in found.items])


class DecisionIn(BaseModel):
    approve: bool
    reason: Reason


@router.post("/proposals/{proposal_id}/decision")
async def decide_proposal(
    proposal_id: Id,
    body: DecisionIn,
    request: Request,
    principal: Decider,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
) -> ProposalDetail:
    """Approve, and the change is in force from this moment; or refuse. Never by the one who proposed it."""
    await _check_decider(request, principal, await service.require_proposal(uow, scope, proposal_id))
    decided = await service.decide(uow, principal, proposal_id, body.approve, body.reason)
    detail = await _detail(uow, context, principal, decided)
    await uow.commit()
    return detail


class UndoIn(BaseModel):
    reason: Reason


@router.post("/proposals/{proposal_id}/undo")
async def undo_proposal(
    proposal_id: Id,
    body: UndoIn,
    request: Request,
    principal: Decider,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
) -> ProposalDetail:
    """Bring back what was before, where nobody has changed it since."""
    await _check_decider(request, principal, await service.require_proposal(uow, scope, proposal_id))
    withdrawn = await service.undo(uow, principal, proposal_id, body.reason)
    detail = await _detail(uow, context, principal, withdrawn)
    await uow.commit()
    return detail


async def _check_decider(request: Request, principal: Principal, proposal: Proposal) -> None:
    """Both rights are needed where the thing holds: to decide, and to change such a thing."""
    for action in ("proposal.decide", service.KINDS[proposal.kind].action):
        await check(request, principal, action, proposal.target_code, None)
