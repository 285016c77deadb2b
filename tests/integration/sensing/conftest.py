"""A gateway in this process, on the real PostgreSQL and NATS."""

from collections.abc import AsyncIterator
from datetime import date

import pytest

from chengnao.kernel.access.model import Role
from chengnao.kernel.access.service import create_token
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.organisation.model import Division
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.vocabulary import Tier
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.batching import Committer
from chengnao.sensing.gateways.desk import QuarantineDesk
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.limits import DeviceLimiter
from chengnao.sensing.gateways.registry import RegistryCache, RegistryFeed


def device(device_id: str, class_code: str = "water_pressure", division: str = "500103", **more: object) -> Device:
    values: dict[str, object] = {
        "id": device_id,
        "name": device_id,
        "class_code": class_code,
        "division_code": division,
        "unit_id": None,
        "protocol": Protocol.HTTP,
        "address": None,
        "lon": 106.55,
        "lat": 29.56,
        "place_ok": True,
        "interval_seconds": 300,
    }
    return Device(**(values | more))  # type: ignore[arg-type]


def division(code: str, name: str, tier: Tier, parent: str | None) -> Division:
    return Division(code, name, tier, "", "", parent, date(2000, 1, 1), None, (), None, None)


@pytest.fixture
async def city(database: Database) -> Database:
    """The database with a few divisions and devices."""
    async with database.unit_of_work() as uow:
        await OrganisationRepository(uow.session).put_divisions(
            [
                division("500000", "重庆市", Tier.CITY, None),
                division("500103", "渝中区", Tier.DISTRICT, "500000"),
                division("500108", "南岸区", Tier.DISTRICT, "500000"),
            ]
        )
        await put_all(
            uow,
            [
                device("p-1"),
                device("p-2"),
                device("south-1", division="500108"),
                device("air-1", "air_station", protocol=Protocol.HJ212, address="A110000_0001"),
                device("river-1", "river_station", protocol=Protocol.HJ212),
            ],
        )
        await uow.commit()
    return database


async def token(database: Database, division_code: str = "500103", role: Role = Role.GATEWAY) -> str:
    async with database.unit_of_work() as uow:
        _, secret = await create_token(uow, name="测试网关", role=role, division_code=division_code, unit_id=None)
        await uow.commit()
    return secret


@pytest.fixture
async def intake(city: Database, bus: Bus) -> AsyncIterator[Intake]:
    cache = RegistryCache()
    feed = RegistryFeed(cache, city)
    await feed.refresh()
    committer = Committer(bus.publish_readings, bus.client.max_payload - 4096)
    desk = QuarantineDesk(city, city.clock)
    yield Intake(cache, feed, DeviceLimiter(), committer, desk, city.clock)
    await committer.close()
