"""OGC API Features over a real socket, by owslib and by hand."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from owslib.ogcapi.features import Features
from owslib.util import Authentication

from chengnao.kernel.access.model import Role
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.settings import Settings
from chengnao.kernel.vocabulary import Level
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.intake import Intake
from chengnao.warning.model import DeviceWarning, Direction, WarningState
from chengnao.warning.repository import WarningRepository
from tests.support.serving import Served, served

from .conftest import device

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)
OPEN = DeviceWarning(
    id="w-open",
    rule_id="r1",
    device_id="p-1",
    device_name="压力站",
    title="压力过低",
    metric="pressure",
    unit="m",
    direction=Direction.BELOW,
    category="water_leak",
    level=Level.ORANGE,
    peak_level=Level.RED,
    opens_incident_at=Level.YELLOW,
    state=WarningState.OPEN,
    value=6.0,
    threshold=5.0,
    opened_at=NOW - timedelta(hours=1),
    updated_at=NOW,
    cleared_at=None,
    division_code="500103",
    unit_id=None,
    lon=106.55,
    lat=29.56,
)
WARNINGS = [
    OPEN,
    replace(
        OPEN,
        id="w-old",
        rule_id="r2",
        level=Level.BLUE,
        state=WarningState.CLEARED,
        opened_at=NOW - timedelta(days=9),
        cleared_at=NOW - timedelta(days=8),
        lon=None,
        lat=None,
    ),
    replace(OPEN, id="w-south", rule_id="r3", device_id="south-1", division_code="500108"),
]


@pytest.fixture
async def platform(settings: Settings, city: Database, bus: Bus, intake: Intake, store: str) -> AsyncIterator[Served]:
    async with city.unit_of_work() as uow:
        devices = [device(f"f-{number:02}", "rain_station", lon=106 + number / 10, lat=29.5) for number in range(25)]
        await put_all(uow, [*devices, device("f-nowhere", "rain_station", lon=None, lat=None, place_ok=False)])
        await WarningRepository(uow.session).put_warnings(WARNINGS)
        await uow.commit()
    async with served(settings, city, bus, intake) as made:
        yield made


async def client(platform: Served, role: Role = Role.READER, division: str = "500103") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {await platform.token(role, division)}"}
    return httpx.AsyncClient(base_url=platform.address + "/ogc", headers=headers, trust_env=False, timeout=60)


def ids(answer: Any) -> list[str]:
    return [each["id"] for each in answer["features"]]


async def test_owslib_reads_collections_pages_and_features(platform: Served) -> None:
    secret = await platform.token(Role.READER)

    def look() -> None:
        service = Features(platform.address + "/ogc/", auth=Authentication("token", secret))
        assert service.feature_collections() == ["devices", "warnings"]
        assert any(each.endswith("/conf/geojson") for each in service.conformance()["conformsTo"])
        described = service.api()
        assert described["openapi"].startswith("3.0")
        assert "/collections/warnings/items" in described["paths"]
        assert service.collection("devices")["crs"] == ["http://www.opengis.net/def/crs/OGC/1.3/CRS84"]
        box = [105.95, 29, 106.35, 30]
        page = service.collection_items("devices", bbox=box, class_code="rain_station", limit=3)
        assert (ids(page), page["numberMatched"], page["numberReturned"]) == (["f-00", "f-01", "f-02"], 4, 3)
        assert page["features"][1]["geometry"] == {"type": "Point", "coordinates": [106.1, 29.5]}
        rest = service.collection_items("devices", bbox=box, class_code="rain_station", limit=3, offset=3)
        assert ids(rest) == ["f-03"]
        one = service.collection_item("devices", "f-nowhere")
        assert (one["geometry"], one["properties"]["class_name"]) == (None, "雨量站")
        standing = service.collection_items("warnings", datetime_=f"{(NOW - timedelta(hours=2)).isoformat()}/..")
        assert ids(standing) == ["w-open"]
        assert standing["features"][0]["properties"]["level"] == 2

    await asyncio.to_thread(look)


async def test_links_lead_through_all_pages(platform: Served) -> None:
    reader = await client(platform)
    seen: list[str] = []
    address = "/collections/devices/items?class_code=rain_station&limit=7"
    while address:
        answer = (await reader.get(address)).json()
        seen += ids(answer)
        address = next((each["href"] for each in answer["links"] if each["rel"] == "next"), "")
    assert seen == [f"f-{number:02}" for number in range(25)] + ["f-nowhere"]
    landing = (await reader.get("/")).json()
    for link in landing["links"]:
        answer = await reader.get(link["href"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == link["type"]


async def test_boxes_and_times(platform: Served) -> None:
    reader = await client(platform)

    async def found(**options: str) -> list[str]:
        return ids((await reader.get("/collections/warnings/items", params=options)).json())

    assert await found() == ["w-open", "w-old"]
    assert await found(bbox="106.5,29,0,106.6,30,100") == ["w-open"]
    assert await found(bbox="170,-10,-170,10") == []
    assert await found(bbox="106.6,-90,106.5,90") == []
    assert await found(bbox="106.5,-90,-170,90") == ["w-open"]
    assert await found(datetime=(NOW - timedelta(days=8, hours=12)).isoformat()) == ["w-old"]
    assert await found(datetime=f"../{(NOW - timedelta(days=9)).isoformat()}") == ["w-old"]
    assert await found(level="4") == ["w-old"]
    assert await found(state="open", device_id="p-1") == ["w-open"]


async def test_what_is_refused(platform: Served) -> None:
    reader = await client(platform)
    for query in (
        "bbox=1,2,3", "bbox=a,b,c,d", "bbox=0,5,1,1", "datetime=x", "datetime=2026-02-01/2026-01-01", "limit=0",
        "limit=x", "offset=-1", "what=1", "f=html",
    ):  # fmt: skip
        answer = await reader.get(f"/collections/devices/items?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["code"] == "invalid_value"
    assert (await reader.get("/collections/warnings/items?level=x")).status_code == 400
    assert (await reader.get("/collections/nothing/items")).status_code == 404
    assert (await reader.get("/collections/devices/items/nothing")).status_code == 404
    assert (await reader.get("/collections/devices/items?limit=999999")).json()["numberReturned"] <= 1000


async def test_rights(platform: Served) -> None:
    async with httpx.AsyncClient(base_url=platform.address + "/ogc", trust_env=False, timeout=60) as nobody:
        for path in ("", "/collections", "/collections/devices/items", "/api"):
            assert (await nobody.get(path)).status_code == 401
    reader = await client(platform)
    for path in ("/collections/devices/items/south-1", "/collections/warnings/items/w-south"):
        assert (await reader.get(path)).status_code == 404, path
    devices = (await reader.get("/collections/devices/items?limit=1000")).json()
    assert "south-1" not in ids(devices)
    assert devices["numberMatched"] == len(devices["features"])
    gateway = await client(platform, Role.GATEWAY)
    assert (await gateway.get("/collections/devices/items")).status_code == 403
    city = await client(platform, division="500000")
    assert set(ids((await city.get("/collections/warnings/items")).json())) == {"w-open", "w-old", "w-south"}
