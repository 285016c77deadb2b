"""GB/T 26875.3 over TCP: a simulated transmission device, the log, the quarantine, resending, commands."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import register
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.protocols.gb26875 import CONFIRM, DENY, SEND, Frame, Framer, encode
from chengnao.sensing.protocols.gb26875_dialogue import WIRE
from chengnao.sensing.protocols.shape import Command, Receipt
from chengnao.sensing.simulators.gb26875 import SIMULATION, Transmitter

from .conftest import device
from .logged import keys, logged
from .speaking import Spoken, held, now, serving, until

pytestmark = pytest.mark.engines


@pytest.fixture
async def gateway(city: Database, intake: Intake) -> AsyncIterator[LineGateway]:
    async with city.unit_of_work() as uow:
        address = SIMULATION.make(1).address
        await register(uow, device("host-1", SIMULATION.class_code, protocol=Protocol.GB26875, address=address))
        await uow.commit()
    await intake.feed.refresh()
    async with serving(WIRE, intake) as made:
        yield made


@pytest.fixture
async def host(gateway: LineGateway) -> AsyncIterator[Spoken]:
    spoken = await Spoken.connect(SIMULATION.make(1), gateway)
    yield spoken
    await spoken.close()


def transmitter(spoken: Spoken) -> Transmitter:
    assert isinstance(spoken.device, Transmitter)
    return spoken.device


def answers(spoken: Spoken) -> list[Frame]:
    return [piece for piece in Framer().feed(bytes(spoken.said)) if isinstance(piece, Frame)]


async def test_an_alarm_is_on_the_log_before_it_is_confirmed(host: Spoken, bus: Bus) -> None:
    host.send(host.device.report(now()) + b"\x00noise" + transmitter(host).alarm(now(), fire=True))
    await until(lambda: host.device.acknowledged == 2)
    found = keys(await logged(bus))
    assert {(metric, value) for _, metric, _, value, _ in found if metric in {"fire", "normal", "fault"}} >= {
        ("fire", 1.0),
        ("normal", 1.0),
        ("fault", 0.0),
    }
    assert ("host-1", "gb26875.state.1.42.65537") in {key[:2] for key in found}


async def test_nothing_is_confirmed_while_the_log_is_away_and_the_device_sends_again(
    host: Spoken, intake: Intake, bus: Bus
) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="away")

    kept, intake.committer._publish = intake.committer._publish, refuse
    host.send(transmitter(host).alarm(now(), fire=True))
    await asyncio.sleep(0.5)
    assert host.device.acknowledged == 0
    intake.committer._publish = kept
    host.send(host.device.report(now()))
    await until(lambda: host.device.acknowledged == 2)
    assert ("fire", 1.0) in {(key[1], key[3]) for key in keys(await logged(bus))}


async def test_what_is_not_understood_is_held_and_confirmed(
    gateway: LineGateway, host: Spoken, city: Database, intake: Intake
) -> None:
    source = int(host.device.address)
    wrong = bytearray(encode(SEND, 5, source, 1, now(), bytes((21, 1, 1)) + bytes(6)))
    wrong[-3] ^= 1
    host.send(bytes(wrong) + encode(SEND, 6, source, 1, now(), bytes((200, 1)) + b"vendor"))
    stranger = await Spoken.connect(SIMULATION.make(2), gateway)
    stranger.send(stranger.device.report(now()))
    await until(lambda: answers(host) and answers(stranger))
    assert [(frame.command, frame.serial) for frame in answers(host)] == [(CONFIRM, 6)]
    assert [frame.command for frame in answers(stranger)] == [DENY]
    await stranger.close()
    assert {(piece.reason, piece.device_hint) for piece in await held(city, intake)} == {
        ("bad_checksum", SIMULATION.make(1).address),
        ("type_not_served", SIMULATION.make(1).address),
        ("unknown_device", SIMULATION.make(2).address),
    }


async def test_commands(gateway: LineGateway, host: Spoken, intake: Intake, bus: Bus) -> None:
    answered: list[Receipt] = []
    intake.receipts = lambda device_id, receipt: answered.append(receipt) if device_id == "host-1" else None
    host.send(host.device.report(now()))
    await until(lambda: host.device.acknowledged == 1)
    for name in ("set_clock", "read_state"):
        assert gateway.command("host-1", Command(f"key-{name}", name))
    await until(lambda: len(answered) == 2)
    assert {(receipt.key, receipt.ok) for receipt in answered} == {("key-set_clock", True), ("key-read_state", True)}
    assert abs(transmitter(host).offset.total_seconds()) < 5
    assert "line_fault" in {key[1] for key in keys(await logged(bus))}
