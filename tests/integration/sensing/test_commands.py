"""Commands from the ledger over a real connection of HJ 212, and the answers back."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from chengnao.kernel.access.model import Principal, Role, Scope
from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Conflict, Forbidden
from chengnao.sensing.commands import service
from chengnao.sensing.commands.model import READY, DeviceCommand, State, Step
from chengnao.sensing.commands.repository import CommandRepository
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import put_all, require_device
from chengnao.sensing.gateways.commanding import Commander
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.protocols.hj212 import Frame, decode, encode
from chengnao.sensing.protocols.hj212_dialogue import WIRE
from chengnao.sensing.protocols.wires import wire
from chengnao.sensing.simulators import jt808

from .conftest import device

pytestmark = pytest.mark.engines

MN = "A110000_0001"
ASKER = Principal("u1", "甲", "user", frozenset({Role.STEWARD}), "500103")
SECOND = Principal("u2", "乙", "user", frozenset({Role.STEWARD}), "500103")


class Desk:
    """What the routes do, without HTTP."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self.database = database
        self.bus = bus

    async def ask(self, name: str, wait: float = 600, to: str = "air-1", **arguments: Any) -> DeviceCommand:
        async with self.database.unit_of_work() as uow:
            device = await require_device(uow, Scope(), to)
            command = await service.ask(uow, ASKER, device, name, arguments, "校准", timedelta(seconds=wait))
            await uow.commit()
        await self.bus.tell(READY, to)
        return command

    async def decide(self, command: DeviceCommand, approve: bool = True, who: Principal = SECOND) -> None:
        async with self.database.unit_of_work() as uow:
            await service.decide(uow, Scope(), who, command.id, approve, "同意")
            await uow.commit()
        await self.bus.tell(READY, "air-1")

    async def record(self, command: DeviceCommand) -> tuple[DeviceCommand, list[Step]]:
        async with self.database.unit_of_work() as uow:
            repository = CommandRepository(uow.session)
            found = await repository.command(Scope(), command.id)
            assert found is not None
            return found, await repository.steps(command.id)

    async def until(self, command: DeviceCommand, state: State, seconds: float = 8) -> DeviceCommand:
        async with asyncio.timeout(seconds):
            while (found := (await self.record(command))[0]).state is not state:
                await asyncio.sleep(0.05)
        return found


class Station:
    """A station that takes commands: it says that it does, and how it ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def greet(self) -> None:
        self.writer.write(encode({"ST": "22", "CN": "1013", "MN": MN, "Flag": "5"}))

    async def command(self, seconds: float = 5) -> Frame:
        while True:
            frame = decode(await asyncio.wait_for(self.reader.readline(), seconds))
            assert isinstance(frame, Frame)
            if frame.cn not in {"9013", "9014"}:
                return frame

    def answer(self, frame: Frame, cn: str, **content: str) -> None:
        self.writer.write(encode({"QN": frame.header["QN"], "ST": "91", "CN": cn, "MN": MN, "Flag": "4"}, content))


@pytest.fixture
async def gateway(intake: Intake, city: Database, bus: Bus) -> AsyncIterator[LineGateway]:
    line = LineGateway(WIRE, intake)
    await line.start("127.0.0.1", 0)
    commander = Commander(city)
    intake.receipts = commander.hear
    duties = [asyncio.create_task(each) for each in (line.run(), commander.run(bus, [line]))]
    yield line
    for duty in duties:
        duty.cancel()
    await line.close()


@pytest.fixture
def desk(city: Database, bus: Bus) -> Desk:
    return Desk(city, bus)


async def connected(gateway: LineGateway) -> Station:
    station = Station(*await asyncio.open_connection(*gateway.address))
    station.greet()
    return station


async def test_asked_approved_sent_and_answered(gateway: LineGateway, desk: Desk, city: Database) -> None:
    station = await connected(gateway)
    command = await desk.ask("calibrate", factor="a34004")
    assert command.state is State.ASKED
    with pytest.raises(Forbidden):
        await desk.decide(command, who=ASKER)
    with pytest.raises(TimeoutError):
        await station.command(1.5)
    await desk.decide(command)
    frame = await station.command()
    assert (frame.cn, frame.header["QN"], frame.cp["PolId"]) == ("3011", command.key, "a34004")
    station.answer(frame, "9011", QnRtn="1")
    station.answer(frame, "9012", ExeRtn="1")
    done = await desk.until(command, State.OK)
    assert done.answer == {"cn": "9012", "ExeRtn": "1"}
    _, steps = await desk.record(command)
    assert [(str(step.state), step.actor_name) for step in steps] == [
        ("asked", "甲"), ("approved", "乙"), ("sent", "系统"), ("ok", "系统")
    ]  # fmt: skip
    async with city.unit_of_work() as uow:
        query = text("SELECT action, actor_name FROM audit WHERE action LIKE 'command.%' ORDER BY id")
        acts = [(row.action, row.actor_name) for row in await uow.session.execute(query)]
    assert acts == [
        ("command.asked", "甲"), ("command.approved", "乙"), ("command.sent", "系统"), ("command.ok", "系统")
    ]  # fmt: skip
    station.writer.close()


async def test_a_device_that_is_away_gets_it_when_it_connects(gateway: LineGateway, desk: Desk) -> None:
    command = await desk.ask("set_interval", seconds=60)
    assert command.state is State.APPROVED
    await asyncio.sleep(1.2)
    assert (await desk.record(command))[0].state is State.APPROVED
    station = await connected(gateway)
    frame = await station.command()
    assert (frame.cn, frame.cp["RtdInterval"]) == ("1062", "60")
    station.answer(frame, "9012", ExeRtn="2")
    assert (await desk.until(command, State.FAILED)).answer == {"cn": "9012", "ExeRtn": "2"}
    station.writer.close()


async def test_what_the_protocol_does_not_know_fails_with_the_reason(gateway: LineGateway, desk: Desk) -> None:
    station = await connected(gateway)
    command = await desk.ask("open_the_sluice")
    await desk.decide(command)
    await desk.until(command, State.FAILED)
    _, steps = await desk.record(command)
    assert steps[-1].detail["error"]["code"] == "command_unknown"
    station.writer.close()


async def test_time_ends_what_waits_and_a_late_answer_still_counts(
    gateway: LineGateway, desk: Desk, city: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "ANSWER_SECONDS", 0.0)
    station = await connected(gateway)
    command = await desk.ask("set_clock")
    frame = await station.command()
    await desk.until(command, State.SENT)
    away = await desk.ask("set_clock", wait=0)
    async with city.unit_of_work() as uow:
        assert await service.end_due(uow) == 2
        await uow.commit()
    assert (await desk.record(command))[0].state is State.UNANSWERED
    assert (await desk.record(away))[0].state is State.EXPIRED
    station.answer(frame, "9012", ExeRtn="1")
    await desk.until(command, State.OK)
    station.writer.close()


async def test_nothing_is_sent_twice(gateway: LineGateway, desk: Desk, city: Database, bus: Bus) -> None:
    """Two gateway processes look for the same command at the same time, again and again."""
    station = await connected(gateway)
    other = Commander(city)
    duty = asyncio.create_task(other.run(bus, [gateway]))
    commands = [await desk.ask("set_clock") for _ in range(20)]
    seen = []
    for _ in commands:
        seen.append((await station.command()).header["QN"])
    with pytest.raises(TimeoutError):
        await station.command(1.5)
    assert sorted(seen) == [command.key for command in commands]
    duty.cancel()
    station.writer.close()


async def test_refused_withdrawn_and_devices_without_a_line(desk: Desk, city: Database) -> None:
    refused, withdrawn = await desk.ask("calibrate", factor="a34004"), await desk.ask("calibrate", factor="a34004")
    await desk.decide(refused, approve=False)
    async with city.unit_of_work() as uow:
        await service.withdraw(uow, Scope(), ASKER, withdrawn.id)
        await uow.commit()
    with pytest.raises(Conflict):
        await desk.decide(withdrawn)
    async with city.unit_of_work() as uow:
        device = await require_device(uow, Scope(), "p-1")
        with pytest.raises(Conflict, match="p-1"):
            await service.ask(uow, ASKER, device, "set_clock", {}, "", timedelta(hours=1))


async def test_a_vehicle_by_jt808(intake: Intake, city: Database, bus: Bus, desk: Desk) -> None:
    """The same ledger over another protocol, whose answers carry numbers of their own."""
    terminal = jt808.SIMULATION.make(1)
    assert isinstance(terminal, jt808.Terminal)
    async with city.unit_of_work() as uow:
        bus_line = device("bus-1", "municipal_vehicle", protocol=Protocol.JT808, address=terminal.address)
        await put_all(uow, [bus_line])
        await uow.commit()
    line = LineGateway(wire("jt808"), intake)
    await line.start("127.0.0.1", 0)
    commander = Commander(city)
    intake.receipts = commander.hear
    duties = [asyncio.create_task(each) for each in (line.run(), commander.run(bus, [line]))]
    reader, writer = await asyncio.open_connection(*line.address)

    async def drive() -> None:
        writer.write(terminal.hello(datetime.now(UTC)))
        while heard := await reader.read(4096):
            writer.write(terminal.hear(heard, datetime.now(UTC)))

    duties.append(asyncio.create_task(drive()))
    asked = await desk.ask("query_parameters", to="bus-1")
    answered = await desk.until(asked, State.OK, 15)
    assert answered.answer is not None
    words = await desk.ask("text", to="bus-1", text="前方施工，请绕行")
    assert words.state is State.ASKED
    await desk.decide(words)
    await desk.until(words, State.OK, 15)
    assert terminal.texts == ["前方施工，请绕行"]
    where = await desk.until(await desk.ask("query_position", to="bus-1"), State.OK, 15)
    assert not {"lon", "lat", "location"} & set(where.answer or {})
    writer.close()
    for duty in duties:
        duty.cancel()
    await line.close()
