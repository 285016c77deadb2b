"""What the platform learns from returns: a draft for whoever keeps the responsibilities. Does not commit."""

import logging

from chengnao.incident.case_repository import CaseRepository
from chengnao.incident.catalogue import category_name
from chengnao.incident.dispatch.model import return_reasons
from chengnao.incident.dispatch.repository import DispatchRepository
from chengnao.incident.model import Incident, TaskRole
from chengnao.incident.names import Names
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import related
from chengnao.kernel.access.model import SYSTEM, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.organisation.service import require_unit
from chengnao.review.proposals.changes import ResponsibilityChange
from chengnao.review.proposals.model import Origin, Proposal
from chengnao.review.proposals.patterns import WITHIN, Pattern, pattern_of
from chengnao.review.proposals.repository import ProposalRepository
from chengnao.review.proposals.responsibility import WRONG_UNIT, handled_instead, unit_by
from chengnao.review.proposals.service import make, replay

log = logging.getLogger(__name__)


async def learn_from_returns(uow: UnitOfWork, incident_id: str) -> list[Proposal]:
    """Draft, with its replay, what the returns of cases like this one speak for; nothing where that was done before."""
    incident = await IncidentRepository(uow.session).get(Scope(), incident_id)
    if incident is None:
        return []
    tasks = await IncidentRepository(uow.session).tasks_of(incident.id)
    units = {task.unit_id for task in tasks if task.role is TaskRole.LEAD and task.return_code in WRONG_UNIT}
    drafts = [await _learn(uow, incident, unit) for unit in sorted(units)]
    return [draft for draft in drafts if draft is not None]


async def _learn(uow: UnitOfWork, incident: Incident, unit_id: str) -> Proposal | None:
    """Look at the street first, then the district, then the city: the smallest division with a pattern counts."""
    since = uow.clock.now() - WITHIN
    for division in ancestors(incident.division_code):
        cases = CaseRepository(uow.session)
        found = await cases.returned_by(division, incident.category, unit_id, WRONG_UNIT, since)
        pattern = pattern_of(found, unit_id)
        if pattern is None:
            continue
        name = f"{division}:{incident.category}:{unit_id}:{pattern.handled_by}"
        last = await ProposalRepository(uow.session).last_of_pattern(name)
        if last is not None:
            if last[0].undecided:
                return None
            # What a person has decided stands until as many cases again have come back.
            again = await cases.returned_by(division, incident.category, unit_id, WRONG_UNIT, max(since, last[1]))
            pattern = pattern_of(again, unit_id)
            if pattern is None:
                return None
        try:
            change = await _change(uow, division, incident.category, unit_id, pattern.handled_by)
            return None if change is None else await _draft(uow, change, name, unit_id, pattern)
        except (Invalid, NotFound) as error:
            # Such as a division that is no more: the event must not come again and again.
            log.info("no draft from the returns of %s: %s", name, error)
            return None
    return None


async def _change(
    uow: UnitOfWork, division: str, category: str, unit_id: str, handled_by: str
) -> ResponsibilityChange | None:
    """The row that should name the other unit; None where the responsibilities are not what sent the cases there."""
    rows = await DispatchRepository(uow.session).responsible(division, category)
    named = [row for row in rows if unit_id in (row.unit_id, row.deputy_unit_id)]
    other = await require_unit(uow, handled_by)
    if not named or unit_by(rows, division, category, uow.clock.now()) == handled_by:
        return None
    if not related(other.division_code, division):
        return None
    row = named[0]
    if (row.division_code, row.category, row.unit_id) == (division, category, unit_id):
        return handled_instead(row, handled_by)
    return ResponsibilityChange(
        division_code=division, category=category, hours=row.hours, months=row.months, unit_id=handled_by
    )


async def _draft(
    uow: UnitOfWork, change: ResponsibilityChange, name: str, unit_id: str, pattern: Pattern
) -> Proposal | None:
    names = await Names.load(uow)
    reasons = "、".join(f"{return_reasons()[code].name} {count} 件" for code, count in sorted(pattern.reasons.items()))
    reason = (
        f"近 {WITHIN.days} 天，{names.division(change.division_code)}“{category_name(change.category)}”派给"
        f"{names.unit(unit_id)}后有 {pattern.cases} 件退回（{reasons}），其中 {pattern.handled} 件最终由"
        f"{names.unit(pattern.handled_by)}办理。建议改由{names.unit(pattern.handled_by)}负责。"
    )
    made = await make(uow, SYSTEM, change, reason, origin=Origin.RETURNS, pattern=name)
    return None if made is None else await replay(uow, SYSTEM, made.id)
