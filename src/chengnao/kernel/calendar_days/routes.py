"""The working calendar over HTTP."""

from dataclasses import asdict
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Principal
from chengnao.kernel.calendar import WorkingCalendar, national_days, working_hours
from chengnao.kernel.calendar_days import service
from chengnao.kernel.calendar_days.model import CalendarDay
from chengnao.kernel.calendar_days.repository import CalendarDayRepository
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.organisation.service import today
from chengnao.kernel.web import UowDep, check, require

router = APIRouter(tags=["calendar"])


class DayBody(BaseModel):
    day: date
    working: bool
    note: Annotated[str, Field(max_length=200)] = ""


class DayOut(DayBody):
    """A day that the country has named a holiday or a make-up day, or that the city has settled itself (`own`)."""

    own: bool


class CalendarOut(BaseModel):
    """`known_until`: the last day of the last year whose holidays are known; after it weekends alone decide."""

    year: int
    hours: list[str]
    known_until: date
    days: list[DayOut]


@router.get("/calendar")
async def get_calendar(
    principal: Annotated[Principal, Depends(require("calendar.read"))],
    uow: UowDep,
    year: Annotated[int | None, Query(ge=2004, le=2100)] = None,
) -> CalendarOut:
    """The holidays, make-up days and own days of a year, by default this one, and the hours of work."""
    year = year or today(uow).year
    own = await CalendarDayRepository(uow.session).days()
    days = {
        day: DayOut(day=day, working=working, note=name, own=False)
        for day, (working, name) in national_days(year).items()
    }
    days |= {each.day: DayOut(**asdict(each), own=True) for each in own if each.day.year == year}
    calendar = WorkingCalendar({each.day: each.working for each in own})
    return CalendarOut(
        year=year,
        hours=[f"{opens:%H:%M}-{closes:%H:%M}" for opens, closes in working_hours()],
        known_until=calendar.known_until(),
        days=[days[day] for day in sorted(days)],
    )


CalendarWriter = Annotated[Principal, Depends(require("calendar.write"))]


@router.put("/calendar/days")
async def put_day(body: DayBody, request: Request, principal: CalendarWriter, uow: UowDep) -> DayBody:
    """Settle whether work is done in the city on a day; deadlines that begin from then on follow it."""
    await check(request, principal, "calendar.write", CITY, None)
    await service.put_day(uow, CalendarDay(body.day, body.working, body.note))
    await access.record_act(uow, principal, "calendar.write", day=body.day.isoformat(), working=body.working)
    await uow.commit()
    return body


@router.delete("/calendar/days/{day}", status_code=204)
async def remove_day(day: date, request: Request, principal: CalendarWriter, uow: UowDep) -> Response:
    """Leave the day to the country's calendar again."""
    await check(request, principal, "calendar.write", CITY, None)
    await service.remove_day(uow, day)
    await access.record_act(uow, principal, "calendar.write", day=day.isoformat(), working=None)
    await uow.commit()
    return Response(status_code=204)
