"""A city whose clock the tests move, its people, and the whole application over it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import Request

from chengnao.api.app import create_app
from chengnao.incident import service
from chengnao.incident.model import Action, Incident
from chengnao.incident.moves import Move
from chengnao.incident.service import Opening
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import FixedClock
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.web import Context, _principal
from chengnao.sensing.readings.store import ReadingsStore
from tests.support.loop import (
    DISPATCHER,
    DUTY_OFFICER,
    START,
    VERIFIER,
    WANZHOU,
    WORKER,
    YUZHONG,
    YUZHONG_STREETS,
    make_city,
    person,
)

AUTHORITY = Authority.load()
STEWARD = person(Role.STEWARD, name="清单管理员")
OTHER_STEWARD = Principal("other-steward", "另一管理员", "user", frozenset({Role.STEWARD}), "500000", None)
DISTRICT_OFFICER = person(Role.DUTY_OFFICER, YUZHONG, name="渝中值班长")
DISTRICT_DESK = person(Role.DISPATCHER, YUZHONG, name="渝中分拨员")
DISTRICT_STEWARD = person(Role.STEWARD, YUZHONG, name="渝中管理员")
STRANGER = person(Role.DUTY_OFFICER, WANZHOU)
STREETS = person(Role.HANDLER, YUZHONG, YUZHONG_STREETS, "渝中城管")
PEOPLE = {
    who.id: who
    for who in (
        DISPATCHER, DUTY_OFFICER, VERIFIER, WORKER, STEWARD, OTHER_STEWARD, DISTRICT_OFFICER, DISTRICT_DESK,
        DISTRICT_STEWARD, STRANGER, STREETS,
    )
}  # fmt: skip


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
async def city(database: Database) -> Database:
    await make_city(database)
    return database


class Loop:
    """Opens incidents and leads them through, one committed step after the other."""

    def __init__(self, database: Database, clock: FixedClock) -> None:
        self.database = database
        self.clock = clock

    async def open(self, opening: Opening, actor: Principal = DISPATCHER) -> Incident:
        async with self.database.unit_of_work() as uow:
            incident = await service.open_incident(uow, actor, opening)
            await uow.commit()
            return incident

    async def do(self, actor: Principal, incident: Incident, action: str, **given: Any) -> Incident:
        """One action, on the incident as it stands now."""
        async with self.database.unit_of_work() as uow:
            known = await service.require_incident(uow, Scope(), incident.id)
            move = Move(Action(action), known.version, **given)
            after = await service.act(uow, AUTHORITY, actor, incident.id, move)
            await uow.commit()
            return after

    async def give_back(self, actor: Principal, incident: Incident, code: str = "duty") -> Incident:
        return await self.do(actor, incident, "return", reason="不是我们的", reason_code=code)

    async def finish(self, actor: Principal, incident: Incident) -> Incident:
        """From a dispatch to the unit of the actor up to the end."""
        await self.do(actor, incident, "accept")
        await self.do(actor, incident, "handle", result="已处理")
        await self.do(VERIFIER, incident, "verify", result="属实")
        return await self.do(DUTY_OFFICER, incident, "close")


@pytest.fixture
def loop(city: Database, clock: FixedClock) -> Loop:
    return Loop(city, clock)


Api = Callable[..., Any]


@pytest.fixture
async def api(settings: Settings, city: Database, bus: Bus, store: str) -> AsyncIterator[Api]:
    """Ask as a person; gives the body, and fails where the status is not the expected one."""
    readings = ReadingsStore.create(settings, load_secrets(settings.home))
    await readings.ensure_schema()
    app = create_app(Context(settings, city.clock, city, bus, AUTHORITY), readings)

    def asking(request: Request) -> Principal:
        return PEOPLE[request.headers["x-person"]]

    app.dependency_overrides[_principal] = asking
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/api") as client:

        async def ask(
            who: Principal, method: str, path: str, body: Any = None, status: int = 200, **params: Any
        ) -> Any:
            answer = await client.request(method, path, json=body, params=params, headers={"x-person": who.id})
            assert answer.status_code == status, f"{answer.status_code} {answer.text}"
            return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

        yield ask
    await readings.close()
