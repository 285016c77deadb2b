"""A small city for the tests of the loop: two districts, three units, water gauges, and people of every role."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.dispatch.service import put_responsibility
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.database import Database
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.service import put_unit, seed_divisions
from chengnao.kernel.vocabulary import Level
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.readings.model import Quality, Reading, to_table
from chengnao.warning.model import Direction, ThresholdRule

START = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
CITY, YUZHONG, WANZHOU = "500000", "500103", "500101"
WATER, YUZHONG_STREETS, WANZHOU_WORKS = "water", "yuzhong-streets", "wanzhou-works"


def person(role: Role, division: str = CITY, unit: str | None = None, name: str = "") -> Principal:
    return Principal(f"{role}-{division}-{unit}", name or role.value, "user", frozenset({role}), division, unit)


DISPATCHER = person(Role.DISPATCHER)
DUTY_OFFICER = person(Role.DUTY_OFFICER)
VERIFIER = person(Role.VERIFIER)
WORKER = person(Role.HANDLER, CITY, WATER)


async def make_city(database: Database) -> None:
    """Divisions, units, who answers for leaks in the whole city, and two gauges in Yuzhong and one in Wanzhou."""
    async with database.unit_of_work() as uow:
        await seed_divisions(uow)
        for unit in (
            Unit(WATER, "市水务集团", CITY),
            Unit(YUZHONG_STREETS, "渝中区城管局", YUZHONG),
            Unit(WANZHOU_WORKS, "万州区住建委", WANZHOU),
        ):
            await put_unit(uow, unit)
        await put_responsibility(uow, Responsibility(CITY, "water_pressure", WATER))
        await put_all(uow, [gauge("g1", YUZHONG, 106.57), gauge("g2", YUZHONG, 106.56), gauge("g3", WANZHOU, 108.4)])
        await uow.commit()


def gauge(device: str, division: str, lon: float) -> Device:
    return Device(
        id=device,
        name=f"压力站{device}",
        class_code="water_pressure",
        division_code=division,
        unit_id=WATER,
        protocol=Protocol.HTTP,
        address=None,
        lon=lon,
        lat=29.56 if division == YUZHONG else 30.8,
        place_ok=True,
        interval_seconds=60,
    )


def low_pressure(**changes: object) -> ThresholdRule:
    """Blue at 30 m or less, yellow at 20, red at 5; at once, and back only above them by 1 m."""
    values: dict[str, object] = {
        "id": "low-pressure",
        "device_class": "water_pressure",
        "device_id": None,
        "metric": "pressure",
        "direction": Direction.BELOW,
        "levels": {Level.BLUE: 30.0, Level.YELLOW: 20.0, Level.RED: 5.0},
        "duration_seconds": 0.0,
        "hysteresis": 1.0,
        "category": "water_pressure",
        "source": "made for the test",
        "division_code": CITY,
        "unit_id": WATER,
    }
    return ThresholdRule(**(values | changes))  # type: ignore[arg-type]


def pressures(rows: Iterable[tuple[str, float, float]]) -> pa.Table:
    """Readings of (gauge, seconds after START, metres of water)."""
    readings = []
    for device, second, value in rows:
        at = START + timedelta(seconds=second)
        readings.append(Reading(device, "pressure", at, value, at, Quality.GOOD))
    return to_table(readings)
