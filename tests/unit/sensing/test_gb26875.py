"""GB/T 26875.3: frames, application data, times in two codes, streams, and what is said to a device."""

import struct
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.gb26875 import (
    ANSWER,
    CONFIRM,
    CONTROL,
    DENY,
    REQUEST,
    SEND,
    Frame,
    Framer,
    decode,
    encode,
)
from chengnao.sensing.protocols.gb26875_adu import read_time, time_bytes
from chengnao.sensing.protocols.gb26875_dialogue import WIRE, Gb26875Dialogue
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Act, Command, Now, Receipt, Refusal, Refused, Reply, Report
from tests.support import public_frames as public

AT = datetime(2026, 11, 25, 4, 30, 20, tzinfo=UTC)
NOW = Now(AT, 100.0)
TIME = time_bytes(AT)
# A detector in alarm, as published (shootingfans/codec_gb26875_3_2011).
FIRE = bytes.fromhex(
    "404000000101180d11160a140000000000000605040302013000020201010300d90006000200a3c1c7f8a3b1b2e3dfc8b2b8d7dfc0c8"
    "000000000000000000000000000000301213010814682323"
)


def known(**given: Any) -> Any:
    return SimpleNamespace(id="f-1", address="3456", settings=given, behind={})


def sent(adu: bytes, command: int = SEND, serial: int = 7, **more: Any) -> Frame:
    return frame(encode(command, serial, 3456, 1, AT, adu, **more))


def frame(raw: bytes) -> Frame:
    found = decode(raw)
    assert isinstance(found, Frame), found
    return found


def system(status: int, kind: int = 1, time: bytes = TIME) -> bytes:
    return bytes((1, 1)) + struct.pack("<BBH", kind, 1, status) + time


def component(status: int, address: int = 9, time: bytes = TIME, text: str = "走廊") -> bytes:
    coded = text.encode("gb18030").ljust(31, b"\x00")
    return struct.pack("<BBBIH31s", 1, 1, 42, address, status, coded) + time


def heard(dialogue: Gb26875Dialogue, adu: bytes, **more: Any) -> dict[str, float]:
    [report] = dialogue.hear(sent(adu, **more), known(), NOW)
    assert isinstance(report, Report), report
    assert frame(report.reply).command == CONFIRM
    return {value.point: value.value for value in report.values}


def test_public_frames() -> None:
    for each in public.recorded("gb26875"):
        recording, expected = public.read(WIRE, each), each["expect"]
        if "frames" in expected:
            found = recording.fields(WIRE)
            wanted = {key: value for key, value in expected.items() if key != "error"}
            assert wanted.items() <= found.items(), each["id"]
            assert found["stream"] == expected["error"], each["id"]
        elif "error" in expected:
            refusal = recording.refused[0]
            assert refusal.code == expected["error"], each["id"]
            wanted = {key: expected[key] for key in ("in_frame", "computed", "need_bytes") if key in expected}
            assert wanted.items() <= refusal.params.items(), each["id"]
        else:
            [found_frame] = recording.frames
            assert list(public.missing(expected, found_frame.fields())) == [], each["id"]


def test_every_type_of_data_has_its_objects() -> None:
    text = b"\x04abcd"
    cases: list[tuple[bytes, dict[str, Any]]] = [
        (system(0b110), {"flags": ["fire", "fault"], "system_title": "火灾报警系统"}),
        (bytes((2, 1)) + component(0x102), {"description": "走廊", "component_title": "点型光电感烟火灾探测器"}),
        (
            bytes((3, 1)) + struct.pack("<BBBIBh", 1, 1, 31, 9, 3, -123) + TIME,
            {"measured": "temperature", "number": -12.3, "unit": "℃"},
        ),
        (bytes((4, 1, 1, 1, 0b11, 5)) + TIME, {"flags": ["reset", "mute"], "operator": 5}),
        (bytes((5, 1, 1, 1, 2, 3)), {"main": 2, "sub": 3}),
        (bytes((6, 1, 1, 1)) + text, {"description": "abcd"}),
        (bytes((7, 1)) + component(0)[:7] + b"xyz".ljust(31, b"\x00"), {"description": "xyz"}),
        (bytes((8, 1, 1, 1)) + TIME, {"event_time": "2026-11-25T12:30:20+08:00"}),
        (bytes((21, 1, 0b1000000)) + TIME, {"flags": ["line_fault"]}),
        (bytes((24, 1, 0b100000, 3)) + TIME, {"flags": ["confirm"]}),
        (bytes((25, 1, 1, 0)), {"main": 1}),
        (bytes((26, 1)) + text, {"description": "abcd"}),
        (bytes((28, 1)) + TIME, {"event_time_bytes": TIME.hex()}),
    ]
    for adu, expected in cases:
        [item] = sent(adu).fields()["items"]
        assert expected.items() <= item.items(), adu
        assert sent(adu).warnings == (), adu


def test_several_objects_and_objects_that_are_missing() -> None:
    whole = sent(bytes((2, 2)) + component(2, 1) + component(4, 2))
    assert [item["component_address"] for item in whole.fields()["items"]] == [1, 2]
    assert sent(bytes((2, 3)) + component(2, 1) + component(4, 2)).warnings == ("objects_missing",)
    assert sent(bytes((2, 1)) + component(2, 1) + b"\x00").warnings == ("bytes_after_objects",)
    bare = sent(bytes((2, 2)) + component(2, 1)[:-6] + component(4, 2)[:-6])
    assert bare.warnings == ("objects_without_time",)
    assert [item["status"] for item in bare.fields()["items"]] == [2, 4]
    assert heard(Gb26875Dialogue(), bare.adu)["fault"] == 1


def test_times_binary_or_bcd() -> None:
    local = AT.astimezone(read_time(TIME)[0].tzinfo)  # type: ignore[union-attr]
    assert read_time(TIME) == (local, False)
    coded = time_bytes(AT, bcd=True)
    assert coded.hex() == "203012251126"
    assert read_time(coded) == (local, True)  # no day 37, no month 17
    early = datetime(2009, 9, 10, 2, 10, 10, tzinfo=UTC)
    both = time_bytes(early, bcd=True)
    assert read_time(both)[1] is False
    assert read_time(both, early) == (early, True)
    assert read_time(b"\xff" * 6) == (None, False)
    assert sent(b"", bcd=True).warnings == ("bcd_time",)


def test_a_length_that_is_wrong_is_told_from_a_cut() -> None:
    body = FIRE[2:24] + (60).to_bytes(2, "little") + FIRE[26:-3]
    wrong = b"@@" + body + bytes((sum(body) & 0xFF,)) + b"##"
    [refusal] = read_recording(Framer(), wrong).refused
    assert (refusal.code, refusal.params) == ("length_mismatch", {"declared": 60, "actual": 48})
    long = decode(FIRE[:24] + b"\xff\xff" + FIRE[26:])
    assert isinstance(long, Refusal)
    assert long.code == "bad_length"


@given(
    st.integers(1, 255),
    st.integers(0, 0xFFFF),
    st.integers(0, (1 << 48) - 1),
    st.integers(0, (1 << 48) - 1),
    st.binary(max_size=200),
)
def test_round_trip(command: int, serial: int, source: int, target: int, adu: bytes) -> None:
    raw = encode(command, serial, source, target, AT, adu)
    found = frame(raw)
    assert (found.command, found.serial, found.source, found.target, found.adu) == (
        command,
        serial,
        source,
        target,
        adu,
    )
    found.fields()


@given(st.lists(st.integers(0, 4), max_size=8), st.data())
def test_any_cut_of_a_stream_gives_the_same_frames(order: list[int], data: st.DataObject) -> None:
    text = encode(SEND, 1, 2, 3, AT, bytes((128, 1)) + b"@@##@@")
    pieces = [FIRE, b"noise@", FIRE[:40], FIRE[:-3] + b"\x00##", text]
    stream = b"".join(pieces[number] for number in order)
    whole = read_recording(Framer(), stream)
    framer = Framer()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found = [piece for part in parts for piece in framer.feed(part)] + framer.close()
    assert [piece.raw for piece in found if isinstance(piece, Frame)] == [each.raw for each in whole.frames]
    assert [each.raw for each in whole.frames] == [pieces[number] for number in order if number in {0, 4}]


@settings(max_examples=300)
@given(st.binary(max_size=300), st.integers(1, 6), st.integers(0, 70), st.binary(max_size=4))
def test_any_bytes_and_any_data_raise_nothing(noise: bytes, command: int, place: int, change: bytes) -> None:
    read_recording(Framer(), noise)
    read_recording(Framer(), FIRE[:place] + change + FIRE[place + len(change) :] + noise)
    dialogue = Gb26875Dialogue()
    for kind in range(30):
        found = sent(bytes((kind,)) + noise, command)
        found.fields()
        dialogue.hear(found, known(), NOW)


# What is said.


def test_data_is_confirmed_under_its_serial_once_it_is_kept() -> None:
    [report] = Gb26875Dialogue().hear(frame(FIRE), known(), NOW)
    assert isinstance(report, Report)
    answer = frame(report.reply)
    assert (answer.command, answer.serial, answer.source, answer.target) == (CONFIRM, 0, 0x010203040506, 0)
    assert answer.adu == b""
    values = {value.point: value for value in report.values}
    assert values["fire"].value == 1
    assert values["fault"].value == 0
    assert values["state.1.0.393433"].value == 2
    assert values["fire"].time == datetime(2020, 8, 1, 19, 18, 48, tzinfo=values["fire"].time.tzinfo)  # type: ignore[union-attr]


@pytest.mark.parametrize("adu", [b"", bytes((25, 1, 1, 0)), bytes((6, 1, 1, 1, 1)) + b"a"])
def test_what_has_no_values_is_confirmed_too(adu: bytes) -> None:
    [act] = Gb26875Dialogue().hear(sent(adu), known(), NOW)
    assert isinstance(act, Reply | Report)
    reply = act.data if isinstance(act, Reply) else act.reply
    assert (frame(reply).command, frame(reply).serial) == (CONFIRM, 7)


@pytest.mark.parametrize(
    ("adu", "code"),
    [
        (bytes((128, 1)) + b"vendor", "type_not_served"),
        (bytes((9, 1)), "type_not_served"),
        (bytes((90, 1)) + TIME, "type_not_served"),
        (bytes((2, 1)) + b"cut", "bad_field"),
    ],
)
def test_what_is_not_understood_is_held_and_confirmed(adu: bytes, code: str) -> None:
    [act] = Gb26875Dialogue().hear(sent(adu), known(), NOW)
    assert isinstance(act, Refused)
    assert act.refusal.code == code
    assert act.refusal.raw == sent(adu).raw
    assert frame(act.reply).command == CONFIRM


def test_the_host_is_on_fire_while_any_of_its_components_is() -> None:
    dialogue = Gb26875Dialogue()
    assert heard(dialogue, bytes((2, 2)) + component(2, 1) + component(2, 2))["fire"] == 1
    assert heard(dialogue, bytes((2, 1)) + component(1, 1))["fire"] == 1
    assert heard(dialogue, bytes((2, 1)) + component(1, 2))["fire"] == 0
    assert heard(dialogue, bytes((2, 1)) + component(2, 3))["fire"] == 1
    assert heard(dialogue, system(0b1, kind=2))["fire"] == 1  # another system
    assert heard(dialogue, system(0b1))["fire"] == 0  # its own system is well


def test_two_devices_on_one_line_are_told_apart() -> None:
    dialogue = Gb26875Dialogue()
    heard(dialogue, bytes((2, 1)) + component(2, 1))
    other = frame(encode(SEND, 1, 99, 1, AT, bytes((2, 1)) + component(4, 1)))
    [report] = dialogue.hear(other, known(), NOW)
    assert isinstance(report, Report)
    assert {value.point: value.value for value in report.values}["fire"] == 0
    for source in range(1000):
        dialogue.hear(frame(encode(SEND, 1, source, 1, AT, bytes((2, 1)) + component(4, 1))), known(), NOW)
    assert len(dialogue._hosts) == 256


def test_a_reset_ends_what_stood() -> None:
    dialogue = Gb26875Dialogue()
    heard(dialogue, bytes((2, 1)) + component(2, 1))
    assert heard(dialogue, bytes((4, 1, 1, 1, 1, 0)) + TIME) == {"operation.reset": 1, "fire": 0}
    assert heard(dialogue, system((1 << 13) | (1 << 8) | 1))["main_power_fault"] == 1


def test_standing_components_are_bounded() -> None:
    dialogue = Gb26875Dialogue()
    for start in range(0, 12_000, 20):
        objects = b"".join(component(2, start + number) for number in range(20))
        dialogue.hear(sent(bytes((2, 20)) + objects), known(), NOW)
    assert len(dialogue._hosts[3456].standing["fire"]) == 10_000


def test_analogue_values_clocks_and_the_device_itself() -> None:
    dialogue = Gb26875Dialogue()
    value = bytes((3, 1)) + struct.pack("<BBBIBh", 1, 1, 31, 9, 4, 12) + TIME
    assert heard(dialogue, value) == {"pressure_mpa.1.9": 1.2}
    assert heard(dialogue, bytes((28, 1)) + time_bytes(AT + timedelta(seconds=90))) == {"clock_offset": 90}
    states = heard(dialogue, bytes((21, 1, 0b100110)) + TIME)
    assert states["device_fire"] == states["device_fault"] == states["channel_fault"] == 1
    assert states["line_fault"] == 0
    assert heard(dialogue, bytes((25, 1, 2, 7)))["version"] == 2.007


def test_a_device_that_writes_bcd_is_answered_in_bcd() -> None:
    dialogue = Gb26875Dialogue()
    [reply] = dialogue.hear(sent(b"", bcd=True), known(), NOW)
    assert isinstance(reply, Reply)
    assert frame(reply.data).time_label == time_bytes(AT, bcd=True)
    order = frame(dialogue.command(Command("k", "set_clock"), known(), NOW))
    assert order.adu == bytes((90, 1)) + time_bytes(AT, bcd=True)


def test_what_only_the_centre_may_say_is_denied() -> None:
    for command in (CONTROL, REQUEST, 99):
        [act] = Gb26875Dialogue().hear(sent(b"", command), known(), NOW)
        assert isinstance(act, Refused)
        assert frame(act.reply).command == DENY
    assert frame(Gb26875Dialogue().unknown(sent(b""), NOW)).command == DENY
    assert Gb26875Dialogue().unknown(sent(b"", CONFIRM), NOW) == b""


def receipts(acts: list[Act]) -> list[tuple[str, bool]]:
    return [(act.key, act.ok) for act in acts if isinstance(act, Receipt)]


def test_commands_are_sent_three_times_more_and_then_given_up() -> None:
    dialogue = Gb26875Dialogue()
    raw = dialogue.command(Command("k-1", "call_duty", {"minutes": 5}), known(), NOW)
    assert frame(raw).adu == bytes((91, 1, 5))
    sent_again = [act for second in range(1, 100) for act in dialogue.tick(Now(AT, 100.0 + second))]
    assert [act.data for act in sent_again if isinstance(act, Reply)] == [raw] * 3
    assert receipts(sent_again) == [("k-1", False)]


def test_commands_and_their_receipts() -> None:
    dialogue = Gb26875Dialogue()
    keys = {}
    for name, arguments in [
        ("set_clock", {}),
        ("read_state", {}),
        ("read_system_state", {"system_type": 1, "system_addr": 1}),
    ]:
        order = frame(dialogue.command(Command(name, name, arguments), known(), NOW))
        assert order.target == 3456
        keys[name] = order.serial
    assert receipts(dialogue.hear(sent(b"", CONFIRM, keys["set_clock"]), known(), NOW)) == [("set_clock", True)]
    answer = sent(bytes((21, 1, 1)) + TIME, ANSWER, keys["read_state"])
    receipt, report = dialogue.hear(answer, known(), NOW)
    assert receipts([receipt]) == [("read_state", True)]
    assert isinstance(report, Report)
    assert report.reply == b""
    denied = sent(b"", DENY, keys["read_system_state"])
    assert receipts(dialogue.hear(denied, known(), NOW)) == [("read_system_state", False)]
    assert dialogue.hear(denied, known(), NOW) == []
    dialogue.command(Command("last", "read_clock"), known(), NOW)
    assert receipts(dialogue.close()) == [("last", False)]


def test_what_is_no_command() -> None:
    dialogue = Gb26875Dialogue()
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("open", {}),
        ("call_duty", {"minutes": 0}),
        ("read_system_state", {"system_type": "x"}),
    ]
    for name, arguments in wrong:
        with pytest.raises(Invalid):
            dialogue.command(Command("k", name, arguments), known(), NOW)
    stranger = SimpleNamespace(id="f", address="abc", settings={}, behind={})
    with pytest.raises(Invalid):
        dialogue.command(Command("k", "set_clock"), stranger, NOW)
    for number in range(32):
        dialogue.command(Command(str(number), "set_clock"), known(), NOW)
    with pytest.raises(Invalid):
        dialogue.command(Command("k", "set_clock"), known(), NOW)
