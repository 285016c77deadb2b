"""All SQL over the city's own days, which belong to no division."""

from dataclasses import asdict
from datetime import date

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.calendar_days.model import CalendarDay
from chengnao.kernel.calendar_days.tables import CalendarDayRow
from chengnao.kernel.repository import Repository


class CalendarDayRepository(Repository):
    async def days(self) -> list[CalendarDay]:
        rows = await self.session.scalars(select(CalendarDayRow).order_by(CalendarDayRow.day))
        return [CalendarDay(row.day, row.working, row.note) for row in rows]

    async def put(self, day: CalendarDay) -> None:
        statement = insert(CalendarDayRow).values(**asdict(day))
        await self.session.execute(statement.on_conflict_do_update(index_elements=["day"], set_=asdict(day)))

    async def remove(self, day: date) -> bool:
        """Whether there was such a day."""
        gone = delete(CalendarDayRow).where(CalendarDayRow.day == day).returning(CalendarDayRow.day)
        return await self.session.scalar(gone) is not None
