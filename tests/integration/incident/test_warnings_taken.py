"""What incidents make of warnings: one, a shared one, or none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chengnao.incident.intake import take_warning
from chengnao.incident.model import Incident, State
from chengnao.incident.repository import IncidentFilter, IncidentRepository
from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.ids import new_id
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.vocabulary import Level
from chengnao.warning.events import WarningChanged, WarningCleared, WarningOpened
from chengnao.warning.model import DeviceWarning, Direction, WarningState
from chengnao.warning.repository import WarningRepository
from tests.support.loop import START, WANZHOU, WATER, YUZHONG, make_city

pytestmark = pytest.mark.engines


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


async def warning(database: Database, level: Level, division: str = YUZHONG, **changes: object) -> DeviceWarning:
    made = DeviceWarning(
        id=new_id(),
        rule_id=new_id(),
        device_id="g1",
        device_name="压力站",
        title="压力低",
        metric="pressure",
        unit="m",
        direction=Direction.BELOW,
        category="water_pressure",
        level=level,
        peak_level=level,
        opens_incident_at=Level.YELLOW,
        state=WarningState.OPEN,
        value=1.0,
        threshold=2.0,
        opened_at=START,
        updated_at=START,
        cleared_at=None,
        division_code=division,
        unit_id=WATER,
        lon=106.5,
        lat=29.5,
    )
    made = replace(made, **changes)  # type: ignore[arg-type]
    async with database.unit_of_work() as uow:
        await WarningRepository(uow.session).put_warnings([made])
        await uow.commit()
    return made


def facts(of: DeviceWarning) -> dict[str, object]:
    return {
        "subject": of.id,
        "division_code": of.division_code,
        "unit_id": of.unit_id,
        "device_id": of.device_id,
        "device_name": of.device_name,
        "metric": of.metric,
        "category": of.category,
        "title": of.title,
        "level": int(of.level),
        "opens_incident_at": 3,
        "value": of.value,
        "at": of.updated_at.isoformat(),
        "lon": of.lon,
        "lat": of.lat,
    }


def opened(of: DeviceWarning) -> WarningOpened:
    return WarningOpened(**facts(of))  # type: ignore[arg-type]


def changed(of: DeviceWarning, previous: Level) -> WarningChanged:
    return WarningChanged(**facts(of), previous_level=int(previous))  # type: ignore[arg-type]


def cleared(of: DeviceWarning) -> WarningCleared:
    return WarningCleared(**facts(of), reason="")  # type: ignore[arg-type]


async def take(database: Database, event: WarningOpened | WarningChanged | WarningCleared) -> list[Incident]:
    async with database.unit_of_work() as uow:
        await take_warning(uow, event)
        await uow.commit()
        page = await IncidentRepository(uow.session).incidents(
            Scope(), IncidentFilter(sort="opened_at"), uow.clock.now(), PageRequest(1, 50)
        )
        return page.items


async def end(database: Database, incident: Incident, state: State) -> None:
    async with database.unit_of_work() as uow:
        await IncidentRepository(uow.session).save(replace(incident, state=state))
        await uow.commit()


async def notes(database: Database, incident: Incident) -> list[str]:
    async with database.unit_of_work() as uow:
        entries = await IncidentRepository(uow.session).timeline_of(incident.id)
    return [entry.reason for entry in entries if entry.action == "note"]


async def test_a_mild_warning_opens_nothing_until_it_grows(city: Database) -> None:
    mild = await warning(city, Level.BLUE)
    assert await take(city, opened(mild)) == []
    assert await take(city, cleared(mild)) == []
    [incident] = await take(city, changed(replace(mild, level=Level.ORANGE), Level.BLUE))
    assert (incident.grade, incident.unit_id, incident.lon) == (2, WATER, 106.5)


async def test_a_warning_that_comes_twice_opens_one(city: Database) -> None:
    grave = await warning(city, Level.RED)
    first = await take(city, opened(grave))
    assert await take(city, opened(grave)) == first
    assert first[0].grade == 1


async def test_neighbours_of_a_category_share_one_for_two_hours(city: Database, clock: FixedClock) -> None:
    [first] = await take(city, opened(await warning(city, Level.YELLOW)))
    clock.advance(7200)
    [shared] = await take(city, opened(await warning(city, Level.YELLOW)))
    assert shared.id == first.id
    assert await notes(city, first) == ["并入预警：压力低"]
    assert len(await take(city, opened(await warning(city, Level.YELLOW, WANZHOU)))) == 2
    assert len(await take(city, opened(await warning(city, Level.YELLOW, category="river_flood")))) == 3
    clock.advance(1)
    assert len(await take(city, opened(await warning(city, Level.YELLOW)))) == 4


@pytest.mark.parametrize("state", [State.HANDLED, State.VERIFIED, State.CLOSED, State.DISMISSED])
async def test_what_is_handled_takes_in_no_more(city: Database, state: State) -> None:
    [first] = await take(city, opened(await warning(city, Level.YELLOW)))
    await end(city, first, state)
    assert len(await take(city, opened(await warning(city, Level.YELLOW)))) == 2


async def test_an_incident_hears_what_becomes_of_its_warning(city: Database) -> None:
    first = await warning(city, Level.YELLOW)
    [incident] = await take(city, opened(first))
    await take(city, changed(replace(first, level=Level.RED), Level.YELLOW))
    await take(city, cleared(first))
    assert await notes(city, incident) == ["预警由黄色变为红色：压力低", "预警已解除：压力站"]


async def test_after_closing_only_a_graver_turn_opens_another(city: Database) -> None:
    first = await warning(city, Level.YELLOW)
    [incident] = await take(city, opened(first))
    await end(city, incident, State.CLOSED)
    assert len(await take(city, changed(replace(first, level=Level.BLUE), Level.YELLOW))) == 1
    assert len(await take(city, cleared(first))) == 1
    worse = replace(first, level=Level.RED, updated_at=START + timedelta(hours=1))
    assert len(await take(city, changed(worse, Level.YELLOW))) == 2
    assert len(await take(city, changed(worse, Level.YELLOW))) == 2
    assert await notes(city, incident) == []


async def test_a_category_that_nobody_knows_is_other(city: Database) -> None:
    [incident] = await take(city, opened(await warning(city, Level.YELLOW, category="dragon")))
    assert incident.category == "other"


async def test_a_warning_that_is_gone_is_passed_over(city: Database) -> None:
    gone = replace(await warning(city, Level.RED), id="gone")
    assert await take(city, opened(gone)) == []
    async with city.unit_of_work() as uow:
        assert await IncidentRepository(uow.session).open_incidents() == []
