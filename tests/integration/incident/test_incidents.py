"""Incidents on the real database: opening, dispatch, each step, and what is refused."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from chengnao.incident import intake, photos, service
from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.dispatch.service import put_responsibility
from chengnao.incident.model import Action, Incident, Source, State
from chengnao.incident.moves import Move
from chengnao.incident.photo_repository import PhotoRepository
from chengnao.incident.reports.desk import desk_at
from chengnao.incident.reports.service import ReportIn, take_report
from chengnao.incident.repository import IncidentFilter, IncidentRepository
from chengnao.incident.service import Opening
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM, Principal, Role, Scope
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError, Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.service import put_unit
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.places import Place
from tests.support.loop import (
    CITY,
    DISPATCHER,
    DUTY_OFFICER,
    START,
    VERIFIER,
    WANZHOU,
    WANZHOU_WORKS,
    WATER,
    WORKER,
    YUZHONG,
    YUZHONG_STREETS,
    make_city,
    person,
)

pytestmark = pytest.mark.engines

AUTHORITY = Authority.load()
STREET = "500103001"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
LEAK = Opening(Source.MANUAL, "水管爆裂", "water_pressure", YUZHONG)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


async def opened(database: Database, opening: Opening = LEAK) -> Incident:
    async with database.unit_of_work() as uow:
        incident = await service.open_incident(uow, DISPATCHER, opening)
        await uow.commit()
        return incident


async def do(database: Database, actor: Principal, incident: Incident, action: str, **given: Any) -> Incident:
    async with database.unit_of_work() as uow:
        move = Move(Action(action), given.pop("version", incident.version), **given)
        after = await service.act(uow, AUTHORITY, actor, incident.id, move)
        await uow.commit()
        return after


async def timeline(database: Database, incident: Incident) -> list[tuple[str, str, str]]:
    async with database.unit_of_work() as uow:
        entries = await IncidentRepository(uow.session).timeline_of(incident.id)
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    return [(entry.actor.name, entry.action, entry.reason) for entry in entries]


async def tasks(database: Database, incident: Incident) -> list[tuple[int, str, str]]:
    async with database.unit_of_work() as uow:
        return [
            (task.seq, task.unit_id, task.state.value)
            for task in await IncidentRepository(uow.session).tasks_of(incident.id)
        ]


async def test_an_incident_goes_at_once_to_the_unit_that_answers_for_it(city: Database, clock: FixedClock) -> None:
    incident = await opened(city)
    assert (incident.state, incident.unit_id) == (State.DISPATCHED, WATER)
    assert incident.number == "CQ-20261125-000001"
    assert incident.accept_by == incident.due_at == START + timedelta(hours=1)
    assert await tasks(city, incident) == [(1, WATER, "dispatched")]
    assert await timeline(city, incident) == [
        ("dispatcher", "open", ""),
        ("系统", "dispatch", "按责任清单自动分拨"),
    ]
    assert (await opened(city)).number == "CQ-20261125-000002"
    clock.advance(14 * 3600)
    assert (await opened(city)).number == "CQ-20261126-000001"


@pytest.mark.parametrize(
    ("division", "unit"),
    [(STREET, "street-unit"), ("500103003", YUZHONG_STREETS), (YUZHONG, YUZHONG_STREETS), (WANZHOU, WATER)],
)
async def test_the_nearest_division_decides_who_answers(city: Database, division: str, unit: str) -> None:
    async with city.unit_of_work() as uow:
        await put_unit(uow, Unit("street-unit", "街道办", STREET))
        await put_responsibility(uow, Responsibility(YUZHONG, "water_pressure", YUZHONG_STREETS))
        await put_responsibility(uow, Responsibility(STREET, "water_pressure", "street-unit"))
        await uow.commit()
    assert (await opened(city, replace(LEAK, division_code=division))).unit_id == unit


async def test_without_a_responsible_unit_it_waits_for_the_dispatcher(city: Database) -> None:
    incident = await opened(city, replace(LEAK, category="noise"))
    assert (incident.state, incident.unit_id) == (State.NEW, None)
    assert incident.due_at == START + timedelta(hours=2)
    with pytest.raises(Invalid) as error:
        await do(city, DISPATCHER, incident, "dispatch")
    assert error.value.params["field"] == "unit_id"
    with pytest.raises(Invalid) as error:
        await do(city, DISPATCHER, incident, "dispatch", unit_id=WANZHOU_WORKS)
    assert error.value.code == "incident_unit_elsewhere"
    with pytest.raises(NotFound):
        await do(city, DISPATCHER, incident, "dispatch", unit_id="no-such-unit")
    assert (await do(city, DISPATCHER, incident, "dispatch", unit_id=YUZHONG_STREETS)).state is State.DISPATCHED


async def test_the_whole_way_with_a_return_and_a_rework(city: Database, clock: FixedClock) -> None:
    incident = await opened(city)
    incident = await do(city, WORKER, incident, "return", reason="不属本单位管网", reason_code="ownership")
    assert (incident.state, incident.unit_id) == (State.RETURNED, None)
    incident = await do(city, DISPATCHER, incident, "dispatch", unit_id=WATER, reason="已核实权属")
    clock.advance(600)
    incident = await do(city, WORKER, incident, "accept")
    assert incident.handle_by == incident.due_at == clock.now() + timedelta(hours=24)
    clock.advance(3600)
    incident = await do(city, WORKER, incident, "handle", result="已抢修", place=Place(106.5, 29.5))
    incident = await do(city, VERIFIER, incident, "rework", reason="仍在渗水")
    assert (incident.state, incident.unit_id) == (State.ACCEPTED, WATER)
    incident = await do(city, WORKER, incident, "handle", result="更换管段")
    incident = await do(city, VERIFIER, incident, "verify", result="现场已恢复")
    incident = await do(city, DUTY_OFFICER, incident, "close")
    assert (incident.state, incident.closed_at, incident.due_at) == (State.CLOSED, clock.now(), None)
    assert await tasks(city, incident) == [(1, WATER, "returned"), (2, WATER, "handled")]
    assert [action for _, action, _ in await timeline(city, incident)] == [
        "open", "dispatch", "return", "dispatch", "accept", "handle", "rework", "handle", "verify", "close",
    ]  # fmt: skip
    async with city.unit_of_work() as uow:
        entries = await IncidentRepository(uow.session).timeline_of(incident.id)
        [_, task] = await IncidentRepository(uow.session).tasks_of(incident.id)
    assert entries[5].data["place"] == [106.5, 29.5]
    assert (task.result, task.reworked) == ("更换管段", 1)


@pytest.mark.parametrize(
    ("actor", "action", "expected"),
    [
        (DISPATCHER, "accept", Forbidden),
        (VERIFIER, "accept", Forbidden),
        (person(Role.HANDLER, CITY, "gas"), "accept", NotFound),
        (person(Role.DUTY_OFFICER, WANZHOU), "urge", NotFound),
        (person(Role.AUDITOR), "note", Forbidden),
        (WORKER, "close", Forbidden),
        (WORKER, "handle", Conflict),
        (DUTY_OFFICER, "close", Conflict),
        (DISPATCHER, "dispatch", Conflict),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "id", value.__class__.__name__),
)
async def test_what_is_refused_leaves_no_trace(
    city: Database, actor: Principal, action: str, expected: type[ChengnaoError]
) -> None:
    incident = await opened(city)
    with pytest.raises(expected):
        await do(city, actor, incident, action, reason="r", unit_id=WATER, result="r")
    async with city.unit_of_work() as uow:
        assert await service.require_incident(uow, Scope(), incident.id) == incident
    assert len(await timeline(city, incident)) == 2


async def test_an_action_on_a_state_that_is_gone_is_a_conflict(city: Database) -> None:
    seen = await opened(city)
    await do(city, WORKER, seen, "return", reason="权属不清", reason_code="ownership")
    now = await do(city, DISPATCHER, seen, "dispatch", unit_id=WATER, version=seen.version + 1)
    with pytest.raises(Conflict) as error:
        await do(city, WORKER, seen, "accept")
    assert error.value.params["current"] == now.version
    with pytest.raises(Conflict):
        await do(city, WORKER, seen, "accept", version=now.version + 1)


async def test_notes_and_urges_in_between_do_not_stand_in_the_way(city: Database) -> None:
    seen = await opened(city)
    await do(city, DUTY_OFFICER, seen, "urge", reason="请尽快")
    await do(city, DISPATCHER, seen, "note", reason="居民来电")
    assert (await do(city, WORKER, seen, "accept")).state is State.ACCEPTED


async def test_two_who_act_at_once_make_one_step(city: Database) -> None:
    incident = await opened(city)
    outcomes = await asyncio.gather(*(do(city, WORKER, incident, "accept") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(outcome, Incident) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 4
    assert len(await timeline(city, incident)) == 3


async def test_nothing_opens_two_incidents(city: Database) -> None:
    opening = replace(LEAK, source_key="warning:w1")
    first, second = await opened(city, opening), await opened(city, opening)
    assert first.id == second.id
    assert len(await timeline(city, first)) == 2


async def test_a_report_gets_a_number_and_an_incident(city: Database, tmp_path: Path) -> None:
    citizen = person(Role.HANDLER, CITY, WATER)
    async with city.unit_of_work() as uow:
        photo = await photos.keep_photo(uow, tmp_path, citizen, None, PNG)
        taken = await take_report(
            uow,
            desk_at(tmp_path),
            citizen,
            ReportIn(
                "解放碑路面漏水，\n已经结冰" + "长" * 60,
                Place(106.5707, 29.5628),
                category="water_pressure",
                reporter_phone="13812345678",
                photo_ids=[photo.id],
            ),
        )
        await uow.commit()
        incident = taken.incident
        assert [each.id for each in await PhotoRepository(uow.session).of_incident(incident.id)] == [photo.id]
    assert taken.report.tracking_number == "SB-20261125-000001"
    assert (incident.source, incident.division_code, incident.unit_id) == (Source.REPORT, YUZHONG, WATER)
    assert incident.title.startswith("解放碑路面漏水， 已经结冰")
    assert len(incident.title) == 40


@pytest.mark.parametrize(("division", "place"), [(None, None), (None, Place(116.4, 39.9))])
async def test_a_report_from_nowhere_is_refused(city: Database, division: str | None, place: Place | None) -> None:
    async with city.unit_of_work() as uow:
        with pytest.raises(Invalid) as error:
            await intake.find_division(uow, division, place)
    assert error.value.params["field"] == "division_code"


def kept_files(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file()]


async def test_photos_are_kept_once_and_seen_by_their_own(city: Database, tmp_path: Path) -> None:
    incident = await opened(city)
    stranger = person(Role.HANDLER, CITY, "gas")
    async with city.unit_of_work() as uow:
        first = await photos.keep_photo(uow, tmp_path, WORKER, incident, PNG)
        second = await photos.keep_photo(uow, tmp_path, WORKER, None, PNG)
        assert first.id != second.id
        assert photos.photo_path(tmp_path, first.digest).read_bytes() == PNG
        assert len(kept_files(tmp_path)) == 1
        assert await photos.require_photo(uow, WORKER, second.id) == second
        for hidden in (first, second):
            with pytest.raises(NotFound):
                await photos.require_photo(uow, stranger, hidden.id)
        with pytest.raises(Invalid, match=second.id):
            await photos.attach_photos(uow, stranger, incident.id, [second.id])
        for data, code in ((b"<html>", "photo_not_image"), (PNG + bytes(photos.PHOTO_LIMIT), "photo_too_large")):
            with pytest.raises(Invalid) as error:
                await photos.keep_photo(uow, tmp_path, WORKER, None, data)
            assert error.value.code == code


async def test_lists_narrow_and_sort(city: Database, clock: FixedClock) -> None:
    noise = await opened(city, replace(LEAK, category="noise", title="夜间 100% 噪声", grade=2))
    clock.advance(60)
    leak = await opened(city)
    far = await opened(city, replace(LEAK, division_code=WANZHOU))
    clock.advance(1200)

    async def ids(scope: Scope, **wanted: Any) -> list[str]:
        async with city.unit_of_work() as uow:
            page = await IncidentRepository(uow.session).incidents(
                scope,
                IncidentFilter(**wanted),
                clock.now(),
                PageRequest(1, 10),
            )
        assert page.total == len(page.items)
        return [incident.id for incident in page.items]

    assert await ids(Scope()) == [far.id, leak.id, noise.id]
    assert await ids(Scope(), sort="grade") == [noise.id, far.id, leak.id]
    assert await ids(Scope(YUZHONG)) == [leak.id, noise.id]
    assert await ids(Scope(CITY, WATER)) == [far.id, leak.id]
    assert await ids(Scope(), states=["new"]) == [noise.id]
    assert await ids(Scope(), grade=2) == await ids(Scope(), category="noise") == await ids(Scope(), words="100%")
    assert await ids(Scope(), words="100_") == []
    assert await ids(Scope(), division=WANZHOU) == [far.id]
    assert await ids(Scope(), unit=WATER) == [far.id, leak.id]
    assert await ids(Scope(), overdue=True) == [noise.id]
    assert await ids(Scope(), overdue=False) == [far.id, leak.id]
    assert await ids(Scope(WANZHOU), division=YUZHONG) == []
    assert await ids(Scope(), since=leak.opened_at) == [far.id, leak.id]
    assert await ids(Scope(), since=noise.opened_at, until=leak.opened_at) == [noise.id]


async def test_the_platform_may_only_do_what_the_table_gives_it(city: Database) -> None:
    incident = await opened(city)
    with pytest.raises(Forbidden):
        await do(city, SYSTEM, incident, "accept")
    assert (await do(city, SYSTEM, incident, "urge")).version == incident.version + 1
