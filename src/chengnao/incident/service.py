"""Use cases of incidents: open, move, tell. None of them commits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chengnao.incident.catalogue import category
from chengnao.incident.dispatch.model import require_return_reason
from chengnao.incident.dispatch.service import suggest
from chengnao.incident.events import IncidentChanged, IncidentOpened
from chengnao.incident.model import (
    OPEN,
    SYSTEM,
    TRANSITIONS,
    Action,
    Actor,
    Incident,
    Need,
    Source,
    State,
    TimelineEntry,
    Transition,
    allowed_by_place,
    check_needs,
    transition,
)
from chengnao.incident.moves import Move, after_move
from chengnao.incident.photos import attach_photos
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.rulebook import Rulebook
from chengnao.incident.tasks import check_assists, move_tasks
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM as PLATFORM
from chengnao.kernel.access.model import Principal, Resource, Role, Scope
from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.organisation.service import require_division, require_unit
from chengnao.kernel.places import Place

DISPUTE_AT = 2
"""A case that was returned so often goes to the upper tier, which settles who handles it."""


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
    repeat_of: str | None = None
    dispatch: bool = True
    """False where the desk keeps it, to answer it at once."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What else the first entry of the timeline keeps, such as why the category and the grade."""


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
    rulebook = await Rulebook.load(uow)
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
        desk_code=_desk(actor, opening.division_code),
        unit_id=None,
        lon=opening.place.lon if opening.place else None,
        lat=opening.place.lat if opening.place else None,
        address=opening.address,
        opened_at=now,
        entered_at=now,
        due_at=rulebook.due(kind.code, grade, "dispatch", now),
        close_by=rulebook.due(kind.code, grade, "whole", now),
        repeat_of=opening.repeat_of,
    )
    if not await repository.add(incident, opening.source_key):
        raise Conflict("incident_opening_twice", source=opening.source_key)
    data = {
        "source": str(opening.source),
        "category": kind.code,
        "grade": grade,
        "division_code": incident.division_code,
        "desk_code": incident.desk_code,
        "due_at": _iso(incident.due_at),
        "close_by": _iso(incident.close_by),
        **({"repeat_of": opening.repeat_of} if opening.repeat_of else {}),
        **opening.data,
    }
    await repository.add_entry(TimelineEntry(incident.id, 1, now, actor_of(actor), OPEN, None, State.NEW, "", data))
    uow.publish(told_opening(incident))
    return await dispatch_by_map(uow, incident) if opening.dispatch else incident


def _desk(actor: Principal, division_code: str) -> str:
    """The desk that answers: that of the person at a desk who opened it, else the district's."""
    if actor.roles & {Role.DISPATCHER, Role.DUTY_OFFICER}:
        return actor.division_code
    return division_code[:6]


async def dispatch_by_map(uow: UnitOfWork, incident: Incident) -> Incident:
    """Dispatch a new incident, locked already, to the unit that the responsibilities name; else it stays as it is."""
    choice = await suggest(uow, incident.division_code, incident.category)
    if choice is None:
        return incident
    move = Move(Action.DISPATCH, incident.version, reason="按责任清单自动分拨", unit_id=choice.unit_id)
    return await apply(
        uow, PLATFORM, incident, TRANSITIONS[State.NEW, Action.DISPATCH], move, {"routing": choice.reasons}
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
        raise _refusal(actor, incident, move.action, row)
    check_version(incident, move.version)
    check_needs(
        row,
        {
            Need.REASON: move.reason.strip(),
            Need.REASON_CODE: move.reason_code,
            Need.UNIT: move.unit_id,
            Need.RESULT: move.result.strip(),
            Need.CATEGORY: move.category,
            Need.DIVISION: move.division_code,
            Need.EVIDENCE: move.result.strip() or move.photo_ids,
        },
    )
    await _check_move(uow, incident, move)
    if move.photo_ids:
        await attach_photos(uow, actor, incident.id, move.photo_ids)
    after = await apply(uow, actor, incident, row, move)
    match move.action:
        case Action.RETURN if after.returns >= DISPUTE_AT:
            reason = f"已退单 {after.returns} 次，提请上级裁定"
            dispute = Move(Action.DISPUTE, after.version, reason=reason)
            return await apply(uow, PLATFORM, after, TRANSITIONS[State.RETURNED, Action.DISPUTE], dispute)
        case Action.RECATEGORISE:
            return await dispatch_by_map(uow, after)
        case _:
            return after


def check_version(incident: Incident, version: int) -> None:
    """Raises Conflict where the incident has changed its state since the version; notes and urges do not matter."""
    if not incident.entry <= version <= incident.version:
        raise Conflict(
            "incident_changed",
            seen=version,
            current=incident.version,
            state=incident.state.zh,
            state_en=incident.state.en,
        )


def _refusal(actor: Principal, incident: Incident, action: Action, row: Transition | None) -> Exception:
    if row is not None and row.roles == {SYSTEM}:
        return Conflict("incident_action_not_alone", action=action.zh, action_en=action.en)
    if action in (Action.VERIFY, Action.REWORK) and actor.id in (incident.handled_by, incident.assignee_id):
        return Conflict("incident_verify_own")
    return Forbidden("forbidden", action=f"incident.{action}")


async def _check_move(uow: UnitOfWork, incident: Incident, move: Move) -> None:
    """Raises where what is given with an action does not fit the incident."""
    match move.action:
        case Action.DISPATCH | Action.SETTLE:
            await _check_units(uow, incident, move)
        case Action.RETURN:
            if incident.binding:
                raise Conflict("incident_binding")
            require_return_reason(move.reason_code or "")
        case Action.RECATEGORISE:
            if category(move.category or "").code == incident.category:
                raise Invalid("incident_category_same", field="category", value=move.category)
        case Action.HAND_UP:
            if len(ancestors(incident.desk_code)) == 1:
                raise Conflict("incident_at_the_top")
        case Action.HAND_DOWN:
            division = await require_division(uow, move.division_code or "")
            below = incident.desk_code in ancestors(division.code)[1:]
            if not below or not related(division.code, incident.division_code):
                raise Invalid("incident_division_elsewhere", field="division_code", division=division.name)
        case Action.HANDLE:
            await check_assists(uow, incident)


async def _check_units(uow: UnitOfWork, incident: Incident, move: Move) -> None:
    units = [move.unit_id or "", *move.assist_unit_ids]
    for unit_id in units:
        unit = await require_unit(uow, unit_id)
        if not related(unit.division_code, incident.division_code):
            raise Invalid("incident_unit_elsewhere", field="unit_id", unit=unit.name)
    if len(set(units)) < len(units):
        raise Invalid("incident_assist_twice", field="assist_unit_ids")


def related(one: str, other: str) -> bool:
    """Whether one of the two divisions lies in the other."""
    return one in ancestors(other) or other in ancestors(one)


def permitted(authority: Authority, actor: Principal, incident: Incident, row: Transition) -> bool:
    """Whether both walls let the actor take this row: the state machine's roles and places, and the policies."""
    roles = {SYSTEM} if actor.kind == "system" else set(actor.roles)
    if not roles & row.roles or (row.own_unit and SYSTEM not in roles and actor.unit_id != incident.unit_id):
        return False
    if SYSTEM not in roles and not allowed_by_place(row, actor.division_code, ancestors(incident.desk_code)):
        return False
    if row.another and actor.id in (incident.handled_by, incident.assignee_id):
        return False
    return authority.allows(actor, f"incident.{row.action}", Resource(incident.division_code, incident.unit_id))


def possible(authority: Authority, actor: Principal, incident: Incident) -> list[Transition]:
    """The rows that the actor may take now, in the order of the actions."""
    rows = [TRANSITIONS.get((incident.state, action)) for action in Action]
    found = [row for row in rows if row is not None and permitted(authority, actor, incident, row)]
    if incident.binding:
        found = [row for row in found if row.action is not Action.RETURN]
    if len(ancestors(incident.desk_code)) == 1:
        found = [row for row in found if row.action is not Action.HAND_UP]
    return found


async def by_platform(
    uow: UnitOfWork, incident: Incident, move: Move, data: Mapping[str, Any] | None = None
) -> Incident:
    """Do an action of the platform itself on an incident that is locked already; raises Conflict where it cannot be."""
    return await apply(uow, PLATFORM, incident, transition(incident.state, move.action), move, data)


async def tell(
    uow: UnitOfWork, incident: Incident, text: str, data: Mapping[str, Any], actor: Principal = PLATFORM
) -> Incident:
    """Add a note, of the platform where nobody else is named, to an incident that is locked already."""
    move = Move(Action.NOTE, incident.version, reason=text)
    return await apply(uow, actor, incident, TRANSITIONS[incident.state, Action.NOTE], move, data)


async def require_incident(uow: UnitOfWork, scope: Scope, incident_id: str, *, lock: bool = False) -> Incident:
    incident = await IncidentRepository(uow.session).get(scope, incident_id, lock=lock)
    if incident is None:
        raise NotFound("not_found", kind="事件 incident", id=incident_id)
    return incident


async def apply(
    uow: UnitOfWork,
    actor: Principal,
    before: Incident,
    row: Transition,
    move: Move,
    data: Mapping[str, Any] | None = None,
) -> Incident:
    """Take the row without asking whether the actor may: incident, tasks, reports, timeline and events at once.

    The incident must be locked in this unit of work. For the modules that know a right of their own to it.
    """
    now = uow.clock.now()
    after = after_move(await Rulebook.load(uow), before, row, move, actor, now)
    return await record(uow, actor, before, after, row.action, move, data, at=now)


async def record(
    uow: UnitOfWork,
    actor: Principal,
    before: Incident,
    after: Incident,
    action: Action,
    move: Move,
    data: Mapping[str, Any] | None = None,
    *,
    at: datetime | None = None,
) -> Incident:
    """Keep the incident as it is after an action, and all that follows from it; gives it back.

    `at` is the moment that the incident's own times say; the log says the same.
    """
    repository = IncidentRepository(uow.session)
    now = at or uow.clock.now()
    await repository.save(after)
    task = await move_tasks(uow, after, action, move, actor, now)
    if action is Action.REOPEN:
        await repository.withdraw_answers(after.id)
    if after.state in (State.CLOSED, State.DISMISSED) and not before.state.final:
        await repository.answer_reports(after.id, await _answer(uow, after, move), now)
    moved = after.entry != before.entry
    kept = {
        "unit_id": after.unit_id if action is not Action.NOTE else None,
        "assist_unit_ids": list(move.assist_unit_ids) or None,
        "task": task and task.seq,
        "due_at": _iso(after.due_at) if moved else None,
        "close_by": _iso(after.close_by) if after.close_by != before.close_by else None,
        "category": after.category if after.category != before.category else None,
        "grade": after.grade if after.grade != before.grade else None,
        "desk_code": after.desk_code if after.desk_code != before.desk_code else None,
        "division_code": after.division_code if after.division_code != before.division_code else None,
        "reason_code": move.reason_code,
        "result": move.result.strip() or None,
        "photo_ids": list(move.photo_ids) or None,
        "place": [move.place.lon, move.place.lat] if move.place else None,
        "escalation": move.escalation or None,
        **(data or {}),
    }
    await repository.add_entry(
        TimelineEntry(
            after.id,
            after.version,
            now,
            actor_of(actor),
            str(action),
            before.state,
            after.state,
            move.reason.strip(),
            {key: value for key, value in kept.items() if value is not None},
        )
    )
    said = {"action": str(action), "from_state": str(before.state), "actor": actor.name, "reason": move.reason.strip()}
    uow.publish(_told(IncidentChanged, after, **said))
    return after


async def _answer(uow: UnitOfWork, incident: Incident, move: Move) -> str:
    """What the reporters are told: the words of whoever ended it, else the result of the unit."""
    said = move.result.strip() or move.reason.strip()
    if said:
        return said
    results = [task.result for task in await IncidentRepository(uow.session).tasks_of(incident.id) if task.result]
    return results[-1] if results else incident.state.zh


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def actor_of(principal: Principal) -> Actor:
    """Who acted, as the timeline keeps it."""
    return Actor(principal.kind, principal.id, principal.name)


def told_opening(incident: Incident) -> IncidentOpened:
    """The event that tells of an incident that was opened."""
    told: IncidentOpened = _told(IncidentOpened, incident, source=str(incident.source))
    return told


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
