"""An incident and the only ways it can move."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chengnao.kernel.errors import Conflict, Invalid
from chengnao.kernel.vocabulary import Named


class State(Named):
    NEW = "new", "待分拨", "to be dispatched"
    DISPATCHED = "dispatched", "待签收", "to be accepted"
    ACCEPTED = "accepted", "处置中", "being handled"
    RETURNED = "returned", "已退单", "returned"
    HANDLED = "handled", "待核查", "to be verified"
    VERIFIED = "verified", "待办结", "to be closed"
    CLOSED = "closed", "已办结", "closed"
    DISMISSED = "dismissed", "不予立案", "dismissed"

    @property
    def final(self) -> bool:
        return self in (State.CLOSED, State.DISMISSED)


class Action(Named):
    DISPATCH = "dispatch", "分拨", "dispatch"
    DISMISS = "dismiss", "不予立案", "dismiss"
    ACCEPT = "accept", "签收", "accept"
    RETURN = "return", "退单", "return"
    HANDLE = "handle", "办理完成", "finish handling"
    VERIFY = "verify", "核查通过", "verify"
    REWORK = "rework", "返工", "send back for rework"
    CLOSE = "close", "办结", "close"
    URGE = "urge", "催办", "urge"
    NOTE = "note", "备注", "note"


class Need(StrEnum):
    """What the actor must give with an action."""

    REASON = "reason"
    UNIT = "unit"
    RESULT = "result"


class Source(StrEnum):
    WARNING = "warning"
    REPORT = "report"
    MANUAL = "manual"


OPEN = "open"
"""What the first entry of a timeline says was done."""

SYSTEM = "system"
"""The platform itself as an actor, beside the roles of persons."""


@dataclass(frozen=True)
class Transition:
    """One row of the state machine: in `source`, one of `roles` may do `action`, and the incident goes to `target`."""

    source: State
    action: Action
    target: State
    roles: frozenset[str]
    needs: frozenset[Need] = frozenset()
    own_unit: bool = False
    """Only a person of the unit that holds the incident."""
    primary: bool = False
    """The step that the loop waits for."""


def _rows() -> list[Transition]:
    s, a = State, Action
    desk = frozenset({"dispatcher", "duty_officer"})
    everyone = desk | {"verifier", "handler"}
    rows = [
        Transition(s.NEW, a.DISPATCH, s.DISPATCHED, desk | {SYSTEM}, frozenset({Need.UNIT}), primary=True),
        Transition(s.NEW, a.DISMISS, s.DISMISSED, desk, frozenset({Need.REASON})),
        Transition(s.DISPATCHED, a.ACCEPT, s.ACCEPTED, frozenset({"handler"}), own_unit=True, primary=True),
        Transition(s.DISPATCHED, a.RETURN, s.RETURNED, frozenset({"handler"}), frozenset({Need.REASON}), own_unit=True),
        Transition(
            s.ACCEPTED,
            a.HANDLE,
            s.HANDLED,
            frozenset({"handler"}),
            frozenset({Need.RESULT}),
            own_unit=True,
            primary=True,
        ),
        Transition(s.ACCEPTED, a.RETURN, s.RETURNED, frozenset({"handler"}), frozenset({Need.REASON}), own_unit=True),
        Transition(s.RETURNED, a.DISPATCH, s.DISPATCHED, desk, frozenset({Need.UNIT}), primary=True),
        Transition(s.RETURNED, a.DISMISS, s.DISMISSED, desk, frozenset({Need.REASON})),
        Transition(s.HANDLED, a.VERIFY, s.VERIFIED, frozenset({"verifier"}), primary=True),
        Transition(s.HANDLED, a.REWORK, s.ACCEPTED, frozenset({"verifier"}), frozenset({Need.REASON})),
        Transition(s.VERIFIED, a.CLOSE, s.CLOSED, frozenset({"duty_officer"}), primary=True),
    ]
    for state in State:
        if not state.final:
            rows.append(Transition(state, a.URGE, state, desk | {SYSTEM}))
        rows.append(Transition(state, a.NOTE, state, everyone | {SYSTEM}, frozenset({Need.REASON})))
    return rows


TRANSITIONS: Mapping[tuple[State, Action], Transition] = {(row.source, row.action): row for row in _rows()}


def transition(state: State, action: Action) -> Transition:
    """The row for the pair; raises Conflict where the state does not know the action."""
    row = TRANSITIONS.get((state, action))
    if row is None:
        raise Conflict(
            "incident_action_not_possible", action=action.zh, action_en=action.en, state=state.zh, state_en=state.en
        )
    return row


@dataclass(frozen=True)
class Limits:
    """How long each step of an incident of one grade may take."""

    dispatch: timedelta
    accept: timedelta
    handle: timedelta
    verify: timedelta
    close: timedelta

    def of(self, state: State) -> timedelta | None:
        """The time that the state may last; None for a final one."""
        return {
            State.NEW: self.dispatch,
            State.RETURNED: self.dispatch,
            State.DISPATCHED: self.accept,
            State.ACCEPTED: self.handle,
            State.HANDLED: self.verify,
            State.VERIFIED: self.close,
        }.get(state)


@dataclass(frozen=True)
class Category:
    code: str
    name: str
    name_en: str
    grade: int
    field: str
    source: str


@dataclass(frozen=True)
class Actor:
    """Who acted, as the timeline remembers it."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True)
class Incident:
    id: str
    number: str
    title: str
    description: str
    category: str
    grade: int
    state: State
    source: Source
    division_code: str
    unit_id: str | None
    lon: float | None
    lat: float | None
    address: str
    opened_at: datetime
    entered_at: datetime
    due_at: datetime | None
    accept_by: datetime | None = None
    handle_by: datetime | None = None
    verify_by: datetime | None = None
    closed_at: datetime | None = None
    assignee_id: str | None = None
    assignee_name: str | None = None
    entry: int = 1
    """The version with which the present state was entered: names one stay in one state."""
    escalation: int = 0
    """How often this stay has run over its time and was urged by the platform: 0, 1 or 2."""
    version: int = 1
    """Counts the entries of the timeline."""

    def overdue(self, now: datetime) -> bool:
        return self.due_at is not None and self.due_at < now


@dataclass(frozen=True)
class Task:
    """The work that one dispatch gave to one unit."""

    id: str
    incident_id: str
    seq: int
    state: State
    unit_id: str
    division_code: str
    dispatched_at: datetime
    accept_by: datetime
    assignee_id: str | None = None
    assignee_name: str | None = None
    accepted_at: datetime | None = None
    handle_by: datetime | None = None
    handled_at: datetime | None = None
    returned_at: datetime | None = None
    return_reason: str | None = None
    result: str | None = None
    reworked: int = 0

    def overdue(self, now: datetime) -> bool:
        due = {State.DISPATCHED: self.accept_by, State.ACCEPTED: self.handle_by}.get(self.state)
        return due is not None and due < now


@dataclass(frozen=True)
class TimelineEntry:
    incident_id: str
    seq: int
    at: datetime
    actor: Actor
    action: str
    """An Action, or OPEN."""
    from_state: State | None
    to_state: State
    reason: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    id: str
    tracking_number: str
    incident_id: str
    content: str
    category: str
    division_code: str
    unit_id: str | None
    lon: float | None
    lat: float | None
    address: str
    reporter_name: str | None
    reporter_phone: str | None
    received_at: datetime


@dataclass(frozen=True)
class Photo:
    id: str
    digest: str
    media_type: str
    size: int
    incident_id: str | None
    """None until the photo is used."""
    uploaded_by: str
    at: datetime


def check_needs(row: Transition, *, reason: str, unit_id: str | None, result: str) -> None:
    """Raises Invalid, naming the field, where something that the action needs is missing."""
    given = {Need.REASON: reason.strip(), Need.UNIT: unit_id, Need.RESULT: result.strip()}
    fields = {Need.REASON: "reason", Need.UNIT: "unit_id", Need.RESULT: "result"}
    for need in sorted(row.needs):
        if not given[need]:
            raise Invalid("incident_action_needs", field=fields[need], action=row.action.zh, action_en=row.action.en)


def media_type_of(data: bytes) -> str | None:
    """The image type that the first bytes tell; None for what is not JPEG, PNG or WebP."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return None


@dataclass(frozen=True)
class Responsibility:
    """The unit that answers for a category in a division and in those below it that name none."""

    division_code: str
    category: str
    unit_id: str


@dataclass(frozen=True)
class Tally:
    """The counts of one group in one period."""

    opened: int = 0
    dismissed: int = 0
    closed: int = 0
    overdue_open: int = 0
    dispatched: int = 0
    accept_due: int = 0
    accepted_on_time: int = 0
    handle_due: int = 0
    handled_on_time: int = 0
    returned: int = 0
    reworked: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Tally)))


@dataclass(frozen=True)
class Standing:
    """The open incidents at this moment and today's movement."""

    open: int
    overdue: int
    today_opened: int
    today_closed: int


def total_of(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())
