"""Use cases of responsibilities: set, drop, and find the unit that gets an incident now. None of them commits."""

from collections.abc import Sequence
from datetime import datetime

from chengnao.incident.catalogue import category
from chengnao.incident.dispatch.model import ANY, Choice, Responsibility, Standing, check_bounds, choose, return_reasons
from chengnao.incident.dispatch.repository import DispatchRepository
from chengnao.incident.model import Task
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import NotFound
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.organisation.service import require_division, require_unit


async def put_responsibility(uow: UnitOfWork, responsibility: Responsibility) -> None:
    """Say which unit answers for a category in a division, from the next dispatch on."""
    if responsibility.category != ANY:
        category(responsibility.category)
    check_bounds(responsibility.hours, responsibility.months)
    await require_division(uow, responsibility.division_code)
    await require_unit(uow, responsibility.unit_id)
    if responsibility.deputy_unit_id is not None:
        await require_unit(uow, responsibility.deputy_unit_id)
    await DispatchRepository(uow.session).put(responsibility)


async def delete_responsibility(
    uow: UnitOfWork, division_code: str, category_code: str, hours: str, months: str
) -> None:
    """Drop a row; raises NotFound where there is none."""
    if not await DispatchRepository(uow.session).delete(division_code, category_code, hours, months):
        raise NotFound(
            "responsibility_not_found",
            division_code=division_code,
            category=category_code,
            hours=hours,
            months=months,
        )


async def suggest(uow: UnitOfWork, division_code: str, category_code: str, tasks: Sequence[Task] = ()) -> Choice | None:
    """The unit that the responsibilities choose at this moment, by hours, season, load and roster.

    `tasks`: those of the incident so far; units that gave it back are passed over where there is another.
    """
    rows = await DispatchRepository(uow.session).responsible(division_code, category_code)
    if not rows:
        return None
    now = uow.clock.now()
    units = {unit for row in rows for unit in (row.unit_id, row.deputy_unit_id) if unit is not None}
    standing = await standing_of(uow, sorted(units), now)
    names = await OrganisationRepository(uow.session).division_names()
    where = f"{names.get(rows[0].division_code, rows[0].division_code)}“{category(category_code).name}”"
    return choose(rows, standing, now, where, _returned(tasks))


def _returned(tasks: Sequence[Task]) -> dict[str, str]:
    names = return_reasons()
    return {
        task.unit_id: reason.name if (reason := names.get(task.return_code or "")) else task.return_reason or "退单"
        for task in tasks
        if task.returned_at is not None
    }


async def standing_of(uow: UnitOfWork, unit_ids: list[str], now: datetime) -> dict[str, Standing]:
    """What is known of each unit at this moment."""
    organisation = OrganisationRepository(uow.session)
    units = await organisation.by_ids(unit_ids)
    duty = await organisation.on_duty(unit_ids, now)
    names = await AccessRepository(uow.session).names_of({user for users in duty.values() for user in users})
    load = await IncidentRepository(uow.session).open_tasks_of(unit_ids)
    return {
        unit.id: Standing(
            unit.name,
            load.get(unit.id, 0),
            unit.capacity,
            keeps_roster=unit.id in duty,
            on_duty=[names[user] for user in duty.get(unit.id, ()) if user in names],
        )
        for unit in units.values()
    }
