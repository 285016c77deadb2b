"""A small town for tests and benchmarks: units, people, devices, a threshold and who answers for what."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.dispatch.service import put_responsibility
from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Role
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.engines import database_url
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.service import put_unit
from chengnao.kernel.settings import Settings
from chengnao.kernel.vocabulary import Level
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.warning.model import Direction, ThresholdRule
from chengnao.warning.service import add_rule

DISTRICT = "500103"
UNIT = "yuzhong-water"
PASSWORD = "chengnao-demo"
PEOPLE = {
    "officer": Role.DUTY_OFFICER,
    "dispatcher": Role.DISPATCHER,
    "handler": Role.HANDLER,
    "verifier": Role.VERIFIER,
    "steward": Role.STEWARD,
    "operator": Role.OPERATOR,
    "auditor": Role.AUDITOR,
}
THRESHOLD = 5.0
"""A flow above this is a warning at once; readings below it are quiet."""


@dataclass(frozen=True)
class Town:
    """What a sender and a reporter need to know."""

    gateway_token: str
    reporter_token: str
    http_devices: list[str]
    hj212_devices: dict[str, str]
    """Device id -> MN."""


async def found(database: Database, *, http_devices: int = 50, hj212_devices: int = 10) -> Town:
    """Fill an empty, prepared database with the town."""
    by_http = [f"flow-{number:06d}" for number in range(http_devices)]
    by_hj212 = {f"rain-{number:04d}": f"TOWNRAIN{number:06d}" for number in range(hj212_devices)}
    async with database.unit_of_work() as uow:
        await put_unit(uow, Unit(UNIT, "渝中供水", DISTRICT))
        devices = [_device(each, "water_flow", Protocol.HTTP, None) for each in by_http]
        devices += [_device(each, "rain_station", Protocol.HJ212, mn) for each, mn in by_hj212.items()]
        await put_all(uow, devices)
        await add_rule(
            uow,
            ThresholdRule(
                id="town-flow",
                device_class="water_flow",
                device_id=None,
                metric="flow",
                direction=Direction.ABOVE,
                levels={Level.ORANGE: THRESHOLD},
                duration_seconds=0,
                hysteresis=0.5,
                category="water_leak",
                opens_incident_at=Level.YELLOW,
                enabled=True,
                source="测试",
                unit_id=None,
                division_code="500000",
            ),
        )
        for category in ("water_leak", "road_damage", "other"):
            await put_responsibility(uow, Responsibility(DISTRICT, category, UNIT))
        for username, role in PEOPLE.items():
            await access.create_user(
                uow,
                username=username,
                display_name=username,
                password=PASSWORD,
                roles=frozenset({role}),
                division_code=DISTRICT,
                unit_id=UNIT if role is Role.HANDLER else None,
            )
        _, gateway_token = await access.create_token(
            uow, name="gateway", role=Role.GATEWAY, division_code=DISTRICT, unit_id=None
        )
        _, reporter_token = await access.create_token(
            uow, name="reporter", role=Role.REPORTER, division_code=DISTRICT, unit_id=None
        )
        await uow.commit()
    return Town(gateway_token, reporter_token, by_http, by_hj212)


def found_in(settings: Settings) -> Town:
    """Fill a running platform's database; for callers without an event loop of their own."""

    async def fill() -> Town:
        database = Database.connect(database_url(settings), SystemClock())
        try:
            return await found(database)
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:  # a browser that runs in this thread already has a loop here
        return thread.submit(asyncio.run, fill()).result()


def _device(device_id: str, class_code: str, protocol: Protocol, address: str | None) -> Device:
    return Device(
        id=device_id,
        name=f"{device_id} 号",
        class_code=class_code,
        division_code=DISTRICT,
        unit_id=UNIT,
        protocol=protocol,
        address=address,
        lon=106.55,
        lat=29.56,
        place_ok=True,
        interval_seconds=60,
    )
