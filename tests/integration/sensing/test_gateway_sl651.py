"""SL 651 over TCP: a simulated station, the log, the quarantine, queries and pictures."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chengnao.kernel.bus import Bus
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import register
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.gateways.pictures import KEPT, PictureShelf
from chengnao.sensing.protocols.shape import Command, Picture, Receipt
from chengnao.sensing.protocols.sl651 import ETB, ETX, encode
from chengnao.sensing.protocols.sl651_body import time_bytes
from chengnao.sensing.protocols.sl651_dialogue import WIRE
from chengnao.sensing.simulators.sl651 import SIMULATION, Station

from .conftest import device
from .logged import keys, logged
from .speaking import Spoken, held, now, serving, until

pytestmark = pytest.mark.engines


@pytest.fixture
async def gateway(city: Database, intake: Intake) -> AsyncIterator[LineGateway]:
    async with city.unit_of_work() as uow:
        address = SIMULATION.make(1).address
        await register(uow, device("gauge-1", SIMULATION.class_code, protocol=Protocol.SL651, address=address))
        await uow.commit()
    await intake.feed.refresh()
    async with serving(WIRE, intake) as made:
        yield made


@pytest.fixture
async def station(gateway: LineGateway) -> AsyncIterator[Spoken]:
    spoken = await Spoken.connect(SIMULATION.make(1), gateway)
    yield spoken
    await spoken.close()


async def test_a_report_is_on_the_log_before_it_is_confirmed(station: Spoken, bus: Bus) -> None:
    station.send(b"noise" + station.device.report(now()))
    await until(lambda: station.device.acknowledged == 1)
    found = {metric: value for device_id, metric, _, value, _ in keys(await logged(bus)) if device_id == "gauge-1"}
    assert set(found) == {"level", "rain_total", "battery", "sl651.pj"}
    assert 155 <= found["level"] <= 165


async def test_over_udp_too(gateway: LineGateway, bus: Bus) -> None:
    said: asyncio.Queue[bytes] = asyncio.Queue()

    class Datagrams(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, peer: object) -> None:
            said.put_nowait(data)

    made = SIMULATION.make(1)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Datagrams, remote_addr=gateway.address)
    transport.sendto(made.report(now())[:20])  # cut, and spoils nothing
    transport.sendto(made.report(now()))
    made.hear(await asyncio.wait_for(said.get(), 5), now())
    assert made.acknowledged == 1
    transport.close()
    assert "level" in {key[1] for key in keys(await logged(bus))}


async def test_wrong_frames_and_strangers_are_held(
    gateway: LineGateway, station: Spoken, city: Database, intake: Intake
) -> None:
    raw = station.device.report(now())
    station.send(raw[:-1] + bytes((raw[-1] ^ 1,)) + station.device.report(now()))
    await until(lambda: station.device.acknowledged == 1)
    stranger = await Spoken.connect(SIMULATION.make(2), gateway)
    stranger.send(stranger.device.report(now()))
    await until(lambda: gateway.unknown)
    await asyncio.sleep(0.3)
    assert stranger.said == b""
    await stranger.close()
    assert {(piece.reason, piece.device_hint) for piece in await held(city, intake)} == {
        ("bad_crc", SIMULATION.make(1).address),
        ("unknown_device", SIMULATION.make(2).address),
    }


async def test_queries_and_the_clock(gateway: LineGateway, station: Spoken, intake: Intake, bus: Bus) -> None:
    answered: list[Receipt] = []
    intake.receipts = lambda device_id, receipt: answered.append(receipt) if device_id == "gauge-1" else None
    await until(lambda: "gauge-1" in gateway.of_device)
    assert gateway.command("gauge-1", Command("k-1", "read_elements", {"elements": ["Z"]}))
    assert gateway.command("gauge-1", Command("k-2", "set_clock"))
    await until(lambda: len(answered) == 2)
    assert [(receipt.key, receipt.ok) for receipt in answered] == [("k-1", True), ("k-2", True)]
    assert isinstance(station.device, Station)
    assert abs(station.device.offset.total_seconds()) < 5
    assert [key[1] for key in keys(await logged(bus))] == ["level"]


async def test_a_picture_is_kept_beside_the_readings(station: Spoken, intake: Intake, bus: Bus, tmp_path: Path) -> None:
    intake.pictures = PictureShelf(tmp_path, intake.clock).keep
    address, photo = station.device.address, b"\xff\xd8" + bytes(range(256)) * 8
    body = b"\x00\x01" + time_bytes(now()) + b"\xf1\xf1" + bytes.fromhex(address) + b"\x48\xf0\xf0"
    body += time_bytes(now(), seconds=False) + b"\xf3\xf3" + photo
    parts = [body[at : at + 500] for at in range(0, len(body), 500)]
    for number, part in reversed(list(enumerate(parts, 1))):
        end = ETX if number == len(parts) else ETB
        station.send(encode(address, 1, "1234", 0x36, part, end=end, packet=(len(parts), number)))
    await until(lambda: pictures(tmp_path))
    assert pictures(tmp_path) == [photo]
    await asyncio.sleep(0.2)
    assert [key[1:4:2] for key in keys(await logged(bus))] == [("sl651.picture_bytes", float(len(photo)))]


def pictures(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.glob("gauge-1/*.jpg")]


def test_the_oldest_pictures_go(tmp_path: Path) -> None:
    shelf, first = PictureShelf(tmp_path, SystemClock()), datetime(2026, 1, 1, tzinfo=UTC)
    for hour in [*range(KEPT + 3), KEPT]:
        shelf.keep("s:1", Picture(b"\xff\xd8" + bytes((hour,)), first + timedelta(hours=hour)))
    shelf.keep("s:1", Picture(b"x" * 5_000_000, first))
    names = sorted(file.name for file in (tmp_path / "s_1").iterdir())
    assert len(names) == KEPT
    assert names[0] == "20260101T030000Z.jpg"
