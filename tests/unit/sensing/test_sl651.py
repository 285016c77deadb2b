"""SL 651-2014: frames of both modes, bodies, streams, and what is said to a station."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.crc import crc16
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Act, Command, Now, Picture, Receipt, Refusal, Refused, Reply, Report
from chengnao.sensing.protocols.sl651 import (
    ACK,
    ENQ,
    EOT,
    ESC,
    ETB,
    ETX,
    NAK,
    Frame,
    Framer,
    decode,
    encode,
)
from chengnao.sensing.protocols.sl651_body import time_bytes
from chengnao.sensing.protocols.sl651_dialogue import WIRE, Sl651Dialogue
from chengnao.sensing.protocols.sl651_elements import ELEMENTS, FUNCTIONS
from chengnao.sensing.protocols.sl651_orders import COMMANDS
from chengnao.sensing.readings.model import Quality
from tests.support import public_frames as public

STATION = "0012345678"
AT = datetime(2026, 11, 25, 4, 30, 20, tzinfo=UTC)
NOW = Now(AT, 100.0)
HEAD = b"\x00\x07" + time_bytes(AT)
# A regular report, as published (hanzhongguo2008/SL651-2014_haikang): the stage is a broken sensor's filling.
REGULAR = bytes.fromhex(
    "7e7e000010000000c95932002b02230d200314120000f1f1001000000050f0f0200314120039230999999920190000002619000000"
    "3812240003db78"
)


def known(**given: Any) -> Any:
    return SimpleNamespace(id="s-1", address=STATION, settings=given, behind={})


def station(data: str) -> bytes:
    """A body of data elements, written in hex after the station's mark."""
    observed = time_bytes(AT, seconds=False)
    return HEAD + b"\xf1\xf1" + bytes.fromhex(STATION) + b"\x48\xf0\xf0" + observed + bytes.fromhex(data)


def up(function: int, body: bytes, **more: Any) -> Frame:
    frame = decode(encode(STATION, 1, "1234", function, body, **more))
    assert isinstance(frame, Frame), frame
    return frame


def down(raw: bytes) -> Frame:
    frame = decode(raw)
    assert isinstance(frame, Frame), frame
    assert frame.down
    return frame


def heard(dialogue: Sl651Dialogue, frame: Frame, **given: Any) -> list[Act]:
    return dialogue.hear(frame, known(**given), NOW)


def test_public_frames() -> None:
    for each in public.recorded("sl651"):
        recording, expected = public.read(WIRE, each), each["expect"]
        if "error" in expected:
            refusal = recording.refused[0]
            assert refusal.code == expected["error"], each["id"]
            wanted = {key: expected[key] for key in ("in_frame", "computed", "need_bytes") if key in expected}
            assert wanted.items() <= refusal.params.items(), each["id"]
        else:
            [frame] = recording.frames
            assert list(public.missing(expected, frame.fields())) == [], each["id"]


def test_crc_goes_high_byte_first() -> None:
    assert REGULAR[-2:] == crc16(REGULAR[:-2]).to_bytes(2, "big")
    swapped = decode(REGULAR[:-2] + REGULAR[:-3:-1])
    assert isinstance(swapped, Refusal)
    assert swapped.code == "bad_crc"


def test_elements_their_sign_and_what_is_missing() -> None:
    frame = up(
        0x32, station("3923ff123456" + "2019ffffff" + "261a00012345" + "ff12110123" + "3812zz".replace("zz", "12"))
    )
    values = {element.code: element.values for element in frame.body.elements}
    assert values["39"] == (-123.456,)
    assert values["20"] == (None,)
    assert frame.warnings == ("unread_elements",)


def test_a_vendor_element_with_two_bytes_of_name() -> None:
    [element] = up(0x32, station("ff12110123")).body.elements
    assert (element.code, element.name, element.values) == ("FF12", "", (12.3,))


def test_no_number_is_told_and_left_out() -> None:
    frame = up(0x32, station("3923aaaaaaaa" + "38121250"))
    assert [element.values for element in frame.body.elements] == [(None,), (12.5,)]
    assert frame.warnings == ("bad_bcd",)


def test_state_word_and_its_alarms() -> None:
    frame = up(0x46, HEAD + b"\xf1\xf1" + bytes.fromhex(STATION) + b"\x45\x20\x00\x00\x00\x05")
    assert frame.fields()["state"] == "0x00000005"
    assert frame.fields()["alarms"] == ["mains_off", "level_over"]


def test_pumps_and_versions() -> None:
    # As the examples of the standard have them: a pump's answer has elements, a version its length before it.
    pumps = "7e7e050011223344123444002f020021170718101949f1f1001122334448f0f017071810197011ffff7111ffff7211ffff7311ffff"
    frame = decode(bytes.fromhex(pumps + "7411ffff7511ffff033703"))
    assert isinstance(frame, Frame)
    assert [(element.name, element.values) for element in frame.body.elements][:2] == [
        ("VTA", (None,)),
        ("VTB", (None,)),
    ]
    assert len(frame.body.elements) == 6
    version = "7e7e0500112233441234450021020022170718101955f1f10011223344114441544138362d53572d56312e3228482903c476"
    frame = decode(bytes.fromhex(version))
    assert isinstance(frame, Frame)
    assert frame.fields()["software_version"] == "DATA86-SW-V1.2(H)"
    clock = decode(bytes.fromhex("7e7e00112233440503e84a800802000017071810214905749e"))
    assert isinstance(clock, Frame)
    assert (clock.down, clock.center, clock.station, clock.end, clock.body.serial) == (True, 5, "0011223344", ENQ, 0)


def test_alarms_are_told_set_or_not() -> None:
    [report] = heard(Sl651Dialogue(), up(0x32, station("4520" + "00000005")))
    assert isinstance(report, Report)
    values = {value.point: value.value for value in report.values}
    assert (values["ZT"], values["ZT.mains_off"], values["ZT.battery_low"]) == (5, 1, 0)
    assert len(values) == 13


def test_a_series_has_as_many_values_as_leave_whole_elements_behind() -> None:
    data = "0418000005" + "3923" + "00010001" + "00010002" + "ffffffff" + "00010004" + "38121250"
    level, voltage = up(0x31, station(data)).body.elements
    assert level.values == (10.001, 10.002, None, 10.004)
    assert [moment for moment, _, _ in level.moments()] == [
        AT.replace(second=0) + timedelta(minutes=5 * number) for number in (0, 1, 3)
    ]
    assert (voltage.code, voltage.values) == ("38", (12.5,))


def test_ascii_frame() -> None:
    body = b"0012201125123020 ST 0012345678 H TT 2011251230 PJ 1.5 Z -0.122 DRP " + b"05FF" * 6 + b" VT 99.99 QQ 7"
    frame = up(0x32, body, in_ascii=True)
    assert frame.ascii
    assert (frame.body.serial, frame.body.station, frame.body.station_type) == (0x12, STATION, 0x48)
    values = {element.name or element.code: element.values for element in frame.body.elements}
    assert values["PJ"] == (1.5,)
    assert values["Z"] == (-0.122,)
    assert values["DRP"] == (0.5, None) * 6
    assert values["QQ"] == (7,)
    assert frame.body.elements[3].sentinels == (True,)
    text = up(0x35, b"0012201125123020 RGZS Q 1.234", in_ascii=True)
    assert text.body.text == "Q 1.234"


def test_ascii_series() -> None:
    body = b"0012201125123020 ST 0012345678 H TT 2011251230 DRN05 Z 1.1 1.2 1.3"
    [level] = up(0x38, body, in_ascii=True).body.elements
    assert level.values == (1.1, 1.2, 1.3)
    assert level.step == timedelta(minutes=5)


def test_every_element_and_function_has_a_name() -> None:
    assert sorted(ELEMENTS) == [code for code in range(1, 0x76) if code not in {0x04, 0x45}]
    assert all(element.title_zh and element.title_en and element.definition >> 3 for element in ELEMENTS.values())
    assert len({element.name for element in ELEMENTS.values()}) == len(ELEMENTS)
    assert set(FUNCTIONS) == {*range(0x2F, 0x3B), *range(0x40, 0x52)}


@given(
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.sampled_from(sorted(FUNCTIONS)),
    st.binary(max_size=300),
    st.booleans(),
    st.sampled_from([ETX, ETB, EOT, ENQ]),
    st.none() | st.tuples(st.integers(2, 4095), st.integers(1, 9)),
)
def test_round_trip(
    center: int, password: int, function: int, body: bytes, downward: bool, end: int, packet: tuple[int, int] | None
) -> None:
    raw = encode(STATION, center, f"{password:04x}", function, body, down=downward, end=end, packet=packet)
    frame = decode(raw)
    assert isinstance(frame, Frame)
    assert (frame.raw, frame.center, frame.station, frame.password) == (raw, center, STATION, f"{password:04x}")
    assert (frame.function, frame.content, frame.down, frame.end, frame.packet) == (
        function, body, downward, end, packet
    )  # fmt: skip
    frame.fields()


@given(st.lists(st.sampled_from([0, 1, 2, 3, 4, 5]), max_size=8), st.data())
def test_any_cut_of_a_stream_gives_the_same_frames(order: list[int], data: st.DataObject) -> None:
    pieces = [
        REGULAR, b"noise\x7e", b"\x01\x02", REGULAR[:30], REGULAR[:-1] + b"\x79",
        encode(STATION, 1, "1234", 0x32, b"0012201125123020 Z 1.5", in_ascii=True),
    ]  # fmt: skip
    stream = b"".join(pieces[number] for number in order)
    whole = read_recording(Framer(), stream)
    framer = Framer()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found = [piece for part in parts for piece in framer.feed(part)] + framer.close()
    assert [piece.raw for piece in found if isinstance(piece, Frame)] == [frame.raw for frame in whole.frames]
    assert sum(order.count(number) for number in (0, 5)) == len(whole.frames)


@settings(max_examples=300)
@given(st.binary(max_size=400), st.integers(0, 60), st.binary(max_size=4))
def test_any_bytes_and_any_body_raise_nothing(noise: bytes, place: int, change: bytes) -> None:
    read_recording(Framer(), noise)
    read_recording(Framer(), REGULAR[:place] + change + REGULAR[place + len(change) :] + noise)
    for function in (0x31, 0x34, 0x36, 0x46):
        frame = up(function, noise[:350])
        frame.fields()
        heard(Sl651Dialogue(), frame)
        heard(Sl651Dialogue(), up(function, noise[:350], in_ascii=True), ascii=True)


def test_serial_with_a_start_mark_and_a_swallowed_frame() -> None:
    marked = encode(STATION, 1, "1234", 0x2F, b"\x7e\x7e" + time_bytes(AT))
    long = REGULAR[:11] + b"\x00\x60" + REGULAR[13:]
    recording = read_recording(Framer(), b"\x7e" + marked + long + REGULAR + marked)
    assert [frame.raw for frame in recording.frames] == [marked, REGULAR, marked]


# What is said.


def test_a_report_is_confirmed_and_a_sentinel_marked() -> None:
    [report] = heard(Sl651Dialogue(), down_to_up(REGULAR))
    assert isinstance(report, Report)
    assert [(value.point, value.value, value.quality) for value in report.values] == [
        ("Z", 9999.999, Quality.SENTINEL),
        ("PJ", 0, Quality.GOOD),
        ("PT", 0, Quality.GOOD),
        ("VT", 24, Quality.GOOD),
    ]
    answer = down(report.reply)
    assert (answer.function, answer.end, answer.station, answer.center) == (0x32, EOT, "0010000000", 0)
    assert (answer.body.serial, answer.body.send_time) == (0x230D, AT.replace(microsecond=0))


def down_to_up(raw: bytes) -> Frame:
    frame = decode(raw)
    assert isinstance(frame, Frame)
    return frame


def test_staying_online_and_stations_that_wait_for_nothing() -> None:
    frame = up(0x32, station("38121250"))
    [report] = heard(Sl651Dialogue(), frame, stay_online=True)
    assert isinstance(report, Report)
    assert down(report.reply).end == ESC
    [report] = heard(Sl651Dialogue(), frame, mode="M1")
    assert isinstance(report, Report)
    assert report.reply == b""
    assert heard(Sl651Dialogue(), up(0x2F, HEAD)) == []


def test_arrays_have_times_of_their_own() -> None:
    [report] = heard(Sl651Dialogue(), up(0x34, station("f460" + "05ff0a" + "ff" * 9)))
    assert isinstance(report, Report)
    first = AT.replace(second=0)
    assert report.time == first
    assert [(value.point, value.value, value.time) for value in report.values] == [
        ("DRP", 0.5, None),
        ("DRP", 1.0, first + timedelta(minutes=10)),
    ]


def test_ascii_wants_its_setting() -> None:
    frame = up(0x32, b"0012201125123020 ST 0012345678 H TT 2011251230 Z 1.5", in_ascii=True)
    [refused] = heard(Sl651Dialogue(), frame)
    assert isinstance(refused, Refused)
    assert refused.refusal.code == "ascii_not_enabled"
    [report] = heard(Sl651Dialogue(), frame, ascii=True)
    assert isinstance(report, Report)
    assert down(report.reply).ascii


def test_what_has_no_time_or_no_such_function_is_held() -> None:
    body = b"\x00\x07" + bytes.fromhex("261399123020") + b"\xf1\xf1" + bytes.fromhex(STATION) + b"\x48\x38\x12\x12\x50"
    [refused] = heard(Sl651Dialogue(), up(0x32, body))
    assert isinstance(refused, Refused)
    assert refused.refusal.code == "reading_time"
    assert down(refused.reply).end == EOT
    for frame in (up(0xE1, HEAD), up(0x32, HEAD, down=True)):
        [refused] = heard(Sl651Dialogue(), frame)
        assert isinstance(refused, Refused)
        assert refused.refusal.code == "command_not_served"


def packets(function: int, body: bytes, size: int = 40) -> list[Frame]:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    last = len(parts)
    return [
        up(function, part, packet=(last, number), end=ETX if number == last else ETB)
        for number, part in enumerate(parts, 1)
    ]


PHOTO = b"\xff\xd8" + bytes(range(256))


def test_a_picture_of_many_packets_in_any_order_and_twice() -> None:
    dialogue = Sl651Dialogue()
    sent = packets(0x36, station("f3f3" + PHOTO.hex()))
    for frame in (sent[1], sent[0], sent[0]):
        [reply] = heard(dialogue, frame)
        assert isinstance(reply, Reply)
        answer = down(reply.data)
        assert (answer.end, answer.packet) == (ACK, frame.packet)
    [reply] = heard(dialogue, sent[-1])
    assert isinstance(reply, Reply)
    assert (down(reply.data).end, down(reply.data).packet) == (NAK, (len(sent), 3))
    acts = [act for frame in sent[2:-1] for act in heard(dialogue, frame)]
    picture, report = acts[-2:]
    assert isinstance(picture, Picture)
    assert isinstance(report, Report)
    assert (picture.data, picture.time) == (PHOTO, AT.replace(second=0))
    assert [(value.point, value.value) for value in report.values] == [("picture_bytes", len(PHOTO))]
    assert down(report.reply).end == EOT


def test_data_of_many_packets_is_read_as_one() -> None:
    dialogue = Sl651Dialogue()
    data = "0418000005" + "3923" + "".join(f"{number:08d}" for number in range(30))
    acts = [act for frame in packets(0x38, station(data)) for act in heard(dialogue, frame)]
    report = acts[-1]
    assert isinstance(report, Report)
    assert [value.value for value in report.values] == [number / 1000 for number in range(30)]


def test_packets_that_never_come_are_held_and_bounded() -> None:
    dialogue = Sl651Dialogue()
    sent = packets(0x36, station("f3f3" + PHOTO.hex()))
    heard(dialogue, sent[0])
    [gone] = dialogue.tick(Now(AT, 2000.0))
    assert isinstance(gone, Refused)
    assert gone.refusal.code == "split_incomplete"
    big = up(0x36, b"x" * 4000, packet=(4095, 1), end=ETB)
    acts = [
        act
        for number in range(1, 400)
        for act in heard(dialogue, up(0x36, b"x" * 4000, packet=(4095, number), end=ETB))
    ]
    assert [act for act in acts if isinstance(act, Refused)]
    assert sum(message.bytes for message in dialogue._messages.values()) <= 1024 * 1024
    assert big.packet == (4095, 1)
    assert len(dialogue.close()) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "function", "body"),
    [
        ("read_now", {}, 0x37, ""),
        ("set_clock", {}, 0x4A, ""),
        ("read_elements", {"elements": ["Z", "20"]}, 0x3A, "39232019"),
        (
            "read_period",
            {"element": "Z", "start": "2026-11-24T00:00:00Z", "end": "2026-11-25T08:00:00+08:00", "step_minutes": 90},
            0x38,
            "26112408" + "26112508" + "0418000130" + "3923",
        ),
    ],
)
def test_commands_and_their_receipts(name: str, arguments: dict[str, Any], function: int, body: str) -> None:
    dialogue = Sl651Dialogue()
    asked = down(dialogue.command(Command("k-1", name, arguments), known(password="abcd", center=5), NOW))
    assert (asked.function, asked.end, asked.center, asked.password) == (function, ENQ, 5, "abcd")
    assert asked.body.rest.hex() == body
    assert asked.body.send_time == AT
    acts = heard(dialogue, up(function, station("3923" + "00012345")))
    receipt = acts[0]
    assert isinstance(receipt, Receipt)
    assert (receipt.key, receipt.ok) == ("k-1", True)
    assert not any(isinstance(act, Receipt) for act in heard(dialogue, up(function, station("392300012345"))))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("open_gate", {}),
        ("read_elements", {}),
        ("read_elements", {"elements": ["nonsense"]}),
        ("read_period", {"element": "Z", "start": "yesterday", "end": "2026-11-25T08:00:00Z"}),
        ("read_period", {"element": "Z", "start": "2026-11-25T08:00:00", "end": "2026-11-25T08:00:00Z"}),
        (
            "read_period",
            {"element": "Z", "start": "2026-11-25T08:00:00Z", "end": "2026-11-25T08:00:00Z", "step_minutes": 0},
        ),
    ],
)
def test_what_is_no_command(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        Sl651Dialogue().command(Command("k", name, arguments), known(), NOW)


def test_commands_have_names_alone_that_change_no_configuration() -> None:
    assert {order.function for order in COMMANDS.values()} <= {*range(0x36, 0x3B), 0x45, 0x46, 0x4A, 0x50, 0x51}


def test_values_measured_nobody_knows_when_are_held() -> None:
    good = "3923" + "00012345"
    frame = up(0x32, station(good + "f0f0" + "0000000000" + "38121250"))
    report = next(act for act in heard(Sl651Dialogue(), frame) if isinstance(act, Report))
    assert [value.point for value in report.values] == ["Z"]
    refused = next(act for act in heard(Sl651Dialogue(), frame) if isinstance(act, Refused))
    assert refused.refusal.code == "bad_element"
    text = up(0x32, b"0012201125123020 ST 0012345678 H TT 0000000000 Z 1.5", in_ascii=True)
    assert text.warnings == ("bad_time", "unread_elements")


def test_numbers_that_no_reading_can_hold_are_none() -> None:
    wide = up(0x32, station("45f8" + "ff" * 31))
    assert wide.body.state is None
    heard(Sl651Dialogue(), wide)
    for body in (b"-001201125123020 ZT FFFFFFFFFFFFFFFFFFFF", b" 0x1201125123020 ZT -1", b"0_01201125123020 Z 1e9"):
        frame = up(0x32, body, in_ascii=True)
        assert frame.body.serial is None
        assert frame.body.state is None
        heard(Sl651Dialogue(), frame, ascii=True)
