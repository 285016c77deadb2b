"""GB/T 28181 over UDP and TCP: simulated cameras sign in at the real gateway, and what they say stands on the log."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Literal

import pytest

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.paging import PageRequest
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.protocols.gb28181_dialogue import WIRE
from chengnao.sensing.protocols.shape import Command, Receipt
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository
from chengnao.sensing.simulators.gb28181 import SIMULATION, Camera
from chengnao.sensing.simulators.runner import Load, simulate

from .conftest import device
from .logged import keys, logged
from .speaking import serving

pytestmark = pytest.mark.engines

PASSWORD = "12345678"


@pytest.fixture
async def gateway(city: Database, intake: Intake) -> AsyncIterator[LineGateway]:
    async with city.unit_of_work() as uow:
        cameras = [
            device(f"camera-{number}", "camera_platform", protocol=Protocol.GB28181, address=Camera(number).address)
            for number in range(3)
        ]
        await put_all(uow, [replace(each, settings={"password": PASSWORD}) for each in cameras])
        await uow.commit()
    await intake.feed.refresh()
    async with serving(WIRE, intake) as made:
        yield made


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_cameras_sign_in_and_report(gateway: LineGateway, bus: Bus, transport: Literal["udp", "tcp"]) -> None:
    simulation = replace(
        SIMULATION,
        make=lambda number: Camera(number, PASSWORD, transport.upper(), channels=2),
        transport=transport,
    )
    host, port = gateway.address
    tally = await simulate(Load(simulation, host, port, count=3, rate=40, seconds=1.0))
    assert (tally.errors, tally.last_error) == (0, "")
    assert tally.acknowledged == tally.sent > 20
    found = {(key[0], key[1], key[3]) for key in keys(await logged(bus))}
    for number in range(3):
        assert (f"camera-{number}", "online", 1.0) in found
        assert (f"camera-{number}", "channels", 2.0) in found
    assert any(metric == "alarm_level" for _, metric, _ in found)


async def test_a_command_comes_back_as_a_receipt(gateway: LineGateway, intake: Intake) -> None:
    receipts: list[tuple[str, Receipt]] = []
    intake.receipts = lambda device_id, receipt: receipts.append((device_id, receipt))
    host, port = gateway.address
    simulation = replace(SIMULATION, make=lambda number: Camera(number, PASSWORD), transport="udp")
    playing = asyncio.create_task(simulate(Load(simulation, host, port, rate=5, seconds=1.5)))
    while not gateway.of_device:
        await asyncio.sleep(0.05)
    assert gateway.command("camera-0", Command("k-1", "query_info"))
    await playing
    assert [(name, each.key, each.ok) for name, each in receipts] == [("camera-0", "k-1", True)]


async def test_wrong_passwords_and_strangers_are_held(gateway: LineGateway, city: Database, intake: Intake) -> None:
    host, port = gateway.address
    simulation = replace(SIMULATION, make=lambda number: Camera(number, "falsch"))
    tally = await simulate(Load(simulation, host, port, count=4, rate=10, seconds=0.5))
    assert tally.acknowledged == tally.sent == 0
    await intake.desk.flush()
    async with city.unit_of_work() as uow:
        page = await QuarantineRepository(uow.session).pieces(Scope(), HeldFilter(), PageRequest(1, 100))
    assert {piece.reason for piece in page.items} == {"credentials_wrong", "unknown_device"}
