"""Merging over HTTP."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from chengnao.incident.merging import service
from chengnao.incident.merging.matching import candidates
from chengnao.incident.merging.merges import Merge, MergeKind
from chengnao.incident.merging.model import Reason, default_weights
from chengnao.incident.merging.repository import MergeRepository
from chengnao.incident.names import Names
from chengnao.incident.service import require_incident
from chengnao.incident.views import IncidentOut
from chengnao.kernel.access.model import Principal
from chengnao.kernel.web import ContextDep, Id, RepeatableDep, ScopeDep, UowDep, require

router = APIRouter(tags=["incident"])

Reader = Annotated[Principal, Depends(require("incident.read"))]


class ReasonOut(BaseModel):
    text: str
    text_en: str
    speaks_for: bool

    @classmethod
    def of(cls, reason: Reason) -> Self:
        return cls(text=reason.zh, text_en=reason.en, speaks_for=reason.speaks_for)


class CandidateOut(BaseModel):
    """An open incident that may be about the same matter; `score` is the probability, 0 to 1."""

    incident: IncidentOut
    score: float
    automatic: bool
    """So probable that a new report would have joined by itself."""
    reasons: list[ReasonOut]


class MergeOut(BaseModel):
    id: str
    kind: MergeKind
    incident_id: str | None
    report_id: str | None
    into_id: str
    score: float | None
    reasons: list[ReasonOut]
    reason: str
    by_name: str
    at: datetime
    undone_at: datetime | None
    undone_by_name: str | None

    @classmethod
    def of(cls, merge: Merge) -> Self:
        told = {"score": merge.probability, "reasons": [ReasonOut.of(each) for each in merge.reasons]}
        plain = {name: getattr(merge, name) for name in MergeOut.model_fields if name not in told}
        return cls(**plain, **told)


class UndoneOut(BaseModel):
    """`incident` lives by itself again; `stayed`: tracking numbers of later reports that stay with the other."""

    merge: MergeOut
    incident: IncidentOut
    stayed: list[str]


@router.get("/incidents/{incident_id}/candidates")
async def list_candidates(incident_id: Id, principal: Reader, scope: ScopeDep, uow: UowDep) -> list[CandidateOut]:
    """Open incidents of the own divisions that may be about the same matter, the most probable first."""
    incident = await require_incident(uow, scope, incident_id)
    if incident.state.final:
        return []
    names = await Names.load(uow)
    automatic = default_weights().settings.automatic
    return [
        CandidateOut(
            incident=IncidentOut.of(match.incident, names),
            score=match.score.probability,
            automatic=match.score.probability >= automatic,
            reasons=[ReasonOut.of(reason) for reason in match.score.reasons],
        )
        for match in await candidates(uow, scope, incident)
    ]


class MergeIn(BaseModel):
    """`into`: the incident that goes on; `version`: of the one that is merged, as the actor saw it."""

    into: Id
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reason: Annotated[str, Field(max_length=4000)] = ""


@router.post("/incidents/{incident_id}/merge")
async def merge_incident(
    incident_id: Id,
    body: MergeIn,
    principal: Annotated[Principal, Depends(require("incident.merge"))],
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> MergeOut:
    """Make the incident a part of another; what went along comes back when the merge is undone."""
    if (known := await repeatable.known(MergeOut)) is not None:
        return known
    merge = await service.merge_incident(
        uow, context.authority, principal, incident_id, body.into, body.version, body.reason
    )
    answer = await repeatable.keep(MergeOut.of(merge))
    await uow.commit()
    return answer


@router.post("/merges/{merge_id}/undo")
async def undo_merge(
    merge_id: Id,
    principal: Annotated[Principal, Depends(require("incident.unmerge"))],
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> UndoneOut:
    """Take a merge apart: the incident is as it was before, or the report gets one of its own."""
    if (known := await repeatable.known(UndoneOut)) is not None:
        return known
    undone = await service.undo(uow, context.authority, principal, merge_id)
    incident = IncidentOut.of(undone.incident, await Names.load(uow))
    answer = await repeatable.keep(
        UndoneOut(merge=MergeOut.of(undone.merge), incident=incident, stayed=list(undone.stayed))
    )
    await uow.commit()
    return answer


@router.get("/merges")
async def list_merges(
    principal: Reader, scope: ScopeDep, uow: UowDep, incident: Annotated[str, Query(min_length=1, max_length=64)]
) -> list[MergeOut]:
    """What was merged into the incident, and what it was merged into; undone ones too, the oldest first."""
    await require_incident(uow, scope, incident)
    return [MergeOut.of(merge) for merge in await MergeRepository(uow.session).of_incident(incident)]
