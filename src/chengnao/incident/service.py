"""Use cases of incidents: open, move, tell. None of them commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chengnao.incident.catalogue import category, limits
from chengnao.incident.events import IncidentChanged, IncidentOpened, TaskChanged
from chengnao.incident.intake_repository import IntakeRepository
from chengnao.incident.model import (
    OPEN,
    SYSTEM,
    TRANSITIONS,
    Action,
    Actor,
    Incident,
    Source,
    State,
    Task,
    TimelineEntry,
    Transition,
    check_needs,
    transition,
)
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM as PLATFORM
from chengnao.kernel.access.model import Principal, Resource, Scope
from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.organisation.service import require_unit
from chengnao.kernel.places import Place


@dataclass(frozen=True)
class Opening:
    """What is known of an incident when it is opened."""

    source: Source
    title: str
    category: str
    division_code: str
    description: str = ""
    grade: int | None = None
    place: Place | None = None
    address: str = ""
    source_key: str | None = None
    """Names what it was opened for: nothing opens two incidents."""


@dataclass(frozen=True)
class Move:
    """An action and all that the actor gives with it."""

    action: Action
    version: int
    """The version that the actor has seen."""
    reason: str = ""
    unit_id: str | None = None
    result: str = ""
    photo_ids: Sequence[str] = ()
    place: Place | None = None
    escalation: int = 0
    """Set where the platform itself urges."""


async def open_incident(uow: UnitOfWork, actor: Principal, opening: Opening) -> Incident:
    """Open an incident and, where the table of responsibilities names a unit, dispatch it at once.

    Gives back the one that was opened before where there already is one for the same `source_key`.
    """
    repository = IncidentRepository(uow.session)
    if opening.source_key and (known := await repository.by_source(opening.source_key)):
        return known
    kind = category(opening.category)
    now = uow.clock.now()
    grade = opening.grade or kind.grade
    incident = Incident(
        id=new_id(),
        number=await numbered(uow, "CQ"),
        title=opening.title,
        description=opening.description,
        category=kind.code,
        grade=grade,
        state=State.NEW,
        source=opening.source,
        division_code=opening.division_code,
        unit_id=None,
        lon=opening.place.lon if opening.place else None,
        lat=opening.place.lat if opening.place else None,
        address=opening.address,
        opened_at=now,
        entered_at=now,
        due_at=now + limits()[grade].dispatch,
    )
    if not await repository.add(incident, opening.source_key):
        raise Conflict("incident_opening_twice", source=opening.source_key)
    await repository.add_entry(
        TimelineEntry(
            incident.id,
            1,
            now,
            _actor(actor),
            OPEN,
            None,
            State.NEW,
            "",
            {"source": str(opening.source), "grade": grade, "due_at": _iso(incident.due_at)},
        )
    )
    uow.publish(_told(IncidentOpened, incident, source=str(opening.source)))
    unit_id = await IntakeRepository(uow.session).responsible_unit(incident.division_code, incident.category)
    if unit_id is None:
        return incident
    return await _apply(
        uow,
        PLATFORM,
        incident,
        TRANSITIONS[State.NEW, Action.DISPATCH],
        Move(Action.DISPATCH, 1, reason="按责任清单自动分拨", unit_id=unit_id),
    )


async def numbered(uow: UnitOfWork, series: str) -> str:
    """The next number of a series, such as CQ-20261125-000123; the day is Chongqing's."""
    day = uow.clock.now().astimezone(CST).date()
    return f"{series}-{day:%Y%m%d}-{await IncidentRepository(uow.session).next_number(series, day):06d}"


async def act(uow: UnitOfWork, authority: Authority, actor: Principal, incident_id: str, move: Move) -> Incident:
    """Do an action on an incident.

    Raises NotFound outside the actor's scope, Forbidden without the right, Conflict where the incident has moved on
    since `move.version` or does not allow the action now, Invalid where something needed is missing.
    """
    incident = await require_incident(uow, Scope.of(actor), incident_id, lock=True)
    row = TRANSITIONS.get((incident.state, move.action))
    if row is None or not permitted(authority, actor, incident, row):
        authority.require(actor, f"incident.{move.action}", Resource(incident.division_code, incident.unit_id))
        transition(incident.state, move.action)
        raise Forbidden("forbidden", action=f"incident.{move.action}")
    # Notes and urges since then do not matter; a change of state does.
    if not incident.entry <= move.version <= incident.version:
        raise Conflict(
            "incident_changed",
            seen=move.version,
            current=incident.version,
            state=incident.state.zh,
            state_en=incident.state.en,
        )
    check_needs(row, reason=move.reason, unit_id=move.unit_id, result=move.result)
    if move.unit_id is not None and move.action is Action.DISPATCH:
        unit = await require_unit(uow, move.unit_id)
        if not related(unit.division_code, incident.division_code):
            raise Invalid("incident_unit_elsewhere", field="unit_id", unit=unit.name)
    if move.photo_ids:
        await attach_photos(uow, actor, incident.id, move.photo_ids)
    return await _apply(uow, actor, incident, row, move)


def related(one: str, other: str) -> bool:
    """Whether one of the two divisions lies in the other."""
    return one in ancestors(other) or other in ancestors(one)


def permitted(authority: Authority, actor: Principal, incident: Incident, row: Transition) -> bool:
    """Whether both walls let the actor take this row: the state machine's roles and the policies."""
    roles = {SYSTEM} if actor.kind == "system" else set(actor.roles)
    if not roles & row.roles or (row.own_unit and actor.unit_id != incident.unit_id):
        return False
    return authority.allows(actor, f"incident.{row.action}", Resource(incident.division_code, incident.unit_id))


def possible(authority: Authority, actor: Principal, incident: Incident) -> list[Transition]:
    """The rows that the actor may take now, in the order of the actions."""
    rows = [TRANSITIONS.get((incident.state, action)) for action in Action]
    return [row for row in rows if row is not None and permitted(authority, actor, incident, row)]


async def tell(uow: UnitOfWork, incident: Incident, text: str, data: Mapping[str, Any]) -> Incident:
    """Add a note of the platform to an incident that is locked already."""
    row = TRANSITIONS[incident.state, Action.NOTE]
    return await _apply(uow, PLATFORM, incident, row, Move(Action.NOTE, incident.version, reason=text), data)


async def urge_by_platform(uow: UnitOfWork, incident: Incident, move: Move, data: Mapping[str, Any]) -> Incident:
    """Urge about an incident that is locked already, and raise its escalation to `move.escalation`."""
    return await _apply(uow, PLATFORM, incident, TRANSITIONS[incident.state, Action.URGE], move, data)


async def attach_photos(uow: UnitOfWork, actor: Principal, incident_id: str, photo_ids: Sequence[str]) -> None:
    """Give photos to an incident; they must be its own already or the actor's loose ones."""
    taken = await IntakeRepository(uow.session).take_photos(photo_ids, incident_id, actor.id)
    if unknown := set(photo_ids) - taken:
        raise Invalid("photo_unknown", field="photo_ids", ids="、".join(sorted(unknown)))


async def require_incident(uow: UnitOfWork, scope: Scope, incident_id: str, *, lock: bool = False) -> Incident:
    incident = await IncidentRepository(uow.session).get(scope, incident_id, lock=lock)
    if incident is None:
        raise NotFound("not_found", kind="事件 incident", id=incident_id)
    return incident


async def _apply(
    uow: UnitOfWork,
    actor: Principal,
    before: Incident,
    row: Transition,
    move: Move,
    data: Mapping[str, Any] | None = None,
) -> Incident:
    """Take the row: incident, task, timeline and events, in this unit of work."""
    repository = IncidentRepository(uow.session)
    now = uow.clock.now()
    after = _after(before, row, move, actor, now)
    await repository.save(after)
    task = await _move_task(uow, after, row, move, actor, now)
    entry_data = {
        key: value
        for key, value in {
            "unit_id": after.unit_id if row.action is not Action.NOTE else None,
            "task": task and task.seq,
            "due_at": _iso(after.due_at) if row.target is not row.source else None,
            "result": move.result or None,
            "photo_ids": list(move.photo_ids) or None,
            "place": [move.place.lon, move.place.lat] if move.place else None,
            "escalation": move.escalation or None,
            **(data or {}),
        }.items()
        if value is not None
    }
    await repository.add_entry(
        TimelineEntry(
            after.id,
            after.version,
            now,
            _actor(actor),
            str(row.action),
            before.state,
            after.state,
            move.reason.strip(),
            entry_data,
        )
    )
    uow.publish(
        _told(
            IncidentChanged,
            after,
            action=str(row.action),
            from_state=str(before.state),
            actor=actor.name,
            reason=move.reason.strip(),
        )
    )
    return after


def _after(before: Incident, row: Transition, move: Move, actor: Principal, now: datetime) -> Incident:
    version = before.version + 1
    if row.target is row.source:
        return replace(before, version=version, escalation=max(before.escalation, move.escalation))
    limit = limits()[before.grade].of(row.target)
    due_at = None if limit is None else now + limit
    after = replace(
        before, state=row.target, version=version, entry=version, entered_at=now, due_at=due_at, escalation=0
    )
    match row.action:
        case Action.DISPATCH:
            return replace(
                after, unit_id=move.unit_id, accept_by=due_at, handle_by=None, verify_by=None,
                assignee_id=None, assignee_name=None,
            )  # fmt: skip
        case Action.ACCEPT:
            return replace(after, handle_by=due_at, assignee_id=actor.id, assignee_name=actor.name)
        case Action.REWORK:
            return replace(after, handle_by=due_at, verify_by=None)
        case Action.HANDLE:
            return replace(after, verify_by=due_at)
        case Action.RETURN:
            return replace(after, unit_id=None, accept_by=None, handle_by=None, assignee_id=None, assignee_name=None)
        case Action.CLOSE | Action.DISMISS:
            return replace(after, closed_at=now)
        case _:
            return after


async def _move_task(
    uow: UnitOfWork, incident: Incident, row: Transition, move: Move, actor: Principal, now: datetime
) -> Task | None:
    """Bring the task of the last dispatch along, or make one; None where the action concerns no task."""
    repository = IncidentRepository(uow.session)
    if row.action is Action.DISPATCH:
        assert move.unit_id is not None
        assert incident.accept_by is not None
        task = Task(
            id=new_id(),
            incident_id=incident.id,
            seq=len(await repository.tasks_of(incident.id)) + 1,
            state=State.DISPATCHED,
            unit_id=move.unit_id,
            division_code=incident.division_code,
            dispatched_at=now,
            accept_by=incident.accept_by,
        )
        await repository.add_task(task)
    elif row.action in (Action.ACCEPT, Action.HANDLE, Action.RETURN, Action.REWORK):
        last = (await repository.tasks_of(incident.id))[-1]
        changes: dict[Action, dict[str, Any]] = {
            Action.ACCEPT: {
                "accepted_at": now,
                "handle_by": incident.handle_by,
                "assignee_id": actor.id,
                "assignee_name": actor.name,
            },
            Action.HANDLE: {"handled_at": now, "result": move.result.strip()},
            Action.RETURN: {"returned_at": now, "return_reason": move.reason.strip()},
            Action.REWORK: {"handled_at": None, "handle_by": incident.handle_by, "reworked": last.reworked + 1},
        }
        task = replace(last, state=row.target, **changes[row.action])
        await repository.save_task(task)
    else:
        return None
    uow.publish(
        TaskChanged(
            subject=task.id,
            division_code=task.division_code,
            unit_id=task.unit_id,
            incident_id=incident.id,
            number=incident.number,
            title=incident.title,
            seq=task.seq,
            state=str(task.state),
            grade=incident.grade,
        )
    )
    return task


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _actor(principal: Principal) -> Actor:
    return Actor(principal.kind, principal.id, principal.name)


def _told(kind: Any, incident: Incident, **more: str) -> Any:
    return kind(
        subject=incident.id,
        division_code=incident.division_code,
        unit_id=incident.unit_id,
        number=incident.number,
        title=incident.title,
        category=incident.category,
        grade=incident.grade,
        state=str(incident.state),
        entry=incident.entry,
        version=incident.version,
        due_at=_iso(incident.due_at),
        escalation=incident.escalation,
        lon=incident.lon,
        lat=incident.lat,
        **more,
    )
