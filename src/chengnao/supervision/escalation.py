"""What happens when something of an incident takes too long: the rules, and the one change they make each time."""

from dataclasses import dataclass, replace
from datetime import datetime

from chengnao.incident.model import TRANSITIONS, Action, Incident, State
from chengnao.incident.moves import Move
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.requests.model import RequestState, TimeRequest
from chengnao.incident.requests.repository import RequestRepository
from chengnao.incident.service import by_platform, require_incident, tell
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.organisation.repository import OrganisationRepository

LEVELS = (1, 2)
"""1: whoever must act is urged. 2: the tier above is told, half the time limit later."""


@dataclass(frozen=True)
class Verdict:
    """What a look at something with a deadline says about one level of escalation."""

    over: bool = False
    """It has ended: nothing more to do."""
    wait_until: datetime | None = None
    """Look again then."""


def reached_at(begun: datetime, due: datetime, level: int) -> datetime:
    """When something that began and is due at these moments reaches the level."""
    return due + (due - begun) * ((level - 1) / 2)


def upper_division(division_code: str) -> str:
    """The division one tier up; the city has none above and answers for itself."""
    chain = ancestors(division_code)
    return chain[1] if len(chain) > 1 else chain[0]


def awaited_division(incident: Incident) -> str:
    """The division that has to see to the present step."""
    match incident.state:
        case State.NEW | State.RETURNED:
            return incident.desk_code
        case State.DISPUTED:
            return upper_division(incident.desk_code)
        case _:
            return incident.division_code


async def escalate(uow: UnitOfWork, incident_id: str, entry: int, level: int) -> Verdict:
    """See to an incident that may be late.

    Where it is still in that stay and its time is over, it is urged, unless it was at that level before; one that was
    suspended goes on being handled.
    """
    incident = await IncidentRepository(uow.session).get(Scope(), incident_id, lock=True)
    if incident is None or incident.entry != entry or (incident.state, Action.URGE) not in TRANSITIONS:
        return Verdict(over=True)
    if incident.due_at is None:
        return Verdict(over=True)
    due = reached_at(incident.entered_at, incident.due_at, level)
    if uow.clock.now() < due:
        return Verdict(wait_until=due)
    if incident.state is State.SUSPENDED:
        await by_platform(uow, incident, Move(Action.RESUME, incident.version, reason="挂起期满，自动恢复办理"))
        return Verdict(over=True)
    if incident.escalation < level:
        told = awaited_division(incident)
        if level == 1:
            reason = f"{incident.state.zh}超过时限，系统自动催办"
        else:
            told = upper_division(told)
            reason = f"{incident.state.zh}催办后仍未办理，提请上级督办"
        move = Move(Action.URGE, incident.version, reason=reason, escalation=level)
        await by_platform(uow, incident, move, {"told_division": told})
    return Verdict()


async def escalate_request(uow: UnitOfWork, request_id: str, level: int) -> Verdict:
    """See to a request for more time that nobody may have decided.

    Where it is late, the deciding desk is reminded, and then the tier above decides. One whose incident has gone on
    lapses.
    """
    repository = RequestRepository(uow.session)
    request = await repository.get(Scope(), request_id)
    if request is None or request.state is not RequestState.OPEN:
        return Verdict(over=True)
    due = reached_at(request.asked_at, request.decide_by, level)
    if uow.clock.now() < due:
        return Verdict(wait_until=due)
    incident = await require_incident(uow, Scope(), request.incident_id, lock=True)
    if incident.state is not State.ACCEPTED:
        await repository.save(replace(request, state=RequestState.LAPSED, decided_at=uow.clock.now()))
        return Verdict(over=True)
    timeline = await IncidentRepository(uow.session).timeline_of(incident.id)
    if all((each.data.get("request"), each.data.get("request_escalation")) != (request.id, level) for each in timeline):
        await _remind(uow, incident, request, level)
    return Verdict()


async def _remind(uow: UnitOfWork, incident: Incident, request: TimeRequest, level: int) -> None:
    told = request.decider_code
    text = f"{request.kind.zh}申请逾期未审批，系统催办"
    if level > 1 and (upper := upper_division(told)) != told:
        name = (await OrganisationRepository(uow.session).division_names()).get(upper, upper)
        text = f"{request.kind.zh}申请催办后仍未审批，转由{name}审批"
        told = upper
        await RequestRepository(uow.session).save(replace(request, decider_code=told))
    await tell(uow, incident, text, {"request": request.id, "request_escalation": level, "told_division": told})
