"""The tasks of units: brought along by what happens to the incident, or moved by a unit that assists."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from chengnao.incident.events import TaskChanged
from chengnao.incident.model import Action, Incident, State, Task, TaskRole
from chengnao.incident.moves import Move
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.repository import OrganisationRepository

_LETS_GO = frozenset(
    {Action.RETURN, Action.RECATEGORISE, Action.HAND_UP, Action.HAND_DOWN, Action.DISMISS, Action.MERGE, Action.REOPEN}
)
"""After these no unit has work with the incident any more."""


async def move_tasks(
    uow: UnitOfWork, incident: Incident, action: Action, move: Move, actor: Principal, now: datetime
) -> Task | None:
    """Bring the tasks along with the incident, as it is after the action; gives back that of the unit in the lead."""
    repository = IncidentRepository(uow.session)
    tasks = await repository.tasks_of(incident.id)
    if action in (Action.DISPATCH, Action.SETTLE):
        return await _hand_out(uow, incident, len(tasks), move, now)
    leads = [task for task in tasks if task.role is TaskRole.LEAD]
    lead: Task | None = None
    if leads and (changes := _changes(leads[-1], incident, action, move, actor, now)) is not None:
        lead = replace(leads[-1], **changes)
        await repository.save_task(lead)
        tell_task(uow, incident, lead)
    if action in _LETS_GO:
        for task in tasks:
            if task.open and (lead is None or task.id != lead.id):
                gone = replace(task, withdrawn_at=now)
                await repository.save_task(gone)
                tell_task(uow, incident, gone)
    return lead


async def _hand_out(uow: UnitOfWork, incident: Incident, known: int, move: Move, now: datetime) -> Task:
    assert move.unit_id is not None
    assert incident.accept_by is not None
    made = [
        Task(
            id=new_id(),
            incident_id=incident.id,
            seq=known + number,
            role=TaskRole.LEAD if number == 1 else TaskRole.ASSIST,
            state=State.DISPATCHED,
            unit_id=unit_id,
            division_code=incident.division_code,
            dispatched_at=now,
            accept_by=incident.accept_by,
        )
        for number, unit_id in enumerate((move.unit_id, *move.assist_unit_ids), start=1)
    ]
    for task in made:
        await IncidentRepository(uow.session).add_task(task)
        tell_task(uow, incident, task)
    return made[0]


def _changes(
    task: Task, incident: Incident, action: Action, move: Move, actor: Principal, now: datetime
) -> Mapping[str, Any] | None:
    """What becomes of the task in the lead; None where the action does not concern it."""
    match action:
        case Action.ACCEPT:
            return accepted(actor, now, incident.handle_by) | {"state": State.ACCEPTED}
        case Action.HANDLE:
            return {"state": State.HANDLED, "handled_at": now, "result": move.result.strip()}
        case Action.RETURN:
            return {
                "state": State.RETURNED,
                "returned_at": now,
                "return_code": move.reason_code,
                "return_reason": move.reason.strip(),
            }
        case Action.REWORK:
            again = {"handled_at": None, "handle_by": incident.handle_by, "reworked": task.reworked + 1}
            return again | {"state": State.ACCEPTED}
        case Action.EXTEND | Action.RESUME:
            return {"state": State.ACCEPTED, "handle_by": incident.handle_by}
        case Action.SUSPEND:
            return {"state": State.SUSPENDED}
        case _:
            return None


def accepted(actor: Principal, now: datetime, handle_by: datetime | None) -> dict[str, Any]:
    """What acceptance writes into a task."""
    return {"accepted_at": now, "handle_by": handle_by, "assignee_id": actor.id, "assignee_name": actor.name}


async def check_assists(uow: UnitOfWork, incident: Incident) -> None:
    """Raises Conflict, naming the units, where units that assist have not finished."""
    tasks = await IncidentRepository(uow.session).tasks_of(incident.id)
    waiting = [task.unit_id for task in tasks if task.role is TaskRole.ASSIST and task.open]
    if waiting:
        names = await OrganisationRepository(uow.session).unit_names()
        raise Conflict("incident_assist_unfinished", units="、".join(names.get(unit, unit) for unit in waiting))


def tell_task(uow: UnitOfWork, incident: Incident, task: Task) -> None:
    """Publish what became of a task."""
    uow.publish(
        TaskChanged(
            subject=task.id,
            division_code=task.division_code,
            unit_id=task.unit_id,
            incident_id=incident.id,
            number=incident.number,
            title=incident.title,
            seq=task.seq,
            role=str(task.role),
            state="withdrawn" if task.withdrawn_at else str(task.state),
            grade=incident.grade,
        )
    )
