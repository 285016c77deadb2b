"""What the demonstration puts into the platform at its start: units, people, devices, thresholds, responsibilities.

Each thing is added where it is missing and otherwise left as it is, so that a visitor's changes stay.
"""

import logging
from collections.abc import Iterator

from chengnao.demonstration import people
from chengnao.demonstration.others import other_devices
from chengnao.demonstration.people import DemoAccount
from chengnao.demonstration.rivers import RiverStation, load_stations
from chengnao.demonstration.rules import add_rules
from chengnao.demonstration.tokens import Tokens, read_tokens, write_tokens
from chengnao.demonstration.water import Gauge, load_layout
from chengnao.incident.dispatch.model import Responsibility
from chengnao.incident.dispatch.service import put_responsibility
from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Role, Scope, User
from chengnao.kernel.access.repository import AccessRepository
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation import service as organisation
from chengnao.kernel.organisation.model import CITY, Unit
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.settings import Settings, load_secrets
from chengnao.kernel.vocabulary import Level
from chengnao.sensing.devices import service as devices
from chengnao.sensing.devices.model import Device, Protocol
from chengnao.sensing.devices.repository import DeviceRepository
from chengnao.warning.model import Direction, ThresholdRule
from chengnao.warning.repository import WarningRepository

log = logging.getLogger(__name__)

_REPORT_SECONDS = 60
_SOURCE = "演示数据：按演示城市的正常波动范围设定"


async def seed(uow: UnitOfWork, settings: Settings) -> None:
    """Add what is missing; commits nothing. Divisions must stand already."""
    repository = OrganisationRepository(uow.session)
    names = await repository.division_names()
    for unit in people.units(names):
        if await repository.unit(unit.id) is None:
            await organisation.put_unit(uow, Unit(unit.id, unit.name, unit.division_code, unit.parent_id))
            for category in unit.categories:
                await put_responsibility(uow, Responsibility(unit.division_code, category, unit.id))
    await _add_accounts(uow, people.accounts(), people.PASSWORD)
    await _add_accounts(uow, people.workers(names), people.workers_password(load_secrets(settings.home)))
    await _add_devices(uow)
    await _add_tokens(uow, settings)
    await add_rules(uow, settings)


async def _add_accounts(uow: UnitOfWork, accounts: list[DemoAccount], password: str) -> None:
    repository = AccessRepository(uow.session)
    missing = [each for each in accounts if await repository.account(each.username) is None]
    if not missing:
        return
    # One hash for all: they share the password, and sixty hashes would take as many tenths of a second.
    password_hash = await access.hash_password(password)
    for each in missing:
        roles = frozenset(map(Role, each.roles))
        user = User(
            new_id(), each.username, each.display_name, roles, each.division_code, each.unit_id, demonstration=True
        )
        await repository.add_user(user, password_hash)


async def _add_devices(uow: UnitOfWork) -> None:
    wanted = [*demonstration_devices(), *other_devices()]
    known = {each.id for each in await DeviceRepository(uow.session).by_ids(Scope(), [each.id for each in wanted])}
    await devices.put_all(uow, [device for device in wanted if device.id not in known])
    warnings = WarningRepository(uow.session)
    for rule in demonstration_rules():
        await warnings.add_rule_once(rule)
    log.info("the demonstration has %d devices, %d of them new", len(wanted), len(wanted) - len(known))


def demonstration_devices() -> Iterator[Device]:
    """The devices of the city's own field, as the registry wants them."""
    layout, stations = load_layout(), load_stations()
    for gauge in layout.pressures:
        yield _gauge(gauge, "water_pressure", Protocol.HTTP)
    for gauge in layout.flows:
        yield _gauge(gauge, "water_flow", Protocol.MQTT)
    for station in stations.all:
        kind, unit = (
            ("river_station", "city-water") if isinstance(station, RiverStation) else ("rain_station", "city-emergency")
        )
        yield Device(
            station.device,
            station.name,
            kind,
            station.division_code,
            unit,
            Protocol.HJ212,
            station.mn,
            station.lon,
            station.lat,
            True,
            _REPORT_SECONDS,
        )


def _gauge(gauge: Gauge, class_code: str, protocol: Protocol) -> Device:
    code = gauge.division_code
    return Device(
        gauge.device,
        gauge.name,
        class_code,
        code,
        f"{code}-water",
        protocol,
        None,
        gauge.lon,
        gauge.lat,
        True,
        _REPORT_SECONDS,
    )


def demonstration_rules() -> Iterator[ThresholdRule]:
    """A threshold of its own for each pressure and river station; rain follows the platform's default."""
    for gauge in load_layout().pressures:
        yield ThresholdRule(
            id=f"{gauge.device}-low",
            device_class=None,
            device_id=gauge.device,
            metric="pressure",
            direction=Direction.BELOW,
            levels={Level(level): value for level, value in gauge.levels.items()},
            duration_seconds=300,
            hysteresis=0.6,
            category="water_pressure",
            source=_SOURCE,
            division_code=gauge.division_code,
            unit_id=f"{gauge.division_code}-water",
        )
    for station in load_stations().rivers:
        yield ThresholdRule(
            id=f"{station.device}-high",
            device_class=None,
            device_id=station.device,
            metric="level",
            direction=Direction.ABOVE,
            levels={Level(level): value for level, value in station.levels.items()},
            duration_seconds=600,
            hysteresis=0.15,
            category="river_flood",
            source=_SOURCE,
            division_code=station.division_code,
            unit_id="city-water",
        )


async def _add_tokens(uow: UnitOfWork, settings: Settings) -> None:
    """Tokens for the devices and for the residents' hotline; their secrets go into the data folder."""
    try:
        tokens = read_tokens(settings.home)
        if await access.find_token(uow, tokens.gateway) and await access.find_token(uow, tokens.reporter):
            return
    except FileNotFoundError:
        pass
    secrets = []
    for name, role in (("演示城市设备", Role.GATEWAY), ("演示城市热线", Role.REPORTER)):
        _, secret = await access.create_token(uow, name=name, role=role, division_code=CITY, unit_id=None)
        secrets.append(secret)
    write_tokens(settings.home, Tokens(*secrets))
