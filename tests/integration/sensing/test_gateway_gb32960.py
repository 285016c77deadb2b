"""GB/T 32960 over TCP: what vehicles send, what they are answered, what stands on the log and what is held."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.model import Protocol, device_class
from chengnao.sensing.devices.service import register
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.protocols.gb32960 import (
    CLOCK,
    LOGIN,
    PLATFORM_LOGIN,
    REALTIME,
    Frame,
    decode,
    encode,
    field_bytes,
)
from chengnao.sensing.protocols.gb32960_dialogue import WIRE
from chengnao.sensing.simulators.gb32960 import Vehicle

from .conftest import device
from .logged import keys, logged
from .speaking import held, serving

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)
# A unit 01 of 16 bytes, as one maker has it.
SHORT_UNIT = bytes.fromhex("010103ff01450001e2404effffffffffff050006ca96200157eee0")


class Line:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def answer(self, timeout: float = 5) -> Frame:
        head = await asyncio.wait_for(self.reader.readexactly(24), timeout)
        frame = decode(head + await self.reader.readexactly(int.from_bytes(head[22:], "big") + 1))
        assert isinstance(frame, Frame)
        return frame


@pytest.fixture
async def gateway(intake: Intake, city: Database) -> AsyncIterator[LineGateway]:
    async with city.unit_of_work() as uow:
        for number in (1, 2):
            address = Vehicle(number).address
            await register(uow, device(f"ev-{number}", "electric_vehicle", protocol=Protocol.GB32960, address=address))
        await register(uow, device("fleet", "electric_vehicle", protocol=Protocol.GB32960, address="FLEET"))
        await uow.commit()
    await intake.feed.refresh()
    async with serving(WIRE, intake) as made:
        yield made


@pytest.fixture
async def line(gateway: LineGateway) -> AsyncIterator[Line]:
    made = Line(*await asyncio.open_connection(*gateway.address))
    yield made
    made.writer.close()


async def test_the_simulator_signs_in_and_reports_without_a_place(line: Line, bus: Bus) -> None:
    vehicle = Vehicle(1)
    line.send(vehicle.hello(NOW))
    vehicle.hear((await line.answer()).raw, NOW)
    assert vehicle.ready
    for second in range(3):
        line.send(vehicle.report(NOW - timedelta(seconds=second)))
        vehicle.hear((await line.answer()).raw, NOW)
    assert vehicle.acknowledged == 3
    rows = keys(await logged(bus))
    metrics = {row[1] for row in rows}
    assert {row[0] for row in rows} == {"ev-1"}
    assert len({row[2] for row in rows}) == 3
    assert {"soc", "voltage", "max_cell_voltage", "motor_temperature", "alarm_level"} <= metrics
    assert metrics <= device_class("electric_vehicle").metrics.keys()
    assert {row[4] for row in rows} == {"good"}


async def test_a_platform_speaks_for_its_vehicles(line: Line, bus: Bus) -> None:
    line.send(encode(PLATFORM_LOGIN, "FLEET", field_bytes(NOW) + bytes(35)))
    assert (await line.answer()).response == 1
    raw = Vehicle(1).report(NOW) + Vehicle(2).report(NOW)
    line.send(raw[:100])
    await asyncio.sleep(0.05)
    line.send(raw[100:])
    assert {(await line.answer()).vin for _ in range(2)} == {Vehicle(1).address, Vehicle(2).address}
    assert {row[0] for row in keys(await logged(bus))} == {"ev-1", "ev-2"}


async def test_no_answer_while_the_log_is_away(line: Line, intake: Intake, bus: Bus) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="away")

    kept, intake.committer._publish = intake.committer._publish, refuse
    line.send(Vehicle(1).report(NOW))
    with pytest.raises(TimeoutError):
        await line.answer(0.4)
    intake.committer._publish = kept
    line.send(Vehicle(1).report(NOW))
    assert (await line.answer()).response == 1


async def test_what_cannot_be_used_is_held_and_told(line: Line, city: Database, intake: Intake, bus: Bus) -> None:
    vehicle = Vehicle(1)
    later = datetime(2070, 1, 1, tzinfo=UTC)
    answers = []
    for raw in (
        encode(REALTIME, vehicle.address, field_bytes(later) + vehicle.report(NOW)[30:-1]),
        encode(REALTIME, vehicle.address, field_bytes(NOW) + SHORT_UNIT),
        encode(REALTIME, vehicle.address, field_bytes(NOW) + b"\x01", version="2025"),
        encode(REALTIME, vehicle.address, b"secret", encrypt=3),
        encode(LOGIN, "STRANGER", field_bytes(NOW)),
        encode(CLOCK, vehicle.address),
    ):
        line.send(raw)
        answers.append((await line.answer()).response)
    line.send(encode(REALTIME, vehicle.address, bytes([26, 13, 1, 0, 0, 0])))
    line.send(vehicle.report(NOW)[:-1] + b"\x00")
    line.send(vehicle.report(NOW))
    assert (await line.answer()).response == 1
    assert answers == [2, 1, 2, 2, 2, 1]
    reasons = sorted(piece.reason for piece in await held(city, intake))
    assert reasons == sorted(
        [
            "reading_time_window",
            "nonstandard_unit_layout",
            "version_not_served",
            "encryption_not_served",
            "unknown_device",
            "bad_field",
            "bad_bcc",
        ]
    )
    assert {row[2] for row in keys(await logged(bus))} == {NOW}
