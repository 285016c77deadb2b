"""Modbus TCP: the gateway polls real servers of pymodbus, writes to them, and is stopped by none that is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from chengnao.kernel.access.model import Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Invalid, Unavailable
from chengnao.kernel.paging import PageRequest
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.register_maps import load_maps
from chengnao.sensing.devices.service import put_all
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.modbus import ModbusGateway
from chengnao.sensing.protocols.shape import Command, Receipt
from chengnao.sensing.quarantine.repository import HeldFilter, QuarantineRepository
from chengnao.sensing.readings.model import decode
from chengnao.sensing.simulators.modbus import SIMULATION
from tests.support.ports import free_port

from .conftest import device
from .logged import keys, logged

pytestmark = pytest.mark.engines


def controller(unit: int, flow: float = 12.5, *, gap: bool = False) -> SimDevice:
    """A pump station's controller with the registers of the map; `gap`: it refuses what lies between them."""
    between = DataType.INVALID if gap else DataType.REGISTERS
    inputs = [
        SimData(0, values=[305, 512], datatype=DataType.INT16),
        SimData(2, values=flow, datatype=DataType.FLOAT32),
        SimData(4, count=2, datatype=between),
        SimData(6, values=1.75, datatype=DataType.FLOAT32),
    ]
    holding = [
        SimData(0, values=4500, datatype=DataType.UINT16),
        SimData(1, count=1, datatype=between),
        SimData(2, values=[0x86A0, 0x0001, 0b1000], datatype=DataType.REGISTERS),
    ]
    coils = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
    discrete = [SimData(0, count=16, values=False, datatype=DataType.BITS)]
    return SimDevice(unit, (coils, discrete, holding, inputs))


@asynccontextmanager
async def serving(*devices: SimDevice, port: int = 0, framer: FramerType = FramerType.SOCKET) -> AsyncIterator[int]:
    port = port or free_port()
    server = ModbusTcpServer(list(devices), framer=framer, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield port
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


def station(device_id: str, port: int, class_code: str = "pump_station", **settings: Any) -> Any:
    given = {"host": "127.0.0.1", "port": port, "map": "pump_station", "seconds": 0.3, "timeout": 0.3, "retries": 0}
    return device(device_id, class_code, protocol=Protocol.MODBUS, settings=given | settings)


class Running:
    def __init__(self, intake: Intake, database: Database) -> None:
        self.intake = intake
        self.database = database
        self.gateway = ModbusGateway(intake, load_maps())
        self.receipts: dict[str, Receipt] = {}
        intake.receipts = lambda _, receipt: self.receipts.__setitem__(receipt.key, receipt)
        self.task = asyncio.create_task(self.gateway.run())

    async def register(self, *stations: Any) -> None:
        async with self.database.unit_of_work() as uow:
            await put_all(uow, list(stations))
            await uow.commit()
        await self.intake.feed.refresh()

    async def connected(self, device_id: str) -> None:
        async with asyncio.timeout(15):
            while device_id not in self.gateway.of_device:
                await asyncio.sleep(0.02)

    async def receipt(self, key: str) -> Receipt:
        async with asyncio.timeout(5):
            while key not in self.receipts:
                await asyncio.sleep(0.02)
        return self.receipts[key]

    async def held(self) -> list[Any]:
        await self.intake.desk.flush()
        async with self.database.unit_of_work() as uow:
            wanted = HeldFilter(source="modbus")
            return list((await QuarantineRepository(uow.session).pieces(Scope(), wanted, PageRequest(1, 100))).items)


@pytest.fixture
async def running(intake: Intake, city: Database) -> AsyncIterator[Running]:
    made = Running(intake, city)
    yield made
    made.task.cancel()
    await asyncio.gather(made.task, return_exceptions=True)


async def until_logged(bus: Bus, device_id: str, count: int = 1, seconds: float = 15) -> dict[str, tuple[float, str]]:
    """The readings of the device by metric, once there are so many metrics."""
    found: dict[str, tuple[float, str]] = {}
    until = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < until:
        for message in await bus.pull_readings("writer", 100, 0.3):
            for each, metric, _, value, quality in keys(decode(message.data)):
                if each == device_id:
                    found[metric] = value, quality
            await message.ack()
    return found


async def test_all_registers_of_a_map(running: Running, bus: Bus) -> None:
    async with serving(controller(1)) as port:
        await running.register(station("pump-1", port))
        assert await until_logged(bus, "pump-1", 8) == {
            "inlet_pressure": (pytest.approx(30.5), "good"),
            "outlet_pressure": (pytest.approx(51.2), "good"),
            "flow": (12.5, "good"),
            "sump_level": (1.75, "good"),
            "running": (1.0, "good"),
            "alarm": (1.0, "good"),
            "frequency": (pytest.approx(45.0), "good"),
            "total": (pytest.approx(10_000.0), "good"),
        }


@pytest.mark.parametrize("framing", ["rtu", "ascii"])
async def test_a_serial_line_passed_on_byte_by_byte(running: Running, bus: Bus, framing: str) -> None:
    async with serving(controller(1), controller(2, 2.0), framer=FramerType(framing)) as port:
        lines = (station("pump-1", port, framing=framing), station("pump-2", port, framing=framing, unit=2))
        await running.register(*lines)
        assert (await until_logged(bus, "pump-2", 8))["flow"] == (2.0, "good")
        assert (await until_logged(bus, "pump-1", 8))["flow"] == (12.5, "good")


async def test_a_device_that_refuses_gaps_is_read_in_parts(running: Running, bus: Bus) -> None:
    async with serving(controller(1, gap=True)) as port:
        await running.register(station("pump-1", port))
        assert len(await until_logged(bus, "pump-1", 8)) == 8


async def test_points_that_a_device_does_not_have_are_told_once_and_stop_no_other(running: Running, bus: Bus) -> None:
    small = SimDevice(1, ([SimData(0, values=[True] * 16, datatype=DataType.BITS)],
                          [SimData(0, values=[True] * 16, datatype=DataType.BITS)],
                          [SimData(0, values=4500, datatype=DataType.UINT16)],
                          [SimData(0, values=[305, -32768], datatype=DataType.INT16)]))  # fmt: skip
    async with serving(small) as port:
        await running.register(station("pump-1", port))
        found = await until_logged(bus, "pump-1", 4)
        assert found.keys() == {"inlet_pressure", "outlet_pressure", "running", "frequency"}
        assert found["outlet_pressure"][1] == "sentinel"
        await asyncio.sleep(1.5)
        pieces = await running.held()
        assert {piece.reason for piece in pieces} == {"modbus_exception"}
        assert sorted(piece.params["field"] for piece in pieces) == ["alarm", "flow", "sump_level", "total"]


async def test_units_behind_one_address_and_one_that_is_silent(running: Running, bus: Bus) -> None:
    async with serving(controller(1, 1.0), controller(2, 2.0)) as port:
        await running.register(
            station("pump-1", port), station("pump-2", port, unit=2), station("pump-9", port, unit=9)
        )
        assert (await until_logged(bus, "pump-2", 8))["flow"] == (2.0, "good")
        assert (await until_logged(bus, "pump-1", 8))["flow"] == (1.0, "good")


async def test_devices_that_are_away_stop_no_other_and_come_back(running: Running, bus: Bus) -> None:
    away = free_port()
    async with serving(controller(1)) as port:
        await running.register(*(station(f"away-{n}", away if n == 0 else free_port()) for n in range(20)))
        await running.register(station("pump-1", port))
        started = time.monotonic()
        await until_logged(bus, "pump-1", 8)
        assert time.monotonic() - started < 8
        async with serving(controller(1), port=away):
            assert len(await until_logged(bus, "away-0", 8, 40)) == 8


async def test_a_server_that_goes_and_comes_back(running: Running, bus: Bus) -> None:
    async with serving(controller(1)) as port:
        await running.register(station("pump-1", port))
        await until_logged(bus, "pump-1", 8)
    await asyncio.sleep(1)
    assert "pump-1" not in running.gateway.of_device
    await logged(bus)  # all that was measured before
    async with serving(controller(1, 99.0), port=port):
        assert (await until_logged(bus, "pump-1", 8, 30))["flow"] == (99.0, "good")


async def test_writes_are_read_back(running: Running, bus: Bus) -> None:
    async with serving(controller(1)) as port:
        await running.register(station("pump-1", port))
        await running.connected("pump-1")
        for key, point, value in (("a", "frequency", 30.5), ("b", "running", 0)):
            assert running.gateway.command("pump-1", Command(key, "write", {"point": point, "value": value}))
        assert await running.receipt("a") == Receipt("a", True, {"point": "frequency", "value": pytest.approx(30.5)})
        assert await running.receipt("b") == Receipt("b", True, {"point": "running", "value": 0.0})
        for name, arguments in (
            ("write", {"point": "flow", "value": 1}),
            ("write", {"point": "frequency", "value": 51}),
            ("write", {"point": "frequency", "value": "fast"}),
            ("write", {}),
            ("reboot", {}),
        ):
            with pytest.raises(Invalid):
                running.gateway.command("pump-1", Command("x", name, arguments))
    assert not running.gateway.command("nobody", Command("x", "write", {"point": "frequency", "value": 1}))


async def test_a_write_that_is_refused(running: Running) -> None:
    locked = SimDevice(1, ([SimData(0, values=[True] * 16, datatype=DataType.BITS)],
                           [SimData(0, values=[True] * 16, datatype=DataType.BITS)],
                           [SimData(0, values=4500, datatype=DataType.UINT16, readonly=True)],
                           [SimData(0, values=1, datatype=DataType.INT16)]))  # fmt: skip
    async with serving(locked) as port:
        await running.register(station("pump-1", port))
        await running.connected("pump-1")
        running.gateway.command("pump-1", Command("a", "write", {"point": "frequency", "value": 10}))
        assert not (await running.receipt("a")).ok


async def test_settings_that_cannot_be_used_are_held_once(running: Running) -> None:
    await running.register(
        station("a", 502, map="none"), station("b", 502, host=""), station("c", 70_000), station("d", 502, unit="x")
    )
    await asyncio.sleep(2.5)
    pieces = await running.held()
    assert sorted((piece.device_hint, piece.reason, piece.params["field"]) for piece in pieces) == [
        ("a", "modbus_setting", "map"),
        ("b", "modbus_setting", "host"),
        ("c", "modbus_setting", "port"),
        ("d", "modbus_setting", "unit"),
    ]


async def test_values_wait_while_the_log_is_away(running: Running, intake: Intake, bus: Bus) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="away")

    kept, intake.committer._publish = intake.committer._publish, refuse
    async with serving(controller(1)) as port:
        await running.register(station("pump-1", port, seconds=600))
        await asyncio.sleep(7)
    intake.committer._publish = kept
    assert len(await until_logged(bus, "pump-1", 8)) == 8


async def test_simulated_stations(running: Running, bus: Bus) -> None:
    made = SIMULATION.make(7)

    class Answering(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(made.hear(data, running.intake.clock.now()))

    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    await running.register(station("pump-7", server.sockets[0].getsockname()[1], SIMULATION.class_code))
    found = await until_logged(bus, "pump-7", 8)
    assert len(found) == 8
    assert {quality for _, quality in found.values()} == {"good"}
    running.gateway.command("pump-7", Command("a", "write", {"point": "frequency", "value": 20}))
    assert (await running.receipt("a")).ok
    server.close()
