"""Proposals as the API shows them."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from chengnao.incident.names import Names
from chengnao.review.proposals.changes import Change, ProposalKind
from chengnao.review.proposals.model import (
    Case,
    Decision,
    Effect,
    Measure,
    Origin,
    Proposal,
    ProposalState,
    Replay,
    Span,
)


class SpanOut(BaseModel):
    since: Annotated[datetime, Field(serialization_alias="from")]
    until: Annotated[datetime, Field(serialization_alias="to")]

    @classmethod
    def of(cls, span: Span) -> Self:
        return cls(since=span.since, until=span.until)


class ReplayOut(BaseModel):
    """`counts`: cases by outcome, and what else the kind counts; `looked_at` of `total` were looked at."""

    span: SpanOut
    at: datetime
    counts: dict[str, int]
    detail: dict[str, Any]
    total: int
    looked_at: int
    notes: list[str]

    @classmethod
    def of(cls, replay: Replay) -> Self:
        return cls(
            span=SpanOut.of(replay.span),
            at=replay.at,
            counts=dict(replay.counts),
            detail=dict(replay.detail),
            total=replay.total,
            looked_at=replay.looked_at,
            notes=list(replay.notes),
        )


class DecisionOut(BaseModel):
    actor_name: str
    at: datetime
    reason: str

    @classmethod
    def of(cls, decision: Decision | None) -> Self | None:
        if decision is None:
            return None
        return cls(actor_name=decision.actor.name, at=decision.at, reason=decision.reason)


class MeasureOut(BaseModel):
    """A share (`count` of `of` cases), or with `daily` a number a day (`count` in `of` days); null over nothing.

    `few`: there are too few cases to say anything.
    """

    count: int
    of: float
    value: float | None
    few: bool

    @classmethod
    def of_(cls, measure: Measure) -> Self:
        return cls(count=measure.count, of=round(measure.of, 2), value=measure.value, few=measure.few)


class MeasuresOut(BaseModel):
    key: str
    name: str
    name_en: str
    daily: bool
    before: MeasureOut
    after: MeasureOut


class EffectOut(BaseModel):
    """`complete`: the period after the change is over."""

    before: SpanOut
    after: SpanOut
    complete: bool
    measures: list[MeasuresOut]

    @classmethod
    def of(cls, effect: Effect) -> Self:
        return cls(
            before=SpanOut.of(effect.before),
            after=SpanOut.of(effect.after),
            complete=effect.complete,
            measures=[
                MeasuresOut(
                    key=was.key,
                    name=was.name,
                    name_en=was.name_en,
                    daily=was.daily,
                    before=MeasureOut.of_(was),
                    after=MeasureOut.of_(became),
                )
                for was, became in effect.measures
            ],
        )


class ProposalOut(BaseModel):
    """`progress`: `done` of `total` while a replay runs; `target_code`: the division whose people decide."""

    id: str
    number: str
    kind: ProposalKind
    kind_name: str
    about: str
    reason: str
    change: Change
    origin: Origin
    state: ProposalState
    state_name: str
    author_name: str
    made_at: datetime
    division_code: str
    division_name: str
    target_code: str
    target_name: str
    review_id: str | None
    replay: ReplayOut | None
    progress: dict[str, int] | None
    decision: DecisionOut | None
    withdrawal: DecisionOut | None

    @classmethod
    def of(cls, proposal: Proposal, names: Names) -> Self:
        return cls.model_validate(flat(proposal, names))


class ProposalDetail(ProposalOut):
    """`before` and `after`: the thing that was changed; `effect`: measured, while or after it is in force."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    effect: EffectOut | None
    may_decide: bool


def flat(proposal: Proposal, names: Names) -> dict[str, Any]:
    """The fields of a proposal that a list shows."""
    plain = ("id", "number", "kind", "about", "reason", "change", "origin", "state", "made_at", "review_id")
    return {
        **{name: getattr(proposal, name) for name in plain},
        "kind_name": proposal.kind.zh,
        "state_name": proposal.state.zh,
        "author_name": proposal.author.name,
        "division_code": proposal.division_code,
        "division_name": names.division(proposal.division_code),
        "target_code": proposal.target_code,
        "target_name": names.division(proposal.target_code),
        "replay": ReplayOut.of(proposal.replay) if proposal.replay else None,
        "progress": dict(proposal.progress) if proposal.progress else None,
        "decision": DecisionOut.of(proposal.decision),
        "withdrawal": DecisionOut.of(proposal.withdrawal),
    }


class CaseOut(BaseModel):
    outcome: str
    at: datetime
    division_code: str
    unit_id: str | None
    incident_id: str | None
    title: str
    detail: dict[str, Any]

    @classmethod
    def of(cls, case: Case) -> Self:
        return cls(**case.__dict__)
