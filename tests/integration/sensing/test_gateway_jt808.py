"""JT/T 808 over TCP: what terminals send, what they are answered, what stands on the log and what is held."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import register
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.gateways.replay import Replayer
from chengnao.sensing.protocols.jt808 import Frame, Package, encode
from chengnao.sensing.protocols.jt808_dialogue import WIRE
from chengnao.sensing.protocols.jt808_location import write_location
from chengnao.sensing.protocols.jt808_stream import Framer
from chengnao.sensing.protocols.shape import Command, Receipt
from chengnao.sensing.quarantine.model import State
from chengnao.sensing.quarantine.repository import QuarantineRepository
from chengnao.sensing.simulators.jt808 import Terminal

from .conftest import device
from .logged import keys, logged
from .speaking import held, serving

pytestmark = pytest.mark.engines

NOW = datetime.now(UTC).replace(microsecond=0)
BUS, LORRY = Terminal(1), Terminal(2)


class Line:
    """The terminal's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._framer = Framer()
        self._read: list[Frame] = []

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def answer(self, timeout: float = 5) -> Frame:
        while not self._read:
            data = await asyncio.wait_for(self.reader.read(4096), timeout)
            assert data, "the connection is closed"
            self._read += [piece for piece in self._framer.feed(data) if isinstance(piece, Frame)]
        return self._read.pop(0)

    async def result(self) -> int:
        found = (await self.answer()).fields()["body"]["result"]
        assert isinstance(found, int)
        return found

    async def sign_in(self, terminal: Terminal) -> None:
        self.send(terminal.hello(NOW))
        while not terminal.ready:
            self.send(terminal.hear((await self.answer()).raw, NOW))


@pytest.fixture
async def gateway(intake: Intake, city: Database) -> AsyncIterator[LineGateway]:
    async with city.unit_of_work() as uow:
        for name, terminal, class_code in (("bus-1", BUS, "municipal_vehicle"), ("lorry-1", LORRY, "water_flow")):
            await register(uow, device(name, class_code, protocol=Protocol.JT808, address=terminal.address))
        await uow.commit()
    await intake.feed.refresh()
    async with serving(WIRE, intake) as made:
        yield made


@pytest.fixture
async def line(gateway: LineGateway) -> AsyncIterator[Line]:
    made = Line(*await asyncio.open_connection(*gateway.address))
    yield made
    made.writer.close()


def position(serial: int = 5, time: datetime = NOW, phone: str = BUS.address) -> bytes:
    return encode(0x0200, phone, serial, write_location(time, 106.55, 29.56, speed_kmh=31.5), "2019")


async def test_the_simulator_signs_in_reports_and_is_acknowledged(line: Line, bus: Bus) -> None:
    terminal = Terminal(1)
    await line.sign_in(terminal)
    for number in range(3):
        line.send(terminal.report(NOW - timedelta(seconds=number)))
        terminal.hear((await line.answer()).raw, NOW)
    assert terminal.acknowledged == 3
    rows = keys(await logged(bus))
    assert {row[0] for row in rows} == {"bus-1"}
    assert {row[1] for row in rows} >= {"lon", "lat", "speed", "mileage", "fuel", "ignition"}
    assert not {row[1] for row in rows if row[1].startswith("jt808.")} - {"jt808.altitude"}
    assert {row[4] for row in rows} == {"good"}


async def test_no_place_is_kept_where_the_class_maps_none(line: Line, bus: Bus) -> None:
    line.send(encode(0x0200, LORRY.address, 1, write_location(NOW, 106.55, 29.56, altitude_m=240, direction=9)))
    assert await line.result() == 0
    assert {key[1] for key in keys(await logged(bus))} == {"jt808.alarm", "jt808.ignition", "jt808.speed"}


async def test_no_answer_while_the_log_is_away_and_none_twice_on_it(line: Line, intake: Intake, bus: Bus) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="away")

    kept, intake.committer._publish = intake.committer._publish, refuse
    line.send(position())
    with pytest.raises(TimeoutError):
        await line.answer(0.4)
    intake.committer._publish = kept
    for _ in range(2):  # the terminal sends it again, and once more
        line.send(position())
        assert await line.result() == 0
    rows = keys(await logged(bus))
    assert len(set(rows)) == 6
    assert len({(row[0], row[1], row[2]) for row in rows}) == 6


async def test_a_clock_of_2070_is_told_and_held(line: Line, city: Database, intake: Intake) -> None:
    line.send(position(time=datetime(2070, 1, 1, tzinfo=UTC)))
    assert await line.result() == 2
    assert [piece.reason for piece in await held(city, intake)] == ["reading_time_window"]


async def test_sticky_half_and_wrong_frames(line: Line, bus: Bus, city: Database, intake: Intake) -> None:
    wrong = position(2)[:-2] + b"\x00\x7e"
    raw = b"$$" + position(1) + wrong + position(3)[1:]
    line.send(raw[:70])
    await asyncio.sleep(0.05)
    line.send(raw[70:])
    serials = [(await line.answer()).fields()["body"]["ack_serial"] for _ in range(2)]
    assert serials == [1, 3]
    pieces = {piece.reason: piece for piece in await held(city, intake)}
    assert set(pieces) == {"garbage", "bad_checksum"}
    assert pieces["bad_checksum"].payload == wrong
    assert pieces["bad_checksum"].device_hint == BUS.address


async def test_a_batch_in_parts_reaches_the_log_before_its_last_part_is_answered(line: Line, bus: Bus) -> None:
    items = [write_location(NOW - timedelta(seconds=second), 106.55, 29.56) for second in range(30)]
    whole = (30).to_bytes(2, "big") + b"\x01" + b"".join(b"\x00\x1c" + item for item in items)
    for number in (2, 1):
        part = whole[:500] if number == 1 else whole[500:]
        line.send(encode(0x0704, BUS.address, 40 + number, part, "2019", Package(2, number)))
        assert await line.result() == 0
    assert len({row[2] for row in keys(await logged(bus))}) == 30


async def test_an_unknown_terminal_is_told_and_replayed_once_registered(
    line: Line, city: Database, intake: Intake, bus: Bus
) -> None:
    stranger = Terminal(9)
    line.send(stranger.hello(NOW))
    assert await line.result() == 4
    await asyncio.sleep(1.1)
    line.send(position(phone=stranger.address))
    assert await line.result() == 1
    pieces = await held(city, intake)
    assert {(piece.reason, piece.device_hint) for piece in pieces} == {("unknown_device", stranger.address)}
    (located,) = [piece for piece in pieces if piece.payload == position(phone=stranger.address)]
    async with city.unit_of_work() as uow:
        await register(uow, device("bus-9", "municipal_vehicle", protocol=Protocol.JT808, address=stranger.address))
        await QuarantineRepository(uow.session).move(located.id, State.REPLAY_REQUESTED, NOW)
        await uow.commit()
    await Replayer(intake, city).replay_some()
    assert {key[0] for key in keys(await logged(bus))} == {"bus-9"}


async def test_a_command_and_its_receipt(line: Line, gateway: LineGateway, intake: Intake) -> None:
    receipts: list[tuple[str, Receipt]] = []
    intake.receipts = lambda device_id, receipt: receipts.append((device_id, receipt))
    terminal = Terminal(1)
    await line.sign_in(terminal)
    assert not gateway.command("lorry-1", Command("k-0", "query_position"))
    for key, name, arguments in (("k-1", "text", {"text": "请减速"}), ("k-2", "query_parameters", {})):
        assert gateway.command("bus-1", Command(key, name, arguments))
        line.send(terminal.hear((await line.answer()).raw, NOW))
    line.send(encode(0x0002, terminal.address, 99))
    await line.answer()
    assert [(device_id, receipt.key, receipt.ok) for device_id, receipt in receipts] == [
        ("bus-1", "k-1", True),
        ("bus-1", "k-2", True),
    ]
    assert terminal.texts == ["请减速"]


async def test_a_terminal_over_udp(gateway: LineGateway, bus: Bus) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    class End(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, peer: object) -> None:
            heard.put_nowait(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(End, remote_addr=gateway.address)
    transport.sendto(position(7))
    (frame,) = Framer().feed(await asyncio.wait_for(heard.get(), 5))
    transport.close()
    assert isinstance(frame, Frame)
    assert frame.fields()["body"] == {"ack_serial": 7, "ack_msg_id": "0x0200", "result": 0}
    assert {row[0] for row in keys(await logged(bus))} == {"bus-1"}
