"""The city's own days: who settles them, and that the calendar in force follows at once."""

from datetime import UTC, date, datetime

import httpx
import pytest
from fastapi import FastAPI, Request

from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.bus import Bus
from chengnao.kernel.calendar_days import routes
from chengnao.kernel.calendar_days.model import CalendarDay
from chengnao.kernel.calendar_days.service import load_calendar, put_day
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings
from chengnao.kernel.web import Context, _principal, install_error_handlers

pytestmark = pytest.mark.engines

CITY, YUZHONG = "500000", "500103"


def person(role: Role, division: str) -> Principal:
    return Principal(f"{role}-{division}", role.value, "user", frozenset({role}), division, None)


PEOPLE = {each.id: each for each in (person(role, place) for role in Role for place in (CITY, YUZHONG))}


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 25, 2, 0, tzinfo=UTC))


@pytest.fixture
def app(database: Database, settings: Settings, bus: Bus) -> FastAPI:
    app = FastAPI()
    app.state.context = Context(settings, database.clock, database, bus, Authority.load())
    install_error_handlers(app)
    app.include_router(routes.router, prefix="/api")

    async def as_named(request: Request) -> Principal:
        return PEOPLE[request.headers["x-person"]]

    app.dependency_overrides[_principal] = as_named
    return app


def client(app: FastAPI, role: Role, division: str = CITY) -> httpx.AsyncClient:
    headers = {"x-person": person(role, division).id}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api", headers=headers)


@pytest.mark.parametrize("role", sorted(Role))
async def test_only_the_citys_operator_and_duty_officer_settle_days(app: FastAPI, role: Role) -> None:
    body = {"day": "2026-12-25", "working": False, "note": "市里放假"}
    for division in (CITY, YUZHONG):
        may = role in (Role.OPERATOR, Role.DUTY_OFFICER) and division == CITY
        async with client(app, role, division) as asking:
            assert (await asking.put("/calendar/days", json=body)).status_code == (200 if may else 403)
            assert (await asking.delete("/calendar/days/2026-12-25")).status_code == (204 if may else 403)


async def test_a_settled_day_counts_at_once_and_is_shown(app: FastAPI, database: Database) -> None:
    async def works(day: date) -> bool:
        async with database.unit_of_work() as uow:
            return (await load_calendar(uow)).is_working_day(day)

    day = date(2026, 12, 25)
    async with client(app, Role.OPERATOR) as asking:
        assert await works(day)
        for working in (False, True, False):
            body = {"day": "2026-12-25", "working": working, "note": "渝府办〔2026〕1号"}
            assert (await asking.put("/calendar/days", json=body)).json() == body
            assert await works(day) is working
        shown = (await asking.get("/calendar")).json()
        assert (shown["year"], shown["hours"]) == (2026, ["09:00-12:00", "14:00-18:00"])
        days = {each["day"]: each for each in shown["days"]}
        assert days["2026-12-25"] == {**body, "own": True}
        assert days["2026-10-10"] == {"day": "2026-10-10", "working": True, "note": "国庆节", "own": False}
        assert "2026-12-25" not in {each["day"] for each in (await asking.get("/calendar?year=2025")).json()["days"]}
        assert (await asking.delete("/calendar/days/2026-12-25")).status_code == 204
        assert await works(day)
        again = await asking.delete("/calendar/days/2026-12-25")
        assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")


async def test_what_is_not_committed_does_not_count(app: FastAPI, database: Database) -> None:
    async with database.unit_of_work() as uow:
        assert (await load_calendar(uow)).is_working_day(date(2026, 12, 25))
        await put_day(uow, CalendarDay(date(2026, 12, 25), False, ""))
    async with database.unit_of_work() as uow:
        assert (await load_calendar(uow)).is_working_day(date(2026, 12, 25))


async def test_a_whole_new_year_can_be_entered(app: FastAPI) -> None:
    async with client(app, Role.DUTY_OFFICER) as asking:
        last = date.fromisoformat((await asking.get("/calendar")).json()["known_until"])
        for month in (1, 5, 10):
            body = {"day": f"{last.year + 1}-{month:02}-01", "working": False}
            assert (await asking.put("/calendar/days", json=body)).status_code == 200
        known = (await asking.get("/calendar")).json()["known_until"]
        assert date.fromisoformat(known).year == last.year + 1
