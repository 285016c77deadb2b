"""Folds the event log of an incident into the facts that its columns should hold, and says where they differ."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chengnao.incident.measure_repository import MeasureRepository
from chengnao.incident.measures import History, Span
from chengnao.incident.model import OPEN, Action, Incident, State, Task, TaskRole, TimelineEntry
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork

AT_A_TIME = 500
SHOWN = 100
"""Differences that are told one by one; all are counted."""

_LETS_GO = frozenset(
    {Action.RETURN, Action.RECATEGORISE, Action.HAND_UP, Action.HAND_DOWN, Action.DISMISS, Action.MERGE, Action.REOPEN}
)
_RENEWS = frozenset({Action.EXTEND, Action.RECATEGORISE, Action.HAND_UP, Action.HAND_DOWN})


@dataclass(frozen=True)
class Facts:
    """What the evaluation reads of an incident."""

    state: State = State.NEW
    category: str = ""
    grade: int = 0
    division_code: str = ""
    desk_code: str = ""
    unit_id: str | None = None
    due_at: datetime | None = None
    close_by: datetime | None = None
    verify_by: datetime | None = None
    opened_at: datetime | None = None
    dispatched_at: datetime | None = None
    handled_at: datetime | None = None
    verified_at: datetime | None = None
    closed_at: datetime | None = None
    closed_at_intake: bool = False
    urged: int = 0
    returns: int = 0
    reopened: int = 0
    version: int = 0


@dataclass(frozen=True)
class Work:
    """What the evaluation reads of a task."""

    role: TaskRole
    unit_id: str
    dispatched_at: datetime
    accept_by: datetime | None
    state: State = State.DISPATCHED
    accepted_at: datetime | None = None
    handle_by: datetime | None = None
    handled_at: datetime | None = None
    returned_at: datetime | None = None
    return_code: str | None = None
    withdrawn_at: datetime | None = None
    reworked: int = 0

    @property
    def open(self) -> bool:
        return self.withdrawn_at is None and self.state in (State.DISPATCHED, State.ACCEPTED, State.SUSPENDED)


@dataclass(frozen=True)
class Difference:
    """A column that says something else than the log."""

    incident_id: str
    number: str
    field: str
    """Such as `closed_at`, or `task 2 handled_at`."""
    column: Any
    log: Any


@dataclass
class Checked:
    """What a comparison of columns and log came to."""

    incidents: int = 0
    entries: int = 0
    differing: int = 0
    """How many columns differ."""
    differences: list[Difference] = field(default_factory=list)


def replayed(entries: Sequence[TimelineEntry]) -> tuple[Facts, dict[int, Work]]:
    """The facts of an incident, and its tasks by number, as its timeline tells them."""
    facts, work = Facts(), dict[int, Work]()
    before_merge: tuple[Facts, dict[int, Work]] | None = None
    for entry in entries:
        if entry.action == Action.MERGE:
            before_merge = facts, dict(work)
        if entry.action == Action.UNMERGE and before_merge is not None:
            facts, work = replace(before_merge[0], urged=facts.urged), before_merge[1]
        work = _work_after(work, entry)
        facts = _facts_after(facts, entry)
    return facts, work


def _facts_after(facts: Facts, entry: TimelineEntry) -> Facts:
    data, action = entry.data, entry.action
    said = {name: data[name] for name in ("category", "grade", "division_code", "desk_code") if name in data}
    facts = replace(facts, **said, version=entry.seq)
    if "close_by" in data:
        facts = replace(facts, close_by=_moment(data, "close_by"))
    if entry.from_state is not entry.to_state or action in _RENEWS:
        facts = replace(facts, state=entry.to_state, due_at=_moment(data, "due_at"))
    if action == OPEN:
        return replace(facts, opened_at=entry.at)
    match action:
        case Action.DISPATCH | Action.SETTLE:
            first = facts.dispatched_at or entry.at
            return replace(facts, unit_id=data["unit_id"], dispatched_at=first, verify_by=None)
        case Action.HANDLE:
            return replace(facts, handled_at=entry.at, verify_by=facts.due_at)
        case Action.ACCEPT | Action.REWORK:
            return replace(facts, handled_at=None, verify_by=None)
        case Action.VERIFY:
            return replace(facts, verified_at=entry.at)
        case Action.RETURN | Action.RECATEGORISE | Action.HAND_UP | Action.HAND_DOWN:
            return replace(facts, unit_id=None, verify_by=None, returns=facts.returns + (action == Action.RETURN))
        case Action.CLOSE | Action.DISMISS | Action.ANSWER:
            return replace(facts, closed_at=entry.at, closed_at_intake=action == Action.ANSWER)
        case Action.REOPEN:
            cleared = replace(facts, unit_id=None, verify_by=None, handled_at=None, verified_at=None, closed_at=None)
            return replace(cleared, closed_at_intake=False, returns=0, reopened=facts.reopened + 1)
        case Action.URGE:
            return replace(facts, urged=facts.urged + 1)
        case _:
            return facts


def _work_after(work: dict[int, Work], entry: TimelineEntry) -> dict[int, Work]:
    data, action = entry.data, entry.action
    due = _moment(data, "due_at")
    if action in (Action.DISPATCH, Action.SETTLE):
        units = [data["unit_id"], *data.get("assist_unit_ids", ())]
        roles = [TaskRole.LEAD] + [TaskRole.ASSIST] * (len(units) - 1)
        made = zip(roles, units, strict=True)
        first = int(data.get("task", len(work) + 1))
        return work | {first + n: Work(role, unit, entry.at, due) for n, (role, unit) in enumerate(made)}
    number = data.get("task")
    step = data.get("assist") if action == Action.NOTE else action
    if number in work and step is not None:
        work = work | {number: replace(work[number], **_changes(work[number], step, entry, due))}
    if action in _LETS_GO:
        return {n: replace(one, withdrawn_at=entry.at) if one.open else one for n, one in work.items()}
    return work


def _changes(work: Work, step: str, entry: TimelineEntry, due: datetime | None) -> dict[str, Any]:
    match step:
        case "accept":
            return {"state": State.ACCEPTED, "accepted_at": entry.at, "handle_by": due}
        case "handle":
            return {"state": State.HANDLED, "handled_at": entry.at}
        case "rework":
            return {"state": State.ACCEPTED, "handled_at": None, "handle_by": due, "reworked": work.reworked + 1}
        case "extend" | "resume":
            return {"state": State.ACCEPTED, "handle_by": due}
        case "suspend":
            return {"state": State.SUSPENDED}
        case "return":
            code = entry.data.get("reason_code")
            return {"state": State.RETURNED, "returned_at": entry.at, "return_code": code}
        case "withdraw":
            return {"withdrawn_at": entry.at}
        case _:
            return {}


def _moment(data: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(data[name]) if data.get(name) else None


def differences(incident: Incident, tasks: Sequence[Task], entries: Sequence[TimelineEntry]) -> list[Difference]:
    """Where the columns of an incident and its tasks say something else than its timeline."""
    facts, work = replayed(entries)
    found = _differing(incident, facts, "")
    for task in tasks:
        if task.seq in work:
            found += _differing(task, work[task.seq], f"task {task.seq} ")
    known = {task.seq for task in tasks}
    if known != work.keys():
        found.append(("tasks", sorted(known), sorted(work)))
    return [Difference(incident.id, incident.number, *each) for each in found]


def _differing(row: Incident | Task, told: Facts | Work, prefix: str) -> list[tuple[str, Any, Any]]:
    pairs = [(name, getattr(row, name), getattr(told, name)) for name in told.__dataclass_fields__]
    return [(prefix + name, column, log) for name, column, log in pairs if column != log]


def _all_differences(histories: Sequence[History]) -> list[Difference]:
    return [found for each in histories for found in differences(each.incident, each.tasks, each.entries)]


async def check_log(uow: UnitOfWork, scope: Scope, span: Span) -> Checked:
    """Compare columns and log of every incident that was opened in the period."""
    checked = Checked()
    repository = MeasureRepository(uow.session)
    after = ""
    while histories := await repository.histories(scope, span, after, AT_A_TIME):
        found = await asyncio.to_thread(_all_differences, histories)  # others are served meanwhile
        checked.incidents += len(histories)
        checked.entries += sum(len(history.entries) for history in histories)
        checked.differing += len(found)
        checked.differences += found[: SHOWN - len(checked.differences)]
        after = histories[-1].incident.id
    return checked
