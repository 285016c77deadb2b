"""The calendar in force, and the changes to it. None of it commits."""

from datetime import date

from chengnao.kernel.calendar import WorkingCalendar
from chengnao.kernel.calendar_days.model import CalendarDay
from chengnao.kernel.calendar_days.repository import CalendarDayRepository
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import NotFound
from chengnao.kernel.fresh import Fresh


async def _read(uow: UnitOfWork) -> WorkingCalendar:
    days = await CalendarDayRepository(uow.session).days()
    return WorkingCalendar({each.day: each.working for each in days})


# Nothing that is due is as near to a change of the calendar as this may be behind.
_calendar = Fresh(_read)


async def load_calendar(uow: UnitOfWork) -> WorkingCalendar:
    """The country's calendar with the city's own days; read from the database twice a minute at most."""
    return await _calendar.get(uow)


async def put_day(uow: UnitOfWork, day: CalendarDay) -> None:
    """Settle whether work is done on the day; time limits that begin from then on follow it."""
    await CalendarDayRepository(uow.session).put(day)
    _calendar.forget_after_commit(uow)


async def remove_day(uow: UnitOfWork, day: date) -> None:
    """Let the country's calendar decide the day again; raises NotFound where the city has not settled it."""
    if not await CalendarDayRepository(uow.session).remove(day):
        raise NotFound("not_found", kind="自定日 day of the city", id=day.isoformat())
    _calendar.forget_after_commit(uow)
