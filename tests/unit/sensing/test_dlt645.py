"""DL/T 645: frames of both editions, values, streams, the oracle, and what is said to meters behind a concentrator."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from dlt645.config.variable_types import VARIABLE_TYPES
from dlt645.protocol.protocol import DLT645Protocol
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.dlt645 import ANSWER, ERROR, MORE, READ, Frame, Framer, decode, encode
from chengnao.sensing.protocols.dlt645_dialogue import WIRE, Dlt645
from chengnao.sensing.protocols.dlt645_items import kind_of, read_items
from chengnao.sensing.protocols.metering import Line, MeterDialogue
from chengnao.sensing.protocols.recording import Recording, read_recording
from chengnao.sensing.protocols.shape import Act, Command, Now, Receipt, Refused, Reply, Report
from tests.support import public_frames as public

AT = datetime(2026, 11, 25, 4, 30, 20, tzinfo=UTC)
METER, OTHER = "123456789012", "000000006816"
# As published (indexed file 70282127919 of the public set): 1234.56 kWh, and the error word "no such data".
ENERGY = bytes.fromhex("fefe6812907856341268910833333433896745335416")
NO_DATA = bytes.fromhex("6812907856341268d101358d16")
TRICKY = encode(OTHER, 0x91, bytes.fromhex("00010000") + bytes((0x35, 0x35, 0xE3, 0x35)))
"""68 and 16 in the address, in the data as sent, and all over."""


def recorded(raw: bytes) -> Recording[Any]:
    framer: Any = Framer()
    return read_recording(framer, raw)


def frame(raw: bytes) -> Frame:
    found = decode(raw)
    assert isinstance(found, Frame), found
    return found


def test_public_frames() -> None:
    for each in public.recorded("dlt645"):
        recording, expected = public.read(WIRE, each), each["expect"]
        if "recover" in expected:
            [found] = recording.frames
            assert expected["error"] in found.warnings, each["id"]
            assert list(public.missing(expected["recover"], found.fields())) == [], each["id"]
        elif "error" in expected:
            refusal = recording.refused[0]
            assert refusal.code == expected["error"], each["id"]
            wanted = {key: expected[key] for key in ("in_frame", "computed", "need_bytes") if key in expected}
            assert wanted.items() <= refusal.params.items(), each["id"]
        else:
            [found] = recording.frames
            assert list(public.missing(expected, found.fields())) == [], each["id"]


def test_the_oracle_writes_numbers_the_same_way() -> None:
    for each in VARIABLE_TYPES:
        kind, written = kind_of(each["Di"]), each["DataFormat"]
        assert kind is not None, each["Di"]
        whole, _, decimals = written.partition(".")
        assert (kind.width, kind.decimals) == ((len(whole + decimals) + 1) // 2, len(decimals)), each["Di"]


@given(st.binary(min_size=6, max_size=6), st.integers(0, 255), st.binary(max_size=200), st.integers(0, 4))
def test_round_trip_and_the_oracle_reads_the_same(address: bytes, control: int, data: bytes, wake: int) -> None:
    raw = encode(address[::-1].hex(), control, data, preamble=wake)
    assert raw == bytes(DLT645Protocol.build_frame(address, control, data, wake))
    found, theirs = frame(raw), DLT645Protocol.deserialize(raw)
    assert theirs is not None
    assert (found.preamble, found.control, found.data) == (wake, theirs.ctrl_code, bytes(theirs.data))
    assert found.address == address[::-1].hex()
    found.fields()


def test_values() -> None:
    for di, data, expected in [
        ("02020100", "994980", -4.999),  # the sign is the highest bit
        ("02030000", "000000", 0.0),
        ("00010000", "ffffffff", None),
        ("02010100", "a1b2", None),
        ("02800002", "0350", 50.03),
        ("00150000", "78563412", 123456.78),
        ("9010", "48621000", 1062.48),
        ("B611", "2002", 220),
    ]:
        [item] = read_items(di, bytes.fromhex(data))
        assert item.value == expected, di
    assert list(read_items("02010100", b"\x00\x00\x00")) == []
    assert list(read_items("04000101", b"\x00" * 4)) == []


def test_blocks() -> None:
    voltages = list(read_items("0201FF00", bytes.fromhex("002201220222")))
    assert [(item.di, item.value) for item in voltages] == [
        ("02010100", 220.0), ("02010200", 220.1), ("02010300", 220.2)
    ]  # fmt: skip
    powers = list(read_items("0203FF00", bytes.fromhex("010000020000030000040000")))
    assert [item.di for item in powers] == ["02030000", "02030100", "02030200", "02030300"]
    energies = list(read_items("0001FF00", bytes.fromhex("0000000001000000")))
    assert [item.di for item in energies] == ["00010000", "00010100"]
    assert [item.di for item in read_items("901F", bytes(8))] == ["9010", "9011"]
    assert [item.di for item in read_items("B61F", bytes(6))] == ["B611", "B612", "B613"]


def test_noise_echo_and_the_start_mark_twice() -> None:
    request = encode(METER, READ, bytes.fromhex("00000100"))
    stray = bytes.fromhex("1122334455")
    recording = recorded(b"\x68" + request + stray + ENERGY + TRICKY + NO_DATA)
    assert [each.control for each in recording.frames if isinstance(each, Frame)] == [0x11, 0x91, 0x91, 0xD1]
    assert [(bad.code, bad.raw) for bad in recording.refused] == [("truncated", b"\x68"), ("garbage", stray)]
    doubled = recorded(b"\xfe\xfe\x68" + NO_DATA)
    assert [each.warnings for each in doubled.frames] == [("doubled_start",)]


def test_lines_of_text_are_registrations() -> None:
    framer = Framer()
    [line] = framer.feed(b"\r\nDTU000001\r\n")
    assert isinstance(line, Line)
    assert line.text == "DTU000001"
    pieces = framer.feed(b"heartbeat" + ENERGY)
    assert [type(piece) for piece in pieces] == [Line, Frame]
    assert framer.feed(b"hub-of-house-7") == []
    [line] = framer.hurry()
    assert isinstance(line, Line)
    assert line.text == "hub-of-house-7"
    assert framer.pending == 0
    assert framer.feed(b"861234567890123") == []
    [line] = framer.hurry()
    assert isinstance(line, Line)
    assert line.text == "861234567890123"
    stray = recorded(b"12345" + ENERGY)
    assert len(stray.frames) == 1
    assert stray.kind == "leading_garbage"


@given(st.lists(st.integers(0, 6), max_size=8), st.data())
def test_any_cut_of_a_stream_gives_the_same_frames(order: list[int], data: st.DataObject) -> None:
    pieces = [ENERGY, TRICKY, NO_DATA, b"\x01\x02\x68", ENERGY[:-1] + b"\x17", b"DTU1\r\n", b"\xfe\xfe"]
    stream = b"".join(pieces[number] for number in order)
    whole = recorded(stream)
    framer = Framer()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found = [piece for part in parts for piece in framer.feed(part)] + framer.close()
    good = [piece.fields() for piece in found if isinstance(piece, Frame)]
    assert good == [each.fields() for each in whole.frames if isinstance(each, Frame)]
    assert len(good) == sum(order.count(number) for number in (0, 1, 2))


@settings(max_examples=300)
@given(st.binary(max_size=300), st.integers(0, 30), st.binary(max_size=4))
def test_any_bytes_raise_nothing(noise: bytes, place: int, change: bytes) -> None:
    recorded(noise)
    for piece in recorded(ENERGY[:place] + change + ENERGY[place + len(change) :] + noise).frames:
        piece.fields()
    for control in (0x81, 0x91, 0x92, 0xB1, 0xD1, 0x93):
        found = frame(encode(METER, control, noise[:200]))
        found.fields()
        conversation().hear(found, meter(), now(0))


# What is said.


def meter(address: str = METER, **given: Any) -> Any:
    return SimpleNamespace(id=f"m-{address}", address=address, settings=given, behind={})


def concentrator(*meters: Any, **given: Any) -> Any:
    return SimpleNamespace(id="dtu", address="DTU1", settings=given, behind={each.address: each for each in meters})


def conversation() -> MeterDialogue[Frame]:
    return MeterDialogue(Dlt645())


def now(seconds: float) -> Now:
    return Now(AT, seconds)


def asked(acts: list[Act]) -> list[Frame]:
    return [frame(act.data) for act in acts if isinstance(act, Reply)]


def answer(question: Frame, content: str, control: int = ANSWER | READ) -> Frame:
    return frame(encode(question.address, control, question.data[:4] + bytes.fromhex(content)))


def values(acts: list[Act]) -> list[tuple[str | None, Mapping[str, float]]]:
    reports = [act for act in acts if isinstance(act, Report)]
    return [(report.device, {value.point: value.value for value in report.values}) for report in reports]


LINE = Line(b"DTU1\r\n", "DTU1")


def test_a_round_through_the_meters_of_a_concentrator() -> None:
    dialogue = conversation()
    dtu = concentrator(meter(read=["00010000"]), meter(OTHER, read=["02010100", "0201FF00"]))
    assert dialogue.address(LINE) == "DTU1"
    [first] = asked(dialogue.hear(LINE, dtu, now(0)))
    assert (first.address, first.di, first.control) == (METER, "00010000", READ)
    assert dialogue.address(first) == "DTU1"
    assert dialogue.hear(first, dtu, now(0)) == []  # its echo
    acts = dialogue.hear(answer(first, "56341200"), dtu, now(1))
    assert values(acts) == [(METER, {"00010000": 1234.56})]
    [second] = asked(acts)
    assert (second.address, second.di) == (OTHER, "02010100")
    acts = dialogue.hear(answer(second, "0022"), dtu, now(2))
    [third] = asked(acts)
    acts = dialogue.hear(answer(third, "0022ffff0222"), dtu, now(3))
    assert values(acts) == [
        (OTHER, {"02010100": 220.0, "02010300": 220.2}),
        (None, {"answering": 2, "silent": 0}),
    ]
    assert asked(dialogue.tick(now(299))) == []
    assert [each.di for each in asked(dialogue.tick(now(301)))] == ["00010000"]


def test_a_silent_meter_is_asked_three_times_and_holds_nobody_back() -> None:
    dialogue = conversation()
    dtu = concentrator(meter(), meter(OTHER, read=["00010000"]), answer_seconds=2)
    sent = asked(dialogue.hear(LINE, dtu, now(0)))
    for second in range(1, 7):
        sent += asked(dialogue.tick(now(second)))
    assert [each.address for each in sent] == [METER] * 3 + [OTHER]
    acts = dialogue.hear(answer(sent[-1], "00000000"), dtu, now(7))
    assert values(acts)[-1] == (None, {"answering": 1, "silent": 1})


def test_answers_that_go_on_in_further_frames() -> None:
    dialogue = conversation()
    dtu = concentrator(meter(read=["0001FF00"]))
    [question] = asked(dialogue.hear(LINE, dtu, now(0)))
    [further] = asked(dialogue.hear(answer(question, "00000000", ANSWER | MORE | READ), dtu, now(1)))
    assert (further.control, further.data.hex()) == (0x12, "00ff0100" + "01")
    [last] = asked(dialogue.hear(answer(question, "01000000" + "01", 0xB2), dtu, now(2)))
    assert last.data[-1] == 2
    acts = dialogue.hear(answer(question, "02000000" + "02", 0x92), dtu, now(3))
    assert values(acts)[0] == (METER, {"00010000": 0.0, "00010100": 0.01, "00010200": 0.02})


def test_answers_that_go_on_for_ever_are_cut() -> None:
    dialogue = conversation()
    dtu = concentrator(meter(read=["0001FF00"]))
    [question] = asked(dialogue.hear(LINE, dtu, now(0)))
    for number in range(100):
        dialogue.hear(answer(question, "00000000" + "01", 0xB2), dtu, now(number))
    assert dialogue._open is None


def test_what_a_meter_does_not_have_is_held_and_not_asked_again() -> None:
    dialogue = conversation()
    dtu = concentrator(meter(read=["00010000", "02010100"], read_seconds=10))
    dialogue.hear(LINE, dtu, now(0))
    acts = dialogue.hear(frame(NO_DATA), dtu, now(1))
    refused = acts[0]
    assert isinstance(refused, Refused)
    assert (refused.refusal.code, refused.refusal.params["meaning"]) == ("meter_refuses", "no_such_data")
    dialogue.hear(answer(asked(acts)[0], "0022"), dtu, now(2))
    assert [each.di for each in asked(dialogue.tick(now(20)))] == ["02010100"]


def test_meters_that_are_not_behind_it_are_held() -> None:
    dialogue = conversation()
    dialogue.hear(LINE, concentrator(), now(0))
    [refused] = dialogue.hear(frame(ENERGY), concentrator(), now(1))
    assert isinstance(refused, Refused)
    assert refused.refusal.params["value"] == METER


def test_a_meter_with_a_modem_of_its_own() -> None:
    dialogue, alone = conversation(), meter(read=["02010100"])
    assert dialogue.address(frame(ENERGY)) == METER
    acts = dialogue.hear(frame(ENERGY), alone, now(0))
    assert values(acts) == [(METER, {"00010000": 1234.56})]
    [question] = asked(acts)
    assert question.di == "02010100"


def test_a_meter_that_registers_with_its_own_address() -> None:
    alone = meter(read=["02010100"])
    [question] = asked(conversation().hear(Line(METER.encode(), METER), alone, now(0)))
    assert (question.address, question.di) == (METER, "02010100")


def test_the_edition_of_1997() -> None:
    dialogue = conversation()
    dtu = concentrator(meter(edition="1997"))
    [question] = asked(dialogue.hear(LINE, dtu, now(0)))
    assert (question.control, question.data.hex()) == (0x01, "1090")
    acts = dialogue.hear(frame(encode(METER, 0x81, bytes.fromhex("109048621000"))), dtu, now(1))
    assert values(acts)[0] == (METER, {"9010": 1062.48})


def test_commands_go_before_readings_and_one_at_a_time() -> None:
    dialogue, target = conversation(), meter(read=["00010000"], password="02123456", operator="00000001")
    dtu = concentrator(target)
    [reading] = asked(dialogue.hear(LINE, dtu, now(0)))
    assert dialogue.command(Command("k-1", "read", {"di": "02800002"}), target, now(0)) == b""
    assert dialogue.command(Command("k-2", "switch", {"state": "off"}), target, now(0)) == b""
    acts = dialogue.hear(answer(reading, "00000000"), dtu, now(1))
    [question] = asked(acts)
    assert question.di == "02800002"
    acts = dialogue.hear(answer(question, "0350"), dtu, now(2))
    receipt = acts[0]
    assert isinstance(receipt, Receipt)
    assert (receipt.key, receipt.ok, receipt.detail["value"]) == ("k-1", True, 50.03)
    [switch] = asked(acts)
    assert (switch.control, switch.data.hex()) == (0x1C, "02563412" + "01000000" + "1a00" + "203512251126")
    [receipt] = [
        act for act in dialogue.hear(frame(encode(METER, 0xDC, b"\x04")), dtu, now(3)) if isinstance(act, Receipt)
    ]
    assert (receipt.key, receipt.ok, receipt.detail["meaning"]) == ("k-2", False, "password")


def test_commands_without_answers_and_lines_that_end() -> None:
    dialogue, target = conversation(), meter(read=[])
    dtu = concentrator(target, answer_seconds=1)
    for each in asked(dialogue.hear(LINE, dtu, now(0))):
        dialogue.hear(answer(each, "00000000"), dtu, now(0))
    dialogue = conversation()
    dialogue.hear(LINE, concentrator(answer_seconds=1), now(0))
    assert frame(dialogue.command(Command("k-1", "read_address"), target, now(0))).address == "a" * 12
    acts = [act for second in range(1, 9) for act in dialogue.tick(now(second))]
    assert [(act.key, act.ok) for act in acts if isinstance(act, Receipt)] == [("k-1", False)]
    dialogue.command(Command("k-2", "read", {"di": "00010000"}), target, now(9))
    dialogue.command(Command("k-3", "read", {"di": "00010000"}), target, now(9))
    assert sorted(act.key for act in dialogue.close() if isinstance(act, Receipt)) == ["k-2", "k-3"]


@pytest.mark.parametrize(
    ("name", "arguments", "given"),
    [
        ("explode", {}, {}),
        ("read", {}, {}),
        ("read", {"di": "xyz"}, {}),
        ("switch", {"state": "half"}, {}),
        ("switch", {"state": "off"}, {"password": "short", "operator": "00000001"}),
    ],
)
def test_what_is_no_command(name: str, arguments: dict[str, Any], given: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        conversation().command(Command("k", name, arguments), meter(**given), now(0))


def test_commands_that_wait_are_bounded() -> None:
    dialogue = conversation()
    for number in range(32):
        dialogue.command(Command(str(number), "read", {"di": "00010000"}), meter(), now(0))
    with pytest.raises(Invalid):
        dialogue.command(Command("k", "read", {"di": "00010000"}), meter(), now(0))
    with pytest.raises(Invalid):
        conversation().command(Command("k", "read", {"di": "00010000"}), meter("DTU1"), now(0))


def test_error_answers_have_names() -> None:
    assert frame(encode(METER, ANSWER | ERROR | READ, b"\x06")).fields()["error_names"] == ["no_such_data", "password"]
