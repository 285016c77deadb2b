"""Use cases of proposals: make, replay, decide, undo, and measure their effect. None of them commits."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chengnao.incident.service import actor_of, numbered
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.review.proposals.category_rule import CategoryRuleKind
from chengnao.review.proposals.changes import Change, ProposalKind
from chengnao.review.proposals.events import ProposalDecided, ProposalMade
from chengnao.review.proposals.kinds import Kind, Tools
from chengnao.review.proposals.limit import LimitKind
from chengnao.review.proposals.model import (
    Decision,
    Effect,
    Origin,
    Proposal,
    ProposalState,
    Replay,
    Span,
    check_decidable,
    check_undecided,
    check_undoable,
    effect_spans,
)
from chengnao.review.proposals.repository import ProposalRepository
from chengnao.review.proposals.responsibility import ResponsibilityKind
from chengnao.review.proposals.threshold import ThresholdKind
from chengnao.review.service import require_review

KINDS: Mapping[ProposalKind, Kind[Any]] = {
    ProposalKind.RESPONSIBILITY: ResponsibilityKind(),
    ProposalKind.LIMIT: LimitKind(),
    ProposalKind.THRESHOLD: ThresholdKind(),
    ProposalKind.CATEGORY_RULE: CategoryRuleKind(),
}
DEFAULT_DAYS = {ProposalKind.THRESHOLD: 7}
"""How far back a replay goes where nothing is said; 90 days for the others."""
MOST_DAYS = {ProposalKind.THRESHOLD: 31}
"""How far it may go at most; 400 days for the others."""
EFFECT = timedelta(days=30)


async def make(
    uow: UnitOfWork,
    actor: Principal,
    change: Change,
    reason: str,
    *,
    review_id: str | None = None,
    origin: Origin = Origin.PERSON,
    pattern: str | None = None,
) -> Proposal | None:
    """Propose a change.

    None where an undecided one came from the same pattern. Raises Invalid or NotFound for a change that cannot be made,
    Forbidden for one of divisions that have nothing to do with the actor's.
    """
    if review_id is not None:
        await require_review(uow, Scope.of(actor), review_id)
    kind, change = ProposalKind(change.kind), change.settled()
    target = await KINDS[kind].target(uow, change)
    proposal = Proposal(
        id=new_id(),
        number=await numbered(uow, "GJ"),
        kind=kind,
        change=change,
        about=target.about,
        key=target.key,
        reason=reason,
        origin=origin,
        pattern=pattern,
        state=ProposalState.DRAFT,
        author=actor_of(actor),
        division_code=await _home(uow, actor, target.division_code),
        target_code=target.division_code,
        made_at=uow.clock.now(),
        review_id=review_id,
    )
    if not await ProposalRepository(uow.session).add(proposal):
        return None
    await record_act(uow, actor, "proposal.write", proposal=proposal.number, about=proposal.about)
    _tell(uow, ProposalMade, proposal, actor)
    return proposal


async def _home(uow: UnitOfWork, actor: Principal, target_code: str) -> str:
    """Where a proposal is seen: where the thing holds, or by those who proposed something of a division above them."""
    if actor.division_code in ancestors(target_code):
        return target_code
    if target_code in ancestors(actor.division_code):
        return actor.division_code
    names = await OrganisationRepository(uow.session).division_names()
    raise Forbidden("proposal_elsewhere", division=names.get(target_code, target_code))


async def replay(
    uow: UnitOfWork, actor: Principal, proposal_id: str, span: Span | None = None, tools: Tools | None = None
) -> Proposal:
    """Replay an undecided proposal on a past period, and keep what it came to in the place of an earlier replay.

    Raises NotFound outside the scope, Invalid for a period that cannot be, Conflict where somebody else replays or
    decides it meanwhile.
    """
    seen = await require_proposal(uow, Scope.of(actor), proposal_id)
    check_undecided(seen)
    kind = KINDS[seen.kind]
    chosen = _span(uow, seen.kind, span)
    basis = await kind.current(uow, seen.change)
    outcome = await kind.replay(uow, seen.change, chosen, tools or Tools())
    proposal = await require_proposal(uow, Scope.of(actor), proposal_id, lock=True)
    if proposal.version != seen.version:
        raise Conflict("proposal_changed", number=proposal.number)
    done = Replay(
        span=chosen,
        at=uow.clock.now(),
        basis=basis,
        counts=outcome.counts,
        detail=outcome.detail,
        total=outcome.total,
        looked_at=outcome.looked_at,
        notes=outcome.notes,
    )
    repository = ProposalRepository(uow.session)
    after = replace(proposal, state=ProposalState.REPLAYED, replay=done, progress=None, version=proposal.version + 1)
    await repository.put_cases(proposal.id, outcome.cases)
    await repository.save(after)
    return after


def _span(uow: UnitOfWork, kind: ProposalKind, asked: Span | None) -> Span:
    now, most = uow.clock.now(), MOST_DAYS.get(kind, 400)
    span = asked or Span(now - timedelta(days=DEFAULT_DAYS.get(kind, 90)), now)
    if not span.since < span.until <= now or span.until - span.since > timedelta(days=most):
        raise Invalid("proposal_span", field="from", days=most)
    return span


async def decide(uow: UnitOfWork, actor: Principal, proposal_id: str, approve: bool, reason: str) -> Proposal:
    """Let a replayed proposal come into force at once, or refuse it. Whether the actor may is asked before.

    Raises NotFound outside the scope, Forbidden for its author, Conflict where it was decided, was not replayed, or
    where what it changes has changed since.
    """
    proposal = await _held(uow, actor, proposal_id)
    kind = KINDS[proposal.kind]
    before = await kind.current(uow, proposal.change)
    check_decidable(proposal, actor.id, before, approve)
    decided = replace(
        proposal,
        state=ProposalState.APPLIED if approve else ProposalState.REFUSED,
        decision=Decision(actor_of(actor), uow.clock.now(), reason),
        version=proposal.version + 1,
    )
    if approve:
        await kind.apply(uow, actor, proposal.change)
        uow.session.expire_all()  # what was read before the change must not be taken for what stands after it
        decided = replace(decided, before=before, after=await kind.current(uow, proposal.change))
    await _keep_decided(uow, actor, decided, reason)
    return decided


async def undo(uow: UnitOfWork, actor: Principal, proposal_id: str, reason: str) -> Proposal:
    """Bring back what was before a proposal came into force. Whether the actor may is asked before.

    Raises NotFound outside the scope, Conflict where it is not in force or was overtaken by another change.
    """
    proposal = await _held(uow, actor, proposal_id)
    kind = KINDS[proposal.kind]
    check_undoable(proposal, await kind.current(uow, proposal.change))
    await kind.restore(uow, actor, proposal.change, proposal.before)
    withdrawn = replace(
        proposal,
        state=ProposalState.WITHDRAWN,
        withdrawal=Decision(actor_of(actor), uow.clock.now(), reason),
        version=proposal.version + 1,
    )
    await _keep_decided(uow, actor, withdrawn, reason)
    return withdrawn


async def _held(uow: UnitOfWork, actor: Principal, proposal_id: str) -> Proposal:
    """The proposal, locked; and nobody else decides about the same thing meanwhile."""
    proposal = await require_proposal(uow, Scope.of(actor), proposal_id, lock=True)
    await uow.hold(proposal.key)
    return proposal


async def _keep_decided(uow: UnitOfWork, actor: Principal, proposal: Proposal, reason: str) -> None:
    await ProposalRepository(uow.session).save(proposal)
    await record_act(
        uow,
        actor,
        "proposal.decide",
        proposal=proposal.number,
        about=proposal.about,
        state=proposal.state.value,
        reason=reason,
        before=proposal.before,
        after=proposal.after,
    )
    _tell(uow, ProposalDecided, proposal, actor)


def _tell(
    uow: UnitOfWork, kind: type[ProposalMade] | type[ProposalDecided], proposal: Proposal, actor: Principal
) -> None:
    uow.publish(
        kind(
            subject=proposal.id,
            division_code=proposal.division_code,
            number=proposal.number,
            kind=proposal.kind.value,
            about=proposal.about,
            origin=proposal.origin.value,
            state=proposal.state.value,
            actor=actor.name,
        )
    )


async def effect_of(uow: UnitOfWork, proposal: Proposal) -> Effect | None:
    """The measured effect of a proposal that is or was in force; None for others."""
    if proposal.decision is None or proposal.state not in (ProposalState.APPLIED, ProposalState.WITHDRAWN):
        return None
    ended = proposal.withdrawal.at if proposal.withdrawal else None
    before, after, complete = effect_spans(proposal.decision.at, ended, uow.clock.now(), EFFECT)
    kind = KINDS[proposal.kind]
    pairs = zip(
        await kind.measures(uow, proposal.change, before),
        await kind.measures(uow, proposal.change, after),
        strict=True,
    )
    return Effect(before, after, complete, list(pairs))


async def require_proposal(uow: UnitOfWork, scope: Scope, proposal_id: str, *, lock: bool = False) -> Proposal:
    proposal = await ProposalRepository(uow.session).get(scope, proposal_id, lock=lock)
    if proposal is None:
        raise NotFound("not_found", kind="改进建议 proposal", id=proposal_id)
    return proposal
