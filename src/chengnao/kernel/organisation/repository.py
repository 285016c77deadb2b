"""All SQL over divisions, units and rosters. Names of divisions and units are public within the platform."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.access.model import Scope
from chengnao.kernel.organisation.model import Division, Duty, Unit
from chengnao.kernel.organisation.tables import DivisionRow, DutyRow, UnitRow
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, batched, contains
from chengnao.kernel.vocabulary import Tier

_ROSTER = timedelta(days=7)


class OrganisationRepository(Repository):
    async def put_divisions(self, divisions: Iterable[Division]) -> None:
        """Insert the divisions, or bring those with the same code and start to the new state."""
        statement = insert(DivisionRow)
        keys = ("code", "valid_from")
        changed = {column.name: column for column in statement.excluded if column.name not in keys}
        rows = [
            asdict(each) | {"tier": str(each.tier), "successor_codes": [*each.successor_codes]} for each in divisions
        ]
        for batch in batched(rows, 500):
            await self.session.execute(statement.values(batch).on_conflict_do_update(index_elements=keys, set_=changed))

    async def divisions(
        self, day: date, request: PageRequest, *, parent: str | None = None, tier: str | None = None, words: str = ""
    ) -> Page[Division]:
        query = select(DivisionRow).where(*_valid_on(day)).order_by(DivisionRow.code)
        if parent:
            query = query.where(DivisionRow.parent_code == parent)
        if tier:
            query = query.where(DivisionRow.tier == tier)
        if words:
            query = query.where(contains(DivisionRow.name, words))
        page = await self.page(query, request)
        return page.map(_division)

    async def division(self, code: str, day: date) -> Division | None:
        row = await self.session.scalar(select(DivisionRow).where(DivisionRow.code == code, *_valid_on(day)))
        return None if row is None else _division(row)

    async def every_division(self) -> list[Division]:
        """All divisions as they stand and as they stood."""
        return [_division(row) for row in await self.session.scalars(select(DivisionRow))]

    async def division_names(self) -> dict[str, str]:
        """The latest name that each code has had, so that also an old record shows one."""
        rows = (
            await self.session.execute(select(DivisionRow.code, DivisionRow.name).order_by(DivisionRow.valid_from))
        ).all()
        return {row.code: row.name for row in rows}

    async def put_unit(self, unit: Unit) -> None:
        statement = insert(UnitRow).values(**asdict(unit))
        await self.session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=asdict(unit)))

    async def unit(self, unit_id: str) -> Unit | None:
        row = await self.session.get(UnitRow, unit_id)
        return None if row is None else _unit(row)

    async def units(self, request: PageRequest, *, division: str | None = None, words: str = "") -> Page[Unit]:
        query = select(UnitRow).order_by(UnitRow.division_code, UnitRow.id)
        if division:
            query = query.where(UnitRow.division_code.startswith(division, autoescape=True))
        if words:
            query = query.where(contains(UnitRow.name, words))
        page = await self.page(query, request)
        return page.map(_unit)

    async def unit_names(self) -> dict[str, str]:
        return {row.id: row.name for row in (await self.session.execute(select(UnitRow.id, UnitRow.name))).all()}

    async def by_ids(self, unit_ids: Sequence[str]) -> dict[str, Unit]:
        rows = await self.session.scalars(select(UnitRow).where(UnitRow.id.in_(unit_ids)))
        return {row.id: _unit(row) for row in rows}

    async def on_duty(self, unit_ids: Sequence[str], at: datetime) -> dict[str, list[str]]:
        """The users on duty, by unit; a unit that keeps no roster at present is missing.

        A unit keeps one where some turn of it lies within the week before or after.
        """
        near = (DutyRow.starts_at < at + _ROSTER, DutyRow.ends_at > at - _ROSTER)
        query = (
            select(DutyRow.unit_id, DutyRow.user_id, (DutyRow.starts_at <= at) & (DutyRow.ends_at > at))
            .where(DutyRow.unit_id.in_(unit_ids), *near)
            .order_by(DutyRow.starts_at, DutyRow.id)
        )
        found: dict[str, list[str]] = {}
        for unit_id, user_id, now in await self.session.execute(query):
            users = found.setdefault(unit_id, [])
            if now:
                users.append(user_id)
        return found

    async def add_duty(self, duty: Duty) -> None:
        self.session.add(DutyRow(**asdict(duty)))

    async def duties(self, scope: Scope, request: PageRequest, at: datetime | None, unit_id: str | None) -> Page[Duty]:
        query = select(DutyRow).join(UnitRow, UnitRow.id == DutyRow.unit_id).order_by(DutyRow.starts_at, DutyRow.id)
        query = query.where(scope.division_condition(UnitRow.division_code))
        if unit_id:
            query = query.where(DutyRow.unit_id == unit_id)
        if at:
            query = query.where(DutyRow.starts_at <= at, DutyRow.ends_at > at)
        page = await self.page(query, request)
        duties = [Duty(row.id, row.unit_id, row.user_id, row.starts_at, row.ends_at) for row in page.items]
        return Page(duties, page.total, page.page, page.size)


def _valid_on(day: date) -> tuple[ColumnElement[bool], ...]:
    return DivisionRow.valid_from <= day, or_(DivisionRow.valid_to.is_(None), DivisionRow.valid_to > day)


def _division(row: DivisionRow) -> Division:
    return Division(
        code=row.code,
        name=row.name,
        tier=Tier(row.tier),
        kind=row.kind,
        zone=row.zone,
        parent_code=row.parent_code,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        successor_codes=tuple(row.successor_codes),
        label_lon=row.label_lon,
        label_lat=row.label_lat,
    )


def _unit(row: UnitRow) -> Unit:
    return Unit(row.id, row.name, row.division_code, row.parent_id, row.phone, row.capacity)
