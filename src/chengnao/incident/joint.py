"""Units that assist: their own steps, which the incident does not follow but waits for. None of these commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from chengnao.incident.dispatch.model import require_return_reason
from chengnao.incident.model import Action, Incident, State, Task, TaskRole
from chengnao.incident.photos import attach_photos
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.rulebook import Rulebook
from chengnao.incident.service import require_incident, tell
from chengnao.incident.tasks import accepted, tell_task
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Resource, Role, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.organisation.model import ancestors


class AssistAction(StrEnum):
    ACCEPT = "accept"
    RETURN = "return"
    HANDLE = "handle"
    WITHDRAW = "withdraw"
    """By the desk: the unit is not needed any more."""


STEPS: Mapping[tuple[State, AssistAction], State] = {
    (State.DISPATCHED, AssistAction.ACCEPT): State.ACCEPTED,
    (State.DISPATCHED, AssistAction.RETURN): State.RETURNED,
    (State.ACCEPTED, AssistAction.RETURN): State.RETURNED,
    (State.ACCEPTED, AssistAction.HANDLE): State.HANDLED,
    (State.DISPATCHED, AssistAction.WITHDRAW): State.DISPATCHED,
    (State.ACCEPTED, AssistAction.WITHDRAW): State.ACCEPTED,
}


@dataclass(frozen=True)
class Step:
    """What a unit that assists does, with all that it gives."""

    action: AssistAction
    reason: str = ""
    reason_code: str | None = None
    result: str = ""
    photo_ids: Sequence[str] = ()


async def act_on_task(uow: UnitOfWork, authority: Authority, actor: Principal, task_id: str, step: Step) -> Task:
    """Take a step of a unit that assists.

    Raises NotFound outside the actor's scope, Forbidden without the right, Conflict where the task does not allow the
    step now, Invalid where something needed is missing.
    """
    repository = IncidentRepository(uow.session)
    found = await repository.task(Scope.of(actor), task_id)
    if found is None or found.role is not TaskRole.ASSIST:
        raise NotFound("not_found", kind="协办任务 assisting task", id=task_id)
    incident = await require_incident(uow, Scope.of(actor), found.incident_id, lock=True)
    task = next(each for each in await repository.tasks_of(incident.id) if each.id == task_id)
    if not may_step(authority, actor, incident, task, step.action):
        raise Forbidden("forbidden", action=f"task.{step.action}")
    target = STEPS.get((task.state, step.action))
    if target is None or not task.open or incident.state.final:
        raise Conflict("task_step_not_possible", step=step.action.value, state=task.state.zh, state_en=task.state.en)
    _check(step)
    if step.photo_ids:
        await attach_photos(uow, actor, incident.id, step.photo_ids)
    now = uow.clock.now()
    rulebook = await Rulebook.load(uow)
    handle_by = rulebook.due(incident.category, incident.grade, "handle", now)
    after = replace(task, state=target, **_changes(step, actor, now, handle_by))
    await repository.save_task(after)
    tell_task(uow, incident, after)
    await _note(uow, incident, actor, after, step)
    return after


def may_step(authority: Authority, actor: Principal, incident: Incident, task: Task, action: AssistAction) -> bool:
    """Whether the actor may take the step: the desk withdraws, all else is the unit's own."""
    if action is AssistAction.WITHDRAW:
        at_desk = Role.DISPATCHER in actor.roles or Role.DUTY_OFFICER in actor.roles
        resource = Resource(incident.division_code, incident.unit_id)
        return (
            at_desk
            and actor.division_code in ancestors(incident.desk_code)
            and authority.allows(actor, "incident.dispatch", resource)
        )
    own = Resource(task.division_code, task.unit_id)
    return actor.unit_id == task.unit_id and authority.allows(actor, f"incident.{action}", own)


def possible_steps(authority: Authority, actor: Principal, incident: Incident, task: Task) -> list[AssistAction]:
    """The steps of a task of a unit that assists which the actor may take now."""
    if not task.open or incident.state.final or task.role is not TaskRole.ASSIST:
        return []
    return [
        action
        for action in AssistAction
        if (task.state, action) in STEPS and may_step(authority, actor, incident, task, action)
    ]


def _check(step: Step) -> None:
    missing = None
    if step.action in (AssistAction.RETURN, AssistAction.WITHDRAW) and not step.reason.strip():
        missing = "reason"
    elif step.action is AssistAction.HANDLE and not step.result.strip():
        missing = "result"
    if missing:
        action = Action.DISPATCH if step.action is AssistAction.WITHDRAW else Action(step.action.value)
        raise Invalid("incident_action_needs", field=missing, action=action.zh, action_en=action.en)
    if step.action is AssistAction.RETURN:
        require_return_reason(step.reason_code or "")


def _changes(step: Step, actor: Principal, now: datetime, handle_by: datetime) -> dict[str, Any]:
    match step.action:
        case AssistAction.ACCEPT:
            return accepted(actor, now, handle_by)
        case AssistAction.RETURN:
            return {"returned_at": now, "return_code": step.reason_code, "return_reason": step.reason.strip()}
        case AssistAction.HANDLE:
            return {"handled_at": now, "result": step.result.strip()}
        case AssistAction.WITHDRAW:
            return {"withdrawn_at": now}


async def _note(uow: UnitOfWork, incident: Incident, actor: Principal, task: Task, step: Step) -> None:
    """Keep the step in the incident's timeline, as a note: the incident itself stays where it is."""
    reason = step.reason.strip() or step.result.strip() or "协办单位已签收"
    data = {
        "assist": step.action.value,
        "task": task.seq,
        "unit_id": task.unit_id,
        "reason_code": step.reason_code,
        "result": step.result.strip() or None,
        "photo_ids": list(step.photo_ids) or None,
        "due_at": task.handle_by.isoformat() if step.action is AssistAction.ACCEPT and task.handle_by else None,
    }
    await tell(uow, incident, reason, {key: value for key, value in data.items() if value is not None}, actor)
