"""What happens when a step of an incident takes too long. Pure rules, and the one change they make."""

from dataclasses import dataclass
from datetime import datetime

from chengnao.incident.model import TRANSITIONS, Action, Incident
from chengnao.incident.moves import Move
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import by_platform
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.model import ancestors

LEVELS = (1, 2)
"""1: the unit that holds the incident is urged. 2: the tier above is told, half the time limit later."""


def escalates_at(incident: Incident, level: int) -> datetime | None:
    """When the present stay in a state reaches the level; None where it has no deadline."""
    if incident.due_at is None:
        return None
    return incident.due_at + (incident.due_at - incident.entered_at) * ((level - 1) / 2)


def upper_division(division_code: str) -> str:
    """The division one tier up; the city has none above and answers for itself."""
    chain = ancestors(division_code)
    return chain[1] if len(chain) > 1 else chain[0]


@dataclass(frozen=True)
class Verdict:
    """What a look at the incident says about one level of escalation."""

    over: bool = False
    """The stay has ended: nothing more to do."""
    wait_until: datetime | None = None
    """Look again then."""


async def escalate(uow: UnitOfWork, incident_id: str, entry: int, level: int) -> Verdict:
    """Urge, where the incident is still in that stay, is late and was not urged at that level before."""
    incident = await IncidentRepository(uow.session).get(Scope(), incident_id, lock=True)
    if incident is None or incident.entry != entry or (incident.state, Action.URGE) not in TRANSITIONS:
        return Verdict(over=True)
    due = escalates_at(incident, level)
    if due is None:
        return Verdict(over=True)
    if uow.clock.now() < due:
        return Verdict(wait_until=due)
    if incident.escalation < level:
        holder = incident.division_code
        if level == 1:
            reason, told = f"{incident.state.zh}超过时限，系统自动催办", holder
        else:
            told = upper_division(holder)
            reason = f"{incident.state.zh}催办后仍未办理，提请上级督办"
        move = Move(Action.URGE, incident.version, reason=reason, escalation=level)
        await by_platform(uow, incident, move, {"told_division": told})
    return Verdict()
