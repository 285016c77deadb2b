"""Use cases of the organisation; none of them commits."""

from datetime import date, datetime
from importlib.resources import files

from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.fresh import Fresh
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import Division, Duty, Unit, read_divisions
from chengnao.kernel.organisation.repository import OrganisationRepository


def today(uow: UnitOfWork) -> date:
    """The calendar day in Chongqing by the platform's clock."""
    return uow.clock.now().astimezone(CST).date()


async def _read_divisions(uow: UnitOfWork) -> list[Division]:
    return await OrganisationRepository(uow.session).every_division()


_divisions = Fresh(_read_divisions)


async def every_division(uow: UnitOfWork) -> list[Division]:
    """All divisions as they stand and as they stood; read from the database twice a minute at most."""
    return await _divisions.get(uow)


async def import_divisions(uow: UnitOfWork, lines: list[str], file: str) -> tuple[int, list[Invalid]]:
    """Take in a division file; returns how many divisions it gave and the errors of the lines left out."""
    read = list(read_divisions(lines, file))
    divisions = [each for each in read if isinstance(each, Division)]
    await OrganisationRepository(uow.session).put_divisions(divisions)
    _divisions.forget_after_commit(uow)
    return len(divisions), [each for each in read if isinstance(each, Invalid)]


async def seed_divisions(uow: UnitOfWork) -> None:
    """Take in Chongqing's divisions as the package carries them."""
    source = files("chengnao.kernel.organisation") / "data" / "divisions.csv"
    _, errors = await import_divisions(uow, source.read_text("utf-8").splitlines(), source.name)
    if errors:
        raise errors[0]


async def require_division(uow: UnitOfWork, code: str) -> Division:
    """The division, valid today; raises NotFound that names the code."""
    division = await OrganisationRepository(uow.session).division(code, today(uow))
    if division is None:
        raise NotFound("division_unknown", field="division_code", code=code)
    return division


async def require_unit(uow: UnitOfWork, unit_id: str) -> Unit:
    unit = await OrganisationRepository(uow.session).unit(unit_id)
    if unit is None:
        raise NotFound("unit_unknown", field="unit_id", id=unit_id)
    return unit


async def put_unit(uow: UnitOfWork, unit: Unit) -> Unit:
    """Register the unit or change it; its division must be valid today."""
    await require_division(uow, unit.division_code)
    if unit.parent_id is not None:
        await require_unit(uow, unit.parent_id)
    await OrganisationRepository(uow.session).put_unit(unit)
    return unit


async def add_duty(uow: UnitOfWork, unit_id: str, user_id: str, starts_at: datetime, ends_at: datetime) -> Duty:
    """Put a person on the unit's roster; the turn must end after it begins."""
    await require_unit(uow, unit_id)
    if ends_at <= starts_at:
        raise Invalid(
            "invalid_value",
            field="ends_at",
            value=ends_at.isoformat(),
            reason_zh="应晚于开始时间",
            reason_en="it must be after starts_at",
        )
    duty = Duty(new_id(), unit_id, user_id, starts_at, ends_at)
    await OrganisationRepository(uow.session).add_duty(duty)
    return duty
