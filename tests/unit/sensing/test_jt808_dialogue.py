"""JT/T 808: what follows from each frame of a connection, without a socket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.kernel.places import Gcj02Place, Place
from chengnao.sensing.protocols import jt808_bodies as bodies
from chengnao.sensing.protocols.jt808 import Frame, Package, decode, encode
from chengnao.sensing.protocols.jt808_dialogue import Jt808Dialogue, auth_code
from chengnao.sensing.protocols.jt808_location import write_location
from chengnao.sensing.protocols.jt808_parts import MAX_ASKED, MAX_BYTES, MAX_MESSAGES, MAX_PARTS, Assembler
from chengnao.sensing.protocols.shape import Act, Command, Known, Now, Receipt, Refused, Reply, Report
from chengnao.sensing.simulators.jt808 import Terminal

PHONE = "13900000001"
TIME = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@dataclass
class Vehicle:
    id: str = "bus-1"
    address: str = PHONE
    settings: Mapping[str, Any] = field(default_factory=dict)
    behind: Mapping[str, Known] = field(default_factory=dict)


def now(seconds: float = 0.0) -> Now:
    return Now(TIME + timedelta(seconds=seconds), seconds)


def frame(raw: bytes) -> Frame:
    found = decode(raw)
    assert isinstance(found, Frame), found
    return found


def heard(dialogue: Jt808Dialogue, raw: bytes, vehicle: Vehicle | None = None, seconds: float = 0.0) -> list[Act]:
    return dialogue.hear(frame(raw), vehicle or Vehicle(), now(seconds))


def said(acts: list[Act]) -> dict[str, Any]:
    """The body of the one answer."""
    (act,) = acts
    raw = act.data if isinstance(act, Reply) else act.reply if isinstance(act, Report | Refused) else b""
    found: dict[str, Any] = frame(raw).fields()["body"]
    return found


def position(serial: int = 5, version: str = "2013", time: datetime = TIME, **more: Any) -> bytes:
    return encode(0x0200, PHONE, serial, write_location(time, 106.55, 29.56, speed_kmh=31.5, **more), version)


@pytest.mark.parametrize("version", ["2013", "2019"])
def test_registration_gives_the_code_that_then_authenticates(version: str) -> None:
    dialogue, terminal = Jt808Dialogue(), Terminal(1 if version == "2019" else 2)
    vehicle = Vehicle(address=terminal.address)
    raw = terminal.hello(TIME)
    for _ in range(2):
        (act,) = heard(dialogue, raw, vehicle)
        assert isinstance(act, Reply)
        told = frame(act.data)
        assert told.version == version
        assert told.fields()["body"] == {"ack_serial": 0, "result": 0, "auth_code": auth_code(vehicle)}
        raw_again = terminal.hear(act.data, TIME)
        (act,) = heard(dialogue, raw_again, vehicle)
        assert isinstance(act, Reply)
        terminal.hear(act.data, TIME)
        assert terminal.ready


def test_codes_differ_by_phone_and_a_wrong_one_is_told() -> None:
    assert auth_code(Vehicle()) != auth_code(Vehicle(address="13900000002"))
    assert said(heard(Jt808Dialogue(), encode(0x0102, PHONE, 3, b"wrong"))) == {
        "ack_serial": 3,
        "ack_msg_id": "0x0102",
        "result": 1,
    }


def test_a_code_of_its_own_is_demanded_before_data() -> None:
    dialogue, vehicle = Jt808Dialogue(), Vehicle(settings={"auth_code": "S-7"})
    (act,) = heard(dialogue, position(), vehicle)
    assert isinstance(act, Refused)
    assert act.refusal.code == "not_authenticated"
    assert said([act])["result"] == 1
    assert said(heard(dialogue, encode(0x0102, PHONE, 3, b"S-7"), vehicle))["result"] == 0
    assert isinstance(heard(dialogue, position(), vehicle)[0], Report)


def test_unknown_terminals_are_told() -> None:
    dialogue = Jt808Dialogue()
    register = frame(dialogue.unknown(frame(Terminal(1).hello(TIME)), now()))
    assert register.fields()["body"] == {"ack_serial": 0, "result": 4}
    other = frame(dialogue.unknown(frame(position(9)), now()))
    assert other.fields()["body"] == {"ack_serial": 9, "ack_msg_id": "0x0200", "result": 1}
    assert dialogue.unknown(frame(encode(0x0001, PHONE, 1, bytes(5))), now()) == b""


def test_the_address_is_the_phone_without_leading_zeros() -> None:
    dialogue = Jt808Dialogue()
    for version in ("2013", "2019"):
        assert dialogue.address(frame(encode(0x0002, PHONE, 1, b"", version))) == PHONE
    assert dialogue.address(frame(encode(0x0002, "0", 1))) == ""


def test_position_becomes_values_and_is_answered_under_its_serial() -> None:
    extras = {1: (1234).to_bytes(4, "big"), 2: b"\x01\x00", 6: b"\xff\xf6", 0x30: b"\x14"}
    (act,) = heard(Jt808Dialogue(), position(7, "2019", altitude_m=240, direction=90, alarm=2, extras=extras))
    assert isinstance(act, Report)
    assert {value.point: value.value for value in act.values} == {
        "alarm": 2,
        "ignition": 1.0,
        "lon": 106.55,
        "lat": 29.56,
        "altitude": 240,
        "speed": 31.5,
        "direction": 90,
        "mileage": 123.4,
        "fuel": 25.6,
        "signal": 20,
        "cargo_temperature": -10,
    }
    assert act.time == TIME
    assert said([act]) == {"ack_serial": 7, "ack_msg_id": "0x0200", "result": 0}
    assert frame(act.wrong).fields()["body"]["result"] == 2
    assert {"lon", "lat"} <= act.personal


def test_without_a_fix_there_is_no_place() -> None:
    for status in (1, 0):
        (act,) = heard(Jt808Dialogue(), position(status=status))
        assert isinstance(act, Report)
        assert {value.point for value in act.values} == {"alarm", "ignition"}
    (act,) = heard(Jt808Dialogue(), encode(0x0200, PHONE, 1, write_location(TIME, 0, 0)))
    assert isinstance(act, Report)
    assert not {value.point for value in act.values} & {"lon", "lat", "speed"}


def test_the_datum_of_the_fleet() -> None:
    true = Place(106.55, 29.56)
    shifted = Gcj02Place.from_wgs84(true)
    raw = encode(0x0200, PHONE, 1, write_location(TIME, shifted.lon, shifted.lat))
    (act,) = heard(Jt808Dialogue(), raw, Vehicle(settings={"datum": "gcj02"}))
    assert isinstance(act, Report)
    found = {value.point: value.value for value in act.values}
    assert Place(found["lon"], found["lat"]).distance_m(true) < 0.5
    (act,) = heard(Jt808Dialogue(), raw, Vehicle(settings={"datum": "mars"}))
    assert isinstance(act, Report)
    assert "lon" not in {value.point for value in act.values}


def test_a_time_that_is_none_is_refused_and_told() -> None:
    body = write_location(TIME, 106.5, 29.5)[:-6] + bytes.fromhex("261301000000")
    (act,) = heard(Jt808Dialogue(), encode(0x0200, PHONE, 1, body))
    assert isinstance(act, Refused)
    assert act.refusal.code == "reading_time"
    assert said([act])["result"] == 2


def batch(*items: bytes, count: int | None = None) -> bytes:
    body = (len(items) if count is None else count).to_bytes(2, "big") + b"\x01"
    return body + b"".join(len(item).to_bytes(2, "big") + item for item in items)


def test_a_batch_is_one_report_with_the_times_of_its_positions() -> None:
    times = [TIME - timedelta(minutes=minutes) for minutes in (3, 2, 1)]
    items = [write_location(time, 106.5, 29.5) for time in times]
    ancient = write_location(TIME - timedelta(days=4000), 106.5, 29.5)
    acts = heard(Jt808Dialogue(), encode(0x0704, PHONE, 8, batch(*items, ancient, b"\x00" * 9)))
    assert [act.refusal.code for act in acts if isinstance(act, Refused)] == ["reading_time_window", "too_short"]
    report = acts[-1]
    assert isinstance(report, Report)
    assert sorted({value.time for value in report.values if value.time}) == times
    assert said([report]) == {"ack_serial": 8, "ack_msg_id": "0x0704", "result": 0}


def test_a_batch_that_is_cut_or_holds_nothing() -> None:
    item = write_location(TIME, 106.5, 29.5)
    acts = heard(Jt808Dialogue(), encode(0x0704, PHONE, 8, batch(item, count=2) + b"\x00\x1c\x00"))
    assert [type(act) for act in acts] == [Refused, Report]
    assert [type(act) for act in heard(Jt808Dialogue(), encode(0x0704, PHONE, 8, batch()))] == [Reply]
    assert said(heard(Jt808Dialogue(), encode(0x0704, PHONE, 8, b"\x00")))["result"] == 2


def test_heartbeat_logout_and_what_is_not_kept() -> None:
    dialogue = Jt808Dialogue()
    assert said(heard(dialogue, encode(0x0002, PHONE, 1)))["result"] == 0
    assert said(heard(dialogue, encode(0x0003, PHONE, 2)))["result"] == 0
    for number in (0x0702, 0x0801):
        (act,) = heard(dialogue, encode(number, PHONE, 3, bytes(40)))
        assert isinstance(act, Reply)
        assert said([act])["result"] == 3
    (act,) = heard(dialogue, encode(0x0900, PHONE, 4, b"\xf0data"))
    assert isinstance(act, Refused)
    assert act.refusal.code == "command_not_served"
    assert said([act])["result"] == 3


def test_encrypted_bodies_are_refused_openly() -> None:
    data = bytearray(encode(0x0200, PHONE, 1, b"\x01\x02\x03\x04")[1:-1])
    data[2] |= 0x04
    data[-1] ^= 0x04
    (act,) = heard(Jt808Dialogue(), b"\x7e" + bytes(data) + b"\x7e")
    assert isinstance(act, Refused)
    assert act.refusal.code == "encryption_not_served"
    assert said([act])["result"] == 3


def parts(whole: bytes, count: int, serial: int = 20, msg_id: int = 0x0704) -> list[bytes]:
    size = -(-len(whole) // count)
    return [
        encode(msg_id, PHONE, serial + n, whole[n * size : n * size + size], "2013", Package(count, n + 1))
        for n in range(count)
    ]


WHOLE = batch(*(write_location(TIME - timedelta(seconds=n), 106.5, 29.5) for n in range(9)))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 1, 2, 2, 0)])
def test_parts_in_any_order_and_twice(order: tuple[int, ...]) -> None:
    dialogue, pieces = Jt808Dialogue(), parts(WHOLE, 3)
    for number in order[:-1]:
        assert said(heard(dialogue, pieces[number]))["ack_serial"] == 20 + number
    (report,) = heard(dialogue, pieces[order[-1]])
    assert isinstance(report, Report)
    assert len({value.time for value in report.values}) == 9
    assert said([report]) == {"ack_serial": 20 + order[-1], "ack_msg_id": "0x0704", "result": 0}


def test_a_part_whose_answer_was_lost_brings_the_whole_again() -> None:
    dialogue, pieces = Jt808Dialogue(), parts(WHOLE, 3)
    for piece in pieces:
        heard(dialogue, piece)
    assert isinstance(heard(dialogue, pieces[1])[0], Report)
    other = parts(batch(*(write_location(TIME, 106.6, 29.6) for _ in range(9))), 3)
    assert isinstance(heard(dialogue, other[0])[0], Reply)
    heard(dialogue, other[1])
    assert isinstance(heard(dialogue, other[2])[0], Report)


@pytest.mark.parametrize("version", ["2013", "2019"])
def test_missing_parts_are_asked_for_and_given_up(version: str) -> None:
    dialogue = Jt808Dialogue()
    heard(dialogue, encode(0x0704, PHONE, 21, b"abc", version, Package(4, 2)))
    asked = 0
    for seconds in range(1, 59):
        for act in dialogue.tick(now(seconds)):
            assert isinstance(act, Reply)
            ask = frame(act.data)
            assert (ask.msg_id, ask.version) == (0x8003, version)
            count = b"\x00\x03" if version == "2019" else b"\x03"
            assert ask.body == (20).to_bytes(2, "big") + count + bytes.fromhex("000100030004")
            asked += 1
    assert asked == MAX_ASKED
    (gone,) = dialogue.tick(now(61))
    assert isinstance(gone, Refused)
    assert (gone.refusal.code, gone.refusal.params["missing"]) == ("parts_missing", 3)
    assert dialogue.close() == []


def test_parts_that_cannot_be_and_parts_without_end_are_bounded() -> None:
    (act,) = heard(Jt808Dialogue(), encode(0x0704, PHONE, 1, b"x", package=Package(2, 3)))
    assert isinstance(act, Refused)
    assert act.refusal.code == "bad_field"
    assembler = Assembler()
    given_up = 0
    for number in range(3 * MAX_PARTS):
        raw = encode(0x0900, PHONE, number * 7 % 65536, bytes(1023), package=Package(MAX_PARTS, number % MAX_PARTS + 1))
        given_up += len(assembler.take(frame(raw), 0.0).given_up)
    left = assembler.close()
    assert given_up > 0
    assert len(left) <= MAX_MESSAGES
    assert sum(message.size for message in left) <= MAX_BYTES


def order(name: str, **arguments: Any) -> Command:
    return Command("key-1", name, arguments)


def given_to(dialogue: Jt808Dialogue, command: Command, vehicle: Vehicle | None = None) -> Frame:
    return frame(dialogue.command(command, vehicle or Vehicle(), now()))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(
    "command",
    [
        order("set_parameters", parameters={"interval_seconds": 15}),
        order("query_parameters"),
        order("query_attributes"),
        order("query_position"),
        order("text", text="前方施工，请绕行", urgent=True),
    ],
    ids=lambda command: command.name,
)
def test_commands_come_back_as_receipts(number: int, command: Command) -> None:
    terminal = Terminal(number)
    vehicle = Vehicle(address=terminal.address)
    dialogue = Jt808Dialogue()
    heard(dialogue, terminal.hello(TIME), vehicle)
    raw = dialogue.command(command, vehicle, now())
    acts = heard(dialogue, terminal.hear(raw, TIME), vehicle)
    receipts = [act for act in acts if isinstance(act, Receipt)]
    assert [(receipt.key, receipt.ok) for receipt in receipts] == [("key-1", True)]
    assert "longitude" not in receipts[0].detail
    if command.name == "set_parameters":
        assert terminal.interval_seconds == 15
    if command.name == "query_parameters":
        assert receipts[0].detail["parameters"]["max_speed_kmh"] == 80
    if command.name == "query_attributes":
        assert receipts[0].detail["maker"] == "CN808"
    if command.name == "query_position":
        assert any(isinstance(act, Report) and not act.reply for act in acts)
    if command.name == "text":
        assert terminal.texts == ["前方施工，请绕行"]
    assert not [act for act in heard(dialogue, terminal.hear(raw, TIME), vehicle) if isinstance(act, Receipt)]


def test_a_refused_command_and_answers_of_others() -> None:
    dialogue = Jt808Dialogue()
    serial = given_to(dialogue, order("query_parameters")).serial
    answer = serial.to_bytes(2, "big") + (0x8104).to_bytes(2, "big")
    assert heard(dialogue, encode(0x0001, PHONE, 1, answer + b"\x00")) == []
    stranger = Vehicle("bus-2", "13900000002")
    assert heard(dialogue, encode(0x0001, "13900000002", 1, answer + b"\x03"), stranger) == []
    (act,) = heard(dialogue, encode(0x0001, PHONE, 1, answer + b"\x03"))
    assert act == Receipt("key-1", False, {"ack_serial": serial, "ack_msg_id": "0x8104", "result": 3})


def test_commands_that_there_are_not() -> None:
    dialogue = Jt808Dialogue()
    for command, code in [
        (order("explode"), "command_unknown"),
        (order("text"), "invalid_value"),
        (order("text", text="😀"), "invalid_value"),
        (order("text", text="长" * 600), "invalid_value"),
        (order("set_parameters"), "invalid_value"),
        (order("set_parameters", parameters={"colour": 1}), "invalid_value"),
        (order("set_parameters", parameters={"interval_seconds": -1}), "invalid_value"),
    ]:
        with pytest.raises(Invalid) as error:
            dialogue.command(command, Vehicle(), now())
        assert error.value.code == code
    with pytest.raises(Invalid):
        dialogue.command(order("query_position"), Vehicle(address="bus"), now())


def test_commands_without_answers_are_forgotten() -> None:
    dialogue = Jt808Dialogue()
    for _ in range(1000):
        dialogue.command(order("query_position"), Vehicle(), now())
    assert len(dialogue._given) <= 64
    dialogue.tick(now(10_000))
    assert dialogue._given == {}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x0001, 0x0100, 0x0102, 0x0104, 0x0107, 0x0200, 0x0201, 0x0704, 0x0801, 0x1234]),
            st.binary(max_size=120),
            st.sampled_from(["2013", "2019"]),
            st.none() | st.builds(Package, st.integers(0, 4), st.integers(0, 4)),
        ),
        max_size=12,
    )
)
def test_nothing_that_a_frame_holds_raises(messages: list[tuple[int, bytes, str, Package | None]]) -> None:
    dialogue = Jt808Dialogue()
    for number, (msg_id, body, version, package) in enumerate(messages):
        found = frame(encode(msg_id, PHONE, number, body, version, package))
        dialogue.hear(found, Vehicle(), now(number))
        dialogue.unknown(found, now(number))
        dialogue.tick(now(number * 10))
    dialogue.close()


def test_widths_are_those_of_the_editions() -> None:
    assert [width.fixed for width in bodies.WIDTHS.values()] == [76, 37, 25]
