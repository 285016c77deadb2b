"""HJ 212 over TCP: what stations send, what they are answered, what stands on the log and what is held."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chengnao.kernel.bus import Bus
from chengnao.kernel.database import Database
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.devices.model import Protocol
from chengnao.sensing.devices.service import register
from chengnao.sensing.gateways.intake import Intake
from chengnao.sensing.gateways.lines import LineGateway
from chengnao.sensing.gateways.replay import Replayer
from chengnao.sensing.protocols.hj212 import Frame, decode, encode, field_text
from chengnao.sensing.protocols.hj212_dialogue import WIRE
from chengnao.sensing.quarantine.model import State
from chengnao.sensing.quarantine.repository import QuarantineRepository

from .conftest import device
from .logged import keys, logged
from .speaking import held, serving

pytestmark = pytest.mark.engines

AIR = "A110000_0001"
NOW = datetime.now(UTC).replace(microsecond=0)


def data(mn: str = AIR, cn: str = "2011", flag: str = "5", at: datetime | None = NOW, **factors: Any) -> bytes:
    parts = {code: {"Rtd" if cn == "2011" else "Avg": str(value), "Flag": "N"} for code, value in factors.items()}
    header = {"QN": field_text(NOW, milliseconds=True), "ST": "22", "CN": cn, "PW": "123456", "MN": mn, "Flag": flag}
    return encode(header, {"DataTime": field_text(at)} if at else {}, parts)


class Station:
    """The other end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, raw: bytes) -> None:
        self.writer.write(raw)

    async def answer(self, timeout: float = 5) -> Frame:
        line = await asyncio.wait_for(self.reader.readline(), timeout)
        frame = decode(line)
        assert isinstance(frame, Frame), line
        return frame

    async def hears_nothing(self, seconds: float = 0.4) -> bool:
        try:
            await asyncio.wait_for(self.reader.readline(), seconds)
        except TimeoutError:
            return True
        return False


@pytest.fixture
async def gateway(intake: Intake) -> AsyncIterator[LineGateway]:
    async with serving(WIRE, intake) as made:
        yield made


async def connect(gateway: LineGateway) -> Station:
    return Station(*await asyncio.open_connection(*gateway.address))


@pytest.fixture
async def station(gateway: LineGateway) -> AsyncIterator[Station]:
    made = await connect(gateway)
    yield made
    made.writer.close()


async def test_readings_reach_the_log_before_the_station_is_answered(station: Station, bus: Bus) -> None:
    station.send(data(a34004=35, a34002="61.5", O3x=7))
    ack = await station.answer()
    assert (ack.cn, ack.mn, ack.header["QN"]) == ("9014", AIR, field_text(NOW, milliseconds=True))
    assert keys(await logged(bus)) == [
        ("air-1", "hj212.o3x", NOW, 7.0, "good"),
        ("air-1", "pm10", NOW, 61.5, "good"),
        ("air-1", "pm25", NOW, 35.0, "good"),
    ]


async def test_no_answer_while_the_log_is_away(station: Station, intake: Intake) -> None:
    async def refuse(_: bytes) -> None:
        raise Unavailable("bus_unavailable", reason="away")

    kept, intake.committer._publish = intake.committer._publish, refuse
    station.send(data(a34004=35))
    assert await station.hears_nothing()
    intake.committer._publish = kept
    station.send(data(a34004=35))
    assert (await station.answer()).cn == "9014"


async def test_answer_only_where_it_is_asked_for(station: Station, bus: Bus) -> None:
    station.send(data(flag="4", a34004=35))
    assert await station.hears_nothing()
    assert len(await logged(bus)) == 1


async def test_half_packets_sticky_frames_and_garbage(
    station: Station, bus: Bus, city: Database, intake: Intake
) -> None:
    one, two = data(a34004=1), data(cn="2061", a34004=2)
    station.send(one[:30])
    await asyncio.sleep(0.05)
    stale = data(a34004=4).replace(b"a34004-Rtd=4", b"a34004-Rtd=5")
    station.send(one[30:] + b"noise" + stale + two)
    for _ in range(2):
        assert (await station.answer()).cn == "9014"
    assert [key[1] for key in keys(await logged(bus))] == ["pm25", "pm25_hour"]
    pieces = {piece.reason: piece for piece in await held(city, intake)}
    assert set(pieces) == {"garbage", "bad_crc"}
    assert pieces["bad_crc"].payload == stale[:-2]
    assert pieces["bad_crc"].device_hint == AIR
    assert pieces["bad_crc"].source is Protocol.HJ212


async def test_flags_become_qualities(station: Station, bus: Bus) -> None:
    flags = {"a34004": "N", "a34002": "D", "a21026": "C", "a21004": "T", "a21005": "S", "a05024": "?"}
    header = {"ST": "22", "CN": "2011", "MN": AIR, "Flag": "5"}
    parts = {code: {"Rtd": "5", "Flag": flag} for code, flag in flags.items()} | {"a01002": {"Rtd": "140"}}
    station.send(encode(header, {"DataTime": field_text(NOW)}, parts))
    await station.answer()
    assert {key[1]: key[4] for key in keys(await logged(bus))} == {
        "pm25": "good",
        "pm10": "fault",
        "so2": "calibrating",
        "no2": "out_of_range",
        "co": "sentinel",
        "o3": "fault",
        "humidity": "out_of_range",
    }


async def test_frames_that_say_nothing_usable_are_held(
    station: Station, city: Database, intake: Intake, bus: Bus
) -> None:
    station.send(data(at=None, a34004=1))
    station.send(data(at=NOW - timedelta(days=40), a34004=1))
    station.send(data(a34004="no number"))
    station.send(encode({"CN": "3020", "MN": AIR, "Flag": "4"}, {"PolId": "i11001"}))
    station.send(data(a34004=1))
    assert (await station.answer()).cn == "9014"
    assert {piece.reason for piece in await held(city, intake)} == {
        "reading_time",
        "reading_time_window",
        "reading_value",
        "command_not_served",
    }
    assert len(await logged(bus)) == 1


async def test_heartbeats_and_notices(station: Station) -> None:
    station.send(encode({"ST": "91", "CN": "9014", "MN": AIR, "Flag": "5"}))
    assert (await station.answer()).cn == "9014"
    station.send(encode({"ST": "22", "CN": "1013", "MN": AIR, "Flag": "5"}))
    assert (await station.answer()).cn == "9013"
    station.send(data())
    assert (await station.answer()).cn == "9014"


async def test_split_packets_share_their_time(station: Station, bus: Bus) -> None:
    header = {"QN": "20260101000000000", "ST": "22", "CN": "2011", "MN": AIR, "Flag": "7", "PNUM": "3"}
    time = {"DataTime": field_text(NOW)}
    station.send(encode(header | {"PNO": "2"}, {}, {"a34002": {"Rtd": "2", "Flag": "N"}}))
    assert await station.hears_nothing(0.2)
    station.send(encode(header | {"PNO": "1"}, time, {"a34004": {"Rtd": "1", "Flag": "N"}}))
    station.send(encode(header | {"PNO": "3"}, {}, {"a21026": {"Rtd": "3", "Flag": "N"}}))
    for _ in range(3):
        assert (await station.answer()).cn == "9014"
    assert [key[1:4] for key in keys(await logged(bus))] == [("pm10", NOW, 2.0), ("pm25", NOW, 1.0), ("so2", NOW, 3.0)]


async def test_unknown_station_is_told_and_replayed_once_registered(
    station: Station, city: Database, intake: Intake, bus: Bus
) -> None:
    station.send(data("STRANGER", a34004=9))
    told = await station.answer()
    assert (told.cn, told.cp) == ("9011", {"QnRtn": "4"})
    piece = (await held(city, intake))[0]
    assert (piece.reason, piece.device_hint) == ("unknown_device", "STRANGER")
    await asyncio.sleep(0.3)
    async with city.unit_of_work() as uow:
        await register(uow, device("stranger-1", "air_station", protocol=Protocol.HJ212, address="STRANGER"))
        await QuarantineRepository(uow.session).move(piece.id, State.REPLAY_REQUESTED, NOW)
        await uow.commit()
    await Replayer(intake, city).replay_some()
    assert (await held(city, intake))[0].state is State.REPLAYED
    assert [key[:2] for key in keys(await logged(bus))] == [("stranger-1", "pm25")]


async def test_stale_crc_is_never_replayed_into_the_log(
    station: Station, city: Database, intake: Intake, bus: Bus
) -> None:
    station.send(data(a34004=4).replace(b"a34004-Rtd=4", b"a34004-Rtd=5"))
    await asyncio.sleep(0.2)
    piece = (await held(city, intake))[0]
    async with city.unit_of_work() as uow:
        await QuarantineRepository(uow.session).move(piece.id, State.REPLAY_REQUESTED, NOW)
        await uow.commit()
    await Replayer(intake, city).replay_some()
    after = (await held(city, intake))[0]
    assert after.state is State.WAITING
    assert after.outcome is not None
    assert after.outcome["error"]["code"] == "bad_crc"
    assert len(await logged(bus)) == 0


async def test_a_flood_is_limited_told_and_counted_while_others_go_on(
    gateway: LineGateway, station: Station, city: Database, intake: Intake, bus: Bus
) -> None:
    intake.limiter.burst, intake.limiter.rate = 20, 0.1
    other = await connect(gateway)
    for number in range(100):
        station.send(data(flag="4", at=NOW - timedelta(seconds=number), a34004=1))
    told = await station.answer()
    assert told.cp == {"QnRtn": "2"}
    other.send(data("river-1", LEVEL=181.2))
    assert (await other.answer()).cn == "9014"
    other.writer.close()
    assert len(await logged(bus)) == 21
    pieces = await held(city, intake)
    assert {piece.reason for piece in pieces} == {"rate_limited"}
    assert len(pieces) == 10
    assert len(pieces) + sum(piece.count for piece in pieces) == 80


async def test_nonsense_without_end_is_cut_off_alone(gateway: LineGateway, station: Station) -> None:
    other = await connect(gateway)
    station.send(b"##0004xxxxyyyy" * 2000)
    assert await asyncio.wait_for(station.reader.read(), 5) == b""
    other.send(data(a34004=1))
    assert (await other.answer()).cn == "9014"
    other.writer.close()


async def test_idle_and_surplus_connections_are_closed(gateway: LineGateway, station: Station) -> None:
    gateway.max_connections = 1
    surplus = await connect(gateway)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(surplus.reader.readexactly(1), 5)
    gateway.idle = 0.5
    assert await asyncio.wait_for(station.reader.read(), 5) == b""


async def test_closing_answers_what_was_taken(gateway: LineGateway, station: Station, bus: Bus) -> None:
    station.send(data(a34004=1))
    while gateway.frames == 0:
        await asyncio.sleep(0.001)
    await gateway.close()
    assert (await station.answer()).cn == "9014"
    assert await asyncio.wait_for(station.reader.read(), 5) == b""
