"""Evaluation of a period, and the situation at this moment. Reads only."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from chengnao.incident.model import Tally
from chengnao.incident.tally_repository import TallyRepository
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.model import tier_of
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.vocabulary import Tier

By = Literal["unit", "tier", "division"]


@dataclass(frozen=True)
class Group:
    """One row of an evaluation; `key` is empty for incidents that no unit holds."""

    key: str
    name: str
    tally: Tally


async def evaluate_period(uow: UnitOfWork, scope: Scope, by: By, since: datetime, until: datetime) -> list[Group]:
    """The counts of each unit, tier or district in the period, in a stable order."""
    grouping: Literal["unit", "division"] = "division" if by == "division" else "unit"
    tallies = await TallyRepository(uow.session).of_period(scope, grouping, since, until, uow.clock.now())
    organisation = OrganisationRepository(uow.session)
    if by == "division":
        names = await organisation.division_names()
        return [Group(code, names.get(code, code), tally) for code, tally in sorted(tallies.items())]
    if by == "unit":
        units = await organisation.unit_names()
        return [Group(unit, units.get(unit, unit) or "未分拨", tally) for unit, tally in sorted(tallies.items())]
    divisions = await _unit_divisions(organisation)
    by_tier: defaultdict[str, Tally] = defaultdict(Tally)
    for unit, tally in tallies.items():
        by_tier[tier_of(divisions[unit]) if unit in divisions else ""] += tally
    return [Group(key, Tier(key).zh if key else "未分拨", by_tier[key]) for key in [*Tier, ""] if key in by_tier]


async def _unit_divisions(organisation: OrganisationRepository) -> dict[str, str]:
    found: dict[str, str] = {}
    page = 1
    while True:
        units = await organisation.units(PageRequest(page, 1000))
        found |= {unit.id: unit.division_code for unit in units.items}
        if len(found) >= units.total or not units.items:
            return found
        page += 1


def midnight(now: datetime) -> datetime:
    """When the present day began in Chongqing."""
    return now.astimezone(CST).replace(hour=0, minute=0, second=0, microsecond=0)
