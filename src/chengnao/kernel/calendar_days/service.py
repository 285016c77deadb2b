"""The calendar in force, and the changes to it. None of it commits."""

import time
from datetime import date
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import event

from chengnao.kernel.calendar import WorkingCalendar
from chengnao.kernel.calendar_days.model import CalendarDay
from chengnao.kernel.calendar_days.repository import CalendarDayRepository
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import NotFound

_FRESH_SECONDS = 30.0
"""Other processes see a change within so long; nothing that is due is that near to a change of the calendar."""

_loaded: WeakKeyDictionary[Any, tuple[float, WorkingCalendar]] = WeakKeyDictionary()
"""The calendar of each database, and when it was read."""


async def load_calendar(uow: UnitOfWork) -> WorkingCalendar:
    """The country's calendar with the city's own days; read from the database twice a minute at most."""
    known = _loaded.get(uow.session.bind)
    if known is not None and time.monotonic() - known[0] < _FRESH_SECONDS:
        return known[1]
    days = await CalendarDayRepository(uow.session).days()
    calendar = WorkingCalendar({each.day: each.working for each in days})
    _loaded[uow.session.bind] = (time.monotonic(), calendar)
    return calendar


async def put_day(uow: UnitOfWork, day: CalendarDay) -> None:
    """Settle whether work is done on the day; time limits that begin from then on follow it."""
    await CalendarDayRepository(uow.session).put(day)
    _read_anew_after_commit(uow)


async def remove_day(uow: UnitOfWork, day: date) -> None:
    """Let the country's calendar decide the day again; raises NotFound where the city has not settled it."""
    if not await CalendarDayRepository(uow.session).remove(day):
        raise NotFound("not_found", kind="自定日 day of the city", id=day.isoformat())
    _read_anew_after_commit(uow)


def _read_anew_after_commit(uow: UnitOfWork) -> None:
    bind = uow.session.bind

    def forget(session: Any) -> None:
        _loaded.pop(bind, None)

    event.listen(uow.session.sync_session, "after_commit", forget, once=True)
