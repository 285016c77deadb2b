"""A proposal: its states, the replay on past cases, the decision, and the effect. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chengnao.incident.model import Actor
from chengnao.kernel.errors import Conflict, Forbidden
from chengnao.kernel.vocabulary import Named
from chengnao.review.proposals.changes import Change, ProposalKind

FEW = 20
"""With fewer cases a share says little."""


class ProposalState(Named):
    DRAFT = "draft", "草案", "draft"
    REPLAYED = "replayed", "待审定", "to be decided"
    APPLIED = "applied", "已生效", "in force"
    REFUSED = "refused", "未采纳", "refused"
    WITHDRAWN = "withdrawn", "已撤销", "withdrawn"

    @property
    def undecided(self) -> bool:
        return self in (ProposalState.DRAFT, ProposalState.REPLAYED)


class Origin(StrEnum):
    PERSON = "person"
    RETURNS = "returns"
    """The platform saw that dispatches came back."""


Thing = Mapping[str, Any] | None
"""What is changed, as plain values; None where there is none."""


@dataclass(frozen=True)
class Target:
    """What a change is about."""

    key: str
    """Names the thing: two proposals with the same key change the same."""
    division_code: str
    """Where the thing holds: who decides must have the right there."""
    about: str
    """One line for people."""


@dataclass(frozen=True)
class Case:
    """One past case as the replay judged it."""

    outcome: str
    at: datetime
    division_code: str
    unit_id: str | None
    incident_id: str | None
    title: str
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Span:
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Replay:
    """What the change would have done in a past period."""

    span: Span
    at: datetime
    basis: Thing
    """What the replay was computed against."""
    counts: Mapping[str, int]
    """How many cases came to which outcome, and whatever else the kind counts."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    total: int = 0
    """How many cases the period has; more than were looked at where they were too many."""
    looked_at: int = 0
    notes: Sequence[str] = ()
    """What the replay could not know, in words."""


@dataclass(frozen=True)
class Measure:
    """A share, or a number a day, in a period."""

    key: str
    name: str
    name_en: str
    count: int
    of: float
    """The cases that it is a share of, or the days."""
    daily: bool = False

    @property
    def value(self) -> float | None:
        return round(self.count / self.of, 4) if self.of else None

    @property
    def few(self) -> bool:
        """Whether there are too few cases to say anything."""
        return (self.count if self.daily else self.of) < FEW


@dataclass(frozen=True)
class Effect:
    """The same measures in equally long periods before and after a change."""

    before: Span
    after: Span
    complete: bool
    """Whether the period after is over."""
    measures: Sequence[tuple[Measure, Measure]]


@dataclass(frozen=True)
class Decision:
    actor: Actor
    at: datetime
    reason: str


@dataclass(frozen=True)
class Proposal:
    id: str
    number: str
    kind: ProposalKind
    change: Change
    about: str
    key: str
    reason: str
    origin: Origin
    pattern: str | None
    """Names the pattern of returns that it came from."""
    state: ProposalState
    author: Actor
    division_code: str
    """Where it was made: who sees it."""
    target_code: str
    """The division of what it changes: who decides it."""
    made_at: datetime
    review_id: str | None = None
    replay: Replay | None = None
    progress: Mapping[str, int] | None = None
    """While a replay runs: `done` of `total`."""
    decision: Decision | None = None
    before: Thing = None
    """What the change replaced."""
    after: Thing = None
    withdrawal: Decision | None = None
    version: int = 1


def check_undecided(proposal: Proposal) -> None:
    """Raises Conflict where the proposal was decided already."""
    if not proposal.state.undecided:
        raise _wrong_state(proposal)


def check_decidable(proposal: Proposal, decider_id: str, current: Thing, approve: bool) -> None:
    """Raises where it cannot be decided now.

    Forbidden for its own author; Conflict where it was decided before, was not replayed, or where what it changes has
    changed since the replay. Refusing needs no replay.
    """
    if decider_id == proposal.author.id:
        raise Forbidden("proposal_own", number=proposal.number)
    check_undecided(proposal)
    if not approve:
        return
    if proposal.replay is None:
        raise Conflict("proposal_not_replayed", number=proposal.number)
    if proposal.replay.basis != current:
        raise Conflict("proposal_stale", number=proposal.number, about=proposal.about)


def check_undoable(proposal: Proposal, current: Thing) -> None:
    """Raises Conflict where it is not in force, or where somebody has changed the thing since."""
    if proposal.state is not ProposalState.APPLIED:
        raise _wrong_state(proposal)
    if proposal.after != current:
        raise Conflict("proposal_overtaken", number=proposal.number, about=proposal.about)


def _wrong_state(proposal: Proposal) -> Conflict:
    return Conflict("proposal_state", number=proposal.number, state=proposal.state.zh, state_en=proposal.state.en)


def effect_spans(
    applied_at: datetime, ended_at: datetime | None, now: datetime, days: timedelta
) -> tuple[Span, Span, bool]:
    """Equally long periods before and after the change came into force: `days`, or as far as it got."""
    end = min(each for each in (applied_at + days, ended_at, now) if each is not None)
    length = max(end - applied_at, timedelta())
    return Span(applied_at - length, applied_at), Span(applied_at, applied_at + length), length == days
