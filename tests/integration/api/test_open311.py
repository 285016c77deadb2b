"""Open311 over HTTP, read by `georeport`, a client from PyPI.

That client only reads, so requests are handed in by a form as any client sends it. The older client `three` runs on
Python 2 alone (`from itertools import ifilter`).
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from georeport import GeoReport

from chengnao.incident.catalogue import categories
from chengnao.incident.model import Action, transition
from chengnao.incident.moves import Move
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import apply
from chengnao.kernel.access.model import SYSTEM, Role, Scope
from chengnao.kernel.database import Database
from tests.support.ports import free_port
from tests.support.world import FOREIGN, OWN, PLACES, SECRET, World

pytestmark = pytest.mark.engines

PHONE = "13812345678"


def body(world: World, **changes: str) -> dict[str, str]:
    place = PLACES[OWN]
    return {
        "api_key": world.tokens[Role.REPORTER],
        "service_code": "street_light",
        "lat": str(place.lat),
        "long": str(place.lon),
        "address_string": "民权路 1 号",
        "description": f"路灯不亮，请打 {PHONE}",
        "first_name": "三丰",
        "last_name": "张",
        "phone": PHONE,
        "media_url": "https://example.org/a.jpg",
    } | changes


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/open311/v2") as found:
        yield found


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    """The application behind a socket, for a client that knows no other way."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}/open311/v2"
    server.should_exit = True
    await task


async def hand_in(client: httpx.AsyncClient, world: World, **changes: str) -> str:
    answer = await client.post("/requests.json", data=body(world, **changes))
    assert answer.status_code == 201, answer.text
    (made,) = answer.json()
    number: str = made["service_request_id"]
    return number


async def dismiss(database: Database, number: str, answer: str) -> None:
    async with database.unit_of_work() as uow:
        report = await ReportRepository(uow.session).by_tracking_number(number)
        assert report is not None
        incident = await IncidentRepository(uow.session).get(Scope(), report.incident_id, lock=True)
        assert incident is not None
        for action in (Action.RETURN, Action.DISMISS) if incident.unit_id else (Action.DISMISS,):
            move = Move(action, incident.version, reason=answer, reason_code="other")
            incident = await apply(uow, SYSTEM, incident, transition(incident.state, action), move)
        await uow.commit()


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_a_client_from_pypi_follows_a_request_from_beginning_to_end(
    client: httpx.AsyncClient, address: str, world: World, database: Database, form: str
) -> None:
    reader = GeoReport(address, output_format=form)
    services = await asyncio.to_thread(reader.get_service_list)
    assert [each["service_code"] for each in services] == list(categories())
    definition = await asyncio.to_thread(reader.get_service_definition, "street_light")
    assert definition["service_code"] == "street_light"

    number = await hand_in(client, world)
    request = await asyncio.to_thread(reader.get_service_request, number)
    assert (request["service_request_id"], request["status"]) == (number, "open")
    assert (request["service_code"], request["service_name"]) == ("street_light", "路灯故障")
    assert float(request["lat"]) == pytest.approx(PLACES[OWN].lat, abs=1e-4)
    assert datetime.fromisoformat(request["requested_datetime"]).utcoffset() == timedelta(hours=8)

    await dismiss(database, number, "已查实，灯已修好")
    request = await asyncio.to_thread(reader.get_service_request, number)
    assert request["status"] == "closed"
    assert "已查实，灯已修好" in request["status_notes"]
    if form == "json":
        for status, found in (("open", []), ("closed", [number]), ("open,closed", [number])):
            listed = await asyncio.to_thread(reader.get_service_requests, None, "street_light", None, None, status)
            assert [each["service_request_id"] for each in listed] == found


async def test_nobody_reads_who_reported_or_what_came_by_other_ways(client: httpx.AsyncClient, world: World) -> None:
    number = await hand_in(client, world)
    for path in ("/requests.json", "/requests.xml", f"/requests/{number}.json"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert number in answer.text
        for secret in (PHONE, "张三丰", SECRET, "本区诉求"):
            assert secret not in answer.text
    (request,) = (await client.get("/requests.json")).json()
    assert set(request) == {
        "service_request_id", "status", "status_notes", "service_name", "service_code", "description",
        "agency_responsible", "service_notice", "requested_datetime", "updated_datetime", "expected_datetime",
        "address", "address_id", "zipcode", "lat", "long", "media_url",
    }  # fmt: skip
    assert "138****5678" in request["description"]


@pytest.mark.parametrize("role", [None, *Role])
async def test_only_a_reporters_key_hands_in(app: FastAPI, world: World, role: Role | None) -> None:
    async with world.client(app, role) as client:
        for key in ("", "cn_wrong", world.tokens[Role.GATEWAY]):
            answer = await client.post("/open311/v2/requests.xml", data=body(world, api_key=key))
            assert answer.status_code == 403
            error = ET.fromstring(answer.text).find("error")
            assert error is not None
            assert error.findtext("code") == "403"
            assert error.findtext("description")
        place = PLACES[FOREIGN]
        foreign = body(world, lat=str(place.lat), long=str(place.lon))
        assert (await client.post("/open311/v2/requests.json", data=foreign)).status_code == 403
        assert (await client.post("/open311/v2/requests.json", data=body(world))).status_code == 201


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"service_code": "", "lat": "", "address_string": ""}, 400, "service_code; lat + long, or address_string"),
        ({"service_code": "moon"}, 404, "moon"),
        ({"lat": "40.7", "long": "-73.9"}, 400, "not in this city"),
        ({"lat": "", "long": "", "address_string": "某小区"}, 400, "district"),
        ({"jurisdiction_id": "boston.gov"}, 404, "500000"),
        ({"description": "长" * 4001}, 400, "description"),
    ],
)
async def test_refusals_have_the_shape_of_the_specification(
    client: httpx.AsyncClient, world: World, changes: dict[str, str], status: int, words: str
) -> None:
    answer = await client.post("/requests.json", data=body(world, **changes))
    assert answer.status_code == status
    (error,) = answer.json()
    assert error["code"] == status
    assert words in error["description"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/services.yaml", 404),
        ("/services/moon.json", 404),
        ("/requests/SB-1.json", 404),
        ("/tokens/none.json", 404),
        ("/services.json?jurisdiction_id=boston.gov", 404),
        ("/requests.json?page_size=1001", 400),
        ("/requests.json?status=fixed", 400),
        ("/requests.json?start_date=2026-01-01T00:00:00Z&end_date=2026-06-01T00:00:00Z", 400),
    ],
)
async def test_questions_that_cannot_be_answered(client: httpx.AsyncClient, path: str, status: int) -> None:
    answer = await client.get(path)
    assert answer.status_code == status
    if path.endswith("yaml"):
        assert ET.fromstring(answer.text).tag == "errors"
    else:
        assert answer.json()[0]["code"] == status


async def test_an_address_with_its_district_does_without_coordinates(client: httpx.AsyncClient, world: World) -> None:
    number = await hand_in(client, world, lat="", long="", address_string="重庆市渝中区民权路 1 号")
    (request,) = (await client.get(f"/requests/{number}.json")).json()
    assert request["lat"] is None
    assert "渝中区" in request["address"]


async def test_pages_boxes_and_tokens(client: httpx.AsyncClient, world: World, database: Database) -> None:
    numbers = [await hand_in(client, world, description=f"第 {index} 盏灯") for index in range(3)]

    async def asked(**query: Any) -> list[str]:
        answer = await client.get("/requests.json", params=query)
        return [each["service_request_id"] for each in answer.json()]

    assert await asked(page_size=2) == [numbers[2], numbers[1]]
    assert await asked(page_size=2, page=2) == [numbers[0]]
    assert await asked(bbox="106.5,29.5,106.6,29.6") == numbers[::-1]
    assert await asked(bbox="107,29.5,108,29.6") == []
    assert await asked(service_request_id=",".join(numbers[:2]), status="closed") == [numbers[1], numbers[0]]
    assert await asked(service_code="noise") == []
    async with database.unit_of_work() as uow:
        report = await ReportRepository(uow.session).by_tracking_number(numbers[0])
    assert report is not None
    (found,) = (await client.get(f"/tokens/{report.id}.json")).json()
    assert found == {"service_request_id": numbers[0], "token": report.id}


async def test_the_mapping_of_states_and_the_discovery_are_published(client: httpx.AsyncClient) -> None:
    states = (await client.get("/statuses.json")).json()
    assert {each["status"] for each in states} == {"open", "closed"}
    found = (await client.get("/discovery.json")).json()
    assert found["endpoints"][0]["url"] == "http://test/open311/v2"
    assert (
        ET.fromstring((await client.get("/discovery.xml")).text).find("endpoints/endpoint/formats/format") is not None
    )
