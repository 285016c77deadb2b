"""An incident and the only ways it can move."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from chengnao.kernel.errors import Conflict, Invalid
from chengnao.kernel.vocabulary import Named


class State(Named):
    NEW = "new", "待分拨", "to be dispatched"
    DISPATCHED = "dispatched", "待签收", "to be accepted"
    ACCEPTED = "accepted", "处置中", "being handled"
    SUSPENDED = "suspended", "已挂起", "suspended"
    RETURNED = "returned", "已退单", "returned"
    DISPUTED = "disputed", "争议待裁", "in dispute"
    HANDLED = "handled", "待核查", "to be verified"
    VERIFIED = "verified", "待办结", "to be closed"
    CLOSED = "closed", "已办结", "closed"
    DISMISSED = "dismissed", "不予立案", "dismissed"
    MERGED = "merged", "已并入", "merged"

    @property
    def final(self) -> bool:
        return self in (State.CLOSED, State.DISMISSED, State.MERGED)


class Action(Named):
    DISPATCH = "dispatch", "分拨", "dispatch"
    DISMISS = "dismiss", "不予立案", "dismiss"
    ANSWER = "answer", "直接答复", "answer at intake"
    RECATEGORISE = "recategorise", "改类", "change the category"
    HAND_UP = "hand_up", "上报", "hand up"
    HAND_DOWN = "hand_down", "下派", "hand down"
    ACCEPT = "accept", "签收", "accept"
    RETURN = "return", "退单", "return"
    DISPUTE = "dispute", "提请裁定", "ask for a ruling"
    SETTLE = "settle", "裁定", "settle"
    EXTEND = "extend", "延期", "extend"
    SUSPEND = "suspend", "挂起", "suspend"
    RESUME = "resume", "恢复办理", "resume"
    HANDLE = "handle", "办理完成", "finish handling"
    VERIFY = "verify", "核查通过", "verify"
    REWORK = "rework", "返工", "send back for rework"
    CLOSE = "close", "办结", "close"
    REOPEN = "reopen", "重启", "reopen"
    MERGE = "merge", "并入", "merge"
    UNMERGE = "unmerge", "撤销并入", "undo the merge"
    URGE = "urge", "催办", "urge"
    NOTE = "note", "备注", "note"


class Need(StrEnum):
    """What the actor must give with an action."""

    REASON = "reason"
    REASON_CODE = "reason_code"
    UNIT = "unit"
    RESULT = "result"
    CATEGORY = "category"
    DIVISION = "division"
    EVIDENCE = "evidence"
    """A text of what was found, or a photo."""


class Source(StrEnum):
    WARNING = "warning"
    REPORT = "report"
    MANUAL = "manual"
    IMPORT = "import"
    """A case of an earlier system, taken over with its history."""


class TaskRole(StrEnum):
    LEAD = "lead"
    ASSIST = "assist"
    """Works along under a lead; the incident follows the lead's steps."""


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
    renews: bool = False
    """The stay in the state begins anew, though the state is the same."""
    by_desk: bool = False
    """Only a person of the desk that answers for the incident, or of a division above it."""
    upper: bool = False
    """Only a person of a division above the desk; where the desk is the city's own, of the city."""
    another: bool = False
    """Not the person who handled it."""

    @property
    def moves(self) -> bool:
        """Whether a new stay begins, with a time limit of its own."""
        return self.renews or self.target is not self.source


def _rows() -> list[Transition]:
    s, a = State, Action
    desk = frozenset({"dispatcher", "duty_officer"})
    handler, verifier, nobody = frozenset({"handler"}), frozenset({"verifier"}), frozenset({SYSTEM})
    reason, unit = frozenset({Need.REASON}), frozenset({Need.UNIT})
    why_returned = frozenset({Need.REASON, Need.REASON_CODE})
    rows = [
        Transition(s.NEW, a.DISPATCH, s.DISPATCHED, desk | nobody, unit, primary=True, by_desk=True),
        Transition(s.NEW, a.ANSWER, s.CLOSED, desk, frozenset({Need.RESULT}), by_desk=True),
        Transition(s.DISPATCHED, a.ACCEPT, s.ACCEPTED, handler, own_unit=True, primary=True),
        Transition(s.DISPATCHED, a.RETURN, s.RETURNED, handler, why_returned, own_unit=True),
        Transition(s.ACCEPTED, a.HANDLE, s.HANDLED, handler, frozenset({Need.RESULT}), own_unit=True, primary=True),
        Transition(s.ACCEPTED, a.RETURN, s.RETURNED, handler, why_returned, own_unit=True),
        # Asked for by the unit and granted by the desk, see `requests`: nobody takes them alone.
        Transition(s.ACCEPTED, a.EXTEND, s.ACCEPTED, nobody, reason, renews=True),
        Transition(s.ACCEPTED, a.SUSPEND, s.SUSPENDED, nobody, reason),
        Transition(s.SUSPENDED, a.RESUME, s.ACCEPTED, handler | nobody, own_unit=True, primary=True),
        Transition(s.RETURNED, a.DISPATCH, s.DISPATCHED, desk, unit, primary=True, by_desk=True),
        Transition(s.RETURNED, a.DISPUTE, s.DISPUTED, desk | nobody, reason, by_desk=True),
        Transition(
            s.DISPUTED, a.SETTLE, s.DISPATCHED, desk, frozenset({Need.UNIT, Need.REASON}), primary=True, upper=True
        ),
        Transition(s.DISPUTED, a.DISMISS, s.DISMISSED, desk, reason, upper=True),
        Transition(s.HANDLED, a.VERIFY, s.VERIFIED, verifier, frozenset({Need.EVIDENCE}), primary=True, another=True),
        Transition(s.HANDLED, a.REWORK, s.ACCEPTED, verifier, reason, another=True),
        Transition(s.VERIFIED, a.CLOSE, s.CLOSED, frozenset({"duty_officer"}), primary=True),
        Transition(s.CLOSED, a.REOPEN, s.NEW, frozenset({"duty_officer", SYSTEM}), reason),
        Transition(s.DISMISSED, a.REOPEN, s.NEW, frozenset({"duty_officer", SYSTEM}), reason),
        # Where it goes back to stands in the record of the merge.
        Transition(s.MERGED, a.UNMERGE, s.MERGED, nobody),
    ]
    for state in (s.NEW, s.RETURNED):
        rows += [
            Transition(state, a.DISMISS, s.DISMISSED, desk, reason, by_desk=True),
            Transition(state, a.HAND_UP, s.NEW, desk, reason, renews=True, by_desk=True),
            Transition(state, a.HAND_DOWN, s.NEW, desk, frozenset({Need.DIVISION}), renews=True, by_desk=True),
        ]
    for state in (s.NEW, s.DISPATCHED, s.RETURNED):
        rows.append(
            Transition(
                state, a.RECATEGORISE, s.NEW, desk, frozenset({Need.CATEGORY, Need.REASON}), renews=True, by_desk=True
            )
        )
    for state in State:
        if not state.final:
            rows.append(Transition(state, a.MERGE, s.MERGED, nobody))
            rows.append(Transition(state, a.URGE, state, desk | nobody))
        rows.append(Transition(state, a.NOTE, state, desk | handler | verifier | nobody, reason))
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
class Category:
    code: str
    name: str
    name_en: str
    grade: int
    field: str
    source: str
    words: tuple[str, ...] = ()
    """What people call it."""


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
    desk_code: str
    """The division whose desk answers for the dispatch."""
    unit_id: str | None
    lon: float | None
    lat: float | None
    address: str
    opened_at: datetime
    entered_at: datetime
    due_at: datetime | None
    close_by: datetime | None
    """The end of the time for the whole case."""
    accept_by: datetime | None = None
    handle_by: datetime | None = None
    verify_by: datetime | None = None
    dispatched_at: datetime | None = None
    """For the first time."""
    handled_at: datetime | None = None
    verified_at: datetime | None = None
    closed_at: datetime | None = None
    urged: int = 0
    """How often, by persons and by the platform."""
    assignee_id: str | None = None
    assignee_name: str | None = None
    handled_by: str | None = None
    """Who finished the handling last: somebody else verifies."""
    left_seconds: float | None = None
    """While suspended: what was left of the time for handling, in working seconds where that runs in working time."""
    returns: int = 0
    reopened: int = 0
    binding: bool = False
    """The upper tier has settled who handles it: it cannot be returned."""
    closed_at_intake: bool = False
    merged_into: str | None = None
    repeat_of: str | None = None
    """A closed incident that this one seems to repeat."""
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
    role: TaskRole
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
    return_code: str | None = None
    return_reason: str | None = None
    withdrawn_at: datetime | None = None
    """The desk took it back, or the incident went elsewhere, before it was handled."""
    result: str | None = None
    reworked: int = 0

    @property
    def open(self) -> bool:
        return self.withdrawn_at is None and self.state in (State.DISPATCHED, State.ACCEPTED, State.SUSPENDED)

    def overdue(self, now: datetime) -> bool:
        due = {State.DISPATCHED: self.accept_by, State.ACCEPTED: self.handle_by}.get(self.state)
        return self.open and due is not None and due < now


@dataclass(frozen=True)
class TimelineEntry:
    """One entry of the event log; from all of them each state and each indicator can be computed again."""

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
class Photo:
    id: str
    digest: str
    media_type: str
    size: int
    incident_id: str | None
    """None until the photo is used."""
    uploaded_by: str
    at: datetime


def check_needs(row: Transition, given: Mapping[Need, Any]) -> None:
    """Raises Invalid, naming the field, where something that the action needs is missing."""
    fields = {Need.UNIT: "unit_id", Need.DIVISION: "division_code", Need.EVIDENCE: "result"}
    for need in sorted(row.needs):
        if not given.get(need):
            name = fields.get(need, need.value)
            raise Invalid("incident_action_needs", field=name, action=row.action.zh, action_en=row.action.en)


def allowed_by_place(row: Transition, division_code: str, desk_chain: Collection[str]) -> bool:
    """Whether a person of the division may take the row; `desk_chain` leads from the incident's desk up to the city."""
    above = list(desk_chain)
    if row.upper:
        return division_code in (above[1:] or above)
    return not row.by_desk or division_code in above


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
class Standing:
    """The open incidents at this moment and today's movement."""

    open: int
    overdue: int
    today_opened: int
    today_closed: int
