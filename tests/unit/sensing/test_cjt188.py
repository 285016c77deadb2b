"""CJ/T 188: frames, layouts of the standard and of makers, streams, and what is said to meters."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.cjt188 import Frame, Framer, decode, encode, status_flags
from chengnao.sensing.protocols.cjt188_dialogue import WIRE, Cjt188
from chengnao.sensing.protocols.metering import Line, MeterDialogue
from chengnao.sensing.protocols.recording import Recording, read_recording
from chengnao.sensing.protocols.shape import Act, Command, Now, Receipt, Refused, Reply, Report
from chengnao.sensing.readings.model import Quality
from tests.support import public_frames as public

AT = datetime(2026, 11, 25, 4, 30, 20, tzinfo=UTC)
METER, OTHER = "78330011223344", "00000068160001"
# As published (cn.foxtech.device.protocol.v1.cjt188): 556677 m³, identifier 1F90, the maker's code in the address.
WATER = bytes.fromhex("68104433221100337881161f9000007766552c007766552c3101221105152021841316")
LINE = Line(b"DTU1\r\n", "DTU1")


def frame(raw: bytes) -> Frame:
    found = decode(raw)
    assert isinstance(found, Frame), found
    return found


def recorded(raw: bytes) -> Recording[Any]:
    framer: Any = Framer()
    return read_recording(framer, raw)


def test_public_frames() -> None:
    for each in public.recorded("cjt188"):
        recording, expected = public.read(WIRE, each), each["expect"]
        if "error" in expected:
            refusal = recording.refused[0]
            assert refusal.code == expected["error"], each["id"]
            wanted = {key: expected[key] for key in ("in_frame", "computed") if key in expected}
            assert wanted.items() <= refusal.params.items(), each["id"]
        else:
            [found] = recording.frames
            assert recording.refused == [], each["id"]
            assert list(public.missing(expected, found.fields())) == [], each["id"]


@given(
    st.integers(0x10, 0x5F), st.binary(min_size=7, max_size=7), st.integers(0, 255), st.binary(max_size=100),
    st.integers(0, 4),
)  # fmt: skip
def test_round_trip(kind: int, address: bytes, control: int, data: bytes, wake: int) -> None:
    found = frame(encode(kind, address.hex(), control, data, preamble=wake))
    assert (found.preamble, found.meter_type, found.address, found.control, found.data) == (
        wake,
        kind,
        address.hex(),
        control,
        data,
    )
    found.fields()


def metered(content: str, kind: int = 0x10, control: int = 0x81) -> Frame:
    return frame(encode(kind, METER, control, bytes.fromhex("901f00" + content)))


def test_layouts_of_makers_are_read_and_told() -> None:
    clock, state = "20122501112620", "0500"
    usual = metered("00200000" + "2c" + "00100000" + "2c" + clock + state)
    assert usual.warnings == ()
    before = metered("2c" + "00200000" + "2c" + "00100000" + clock + state)
    assert before.warnings == ("nonstandard_unit_layout",)
    for each in (usual, before):
        assert (each.fields()["current"], each.fields()["settle"], each.fields()["unit_byte"]) == (20.0, 10.0, "0x2C")
        assert each.fields()["meter_time_bcd"] == "20261101251220"
        assert each.fields()["status"] == ["battery_low", "valve_closed"]
    short = metered("00200000" + state)
    assert (short.fields()["current"], short.warnings) == (20.0, ("nonstandard_unit_layout",))
    long = metered("2c00200000" + "2c00100000" + "3500000100" + clock + "4022" + "0300", control=0xA1)
    assert (long.fields()["current"], long.fields()["flow"]) == (20.0, 1.0)
    unheard_of = metered("00200000" + "2c" + "0102030405060708")
    assert (unheard_of.fields()["current"], unheard_of.warnings) == (20.0, ("nonstandard_unit_layout",))
    assert metered("00").fields()["data_hex"] == "00"
    assert frame(encode(0xAA, METER, 0x03, b"\x81\x0a\x00")).meter_type == 0xAA
    assert status_flags(b"\x03\x00") == {"valve_fault"}


def test_heat_meters() -> None:
    content = "00100000" + "05" + "00200000" + "08" + "00030000" + "17" + "00250100" + "35" + "00400000" + "2c"
    content += "305500" + "002545" + "345600" + "20122501112620" + "0400"
    found = metered(content, kind=0x20).fields()
    assert (found["settle_heat"], found["current_heat"], found["heat_power"]) == (10.0, 20.0, 3.0)
    assert (found["flow"], found["volume"], found["hours"]) == (1.25, 40.0, 5634)
    assert (found["supply_temperature"], found["return_temperature"]) == (55.3, 4525.0)
    values = {value.point: value.value for value in Cjt188().heard([metered(content, kind=0x20)]).values}
    assert values["current_heat"] == 20_000
    assert values["battery_low"] == 1


def test_units_become_those_of_the_class() -> None:
    litres = metered("00200000" + "29" + "00100000" + "35" + "00" * 7 + "0000")
    assert litres.warnings == ("nonstandard_unit_layout",)
    values = {value.point: (value.value, value.quality) for value in Cjt188().heard([litres]).values}
    assert values["current"] == (0.02, Quality.GOOD)
    assert values["settle"] == (10.0, Quality.FAULT)  # a flow's unit beside a volume


def test_any_bytes_between_frames_and_the_second_sum() -> None:
    tricky = encode(0x10, OTHER, 0x81, bytes.fromhex("901f00") + b"\x68\x16" * 9 + b"\x68")
    recording = recorded(b"\x68\x10noise" + WATER + b"\x25\x16" + tricky + b"\xfe" * 9 + WATER + b"\x99\x17")
    assert [each.raw.lstrip(b"\xfe") for each in recording.frames] == [WATER, tricky.lstrip(b"\xfe"), WATER]
    assert [bad.raw for bad in recording.refused] == [b"\x68\x10noise", b"\x99\x17"]


@given(st.lists(st.integers(0, 5), max_size=8), st.data())
def test_any_cut_of_a_stream_gives_the_same_frames(order: list[int], data: st.DataObject) -> None:
    pieces = [WATER, encode(0x20, OTHER, 0x81, b"\x68\x16" * 20), b"\x01\x68\x10", WATER[:-1], b"DTU1\r\n", b"\xfe\xfe"]
    stream = b"".join(pieces[number] for number in order)
    whole = recorded(stream)
    framer = Framer()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found = [piece for part in parts for piece in framer.feed(part)] + framer.close()
    good = [piece.fields() for piece in found if isinstance(piece, Frame)]
    assert good == [each.fields() for each in whole.frames if isinstance(each, Frame)]
    assert len(good) == sum(order.count(number) for number in (0, 1))


@settings(max_examples=300)
@given(st.binary(max_size=300), st.integers(0, 30), st.binary(max_size=4))
def test_any_bytes_raise_nothing(noise: bytes, place: int, change: bytes) -> None:
    recorded(noise)
    for piece in recorded(WATER[:place] + change + WATER[place + len(change) :] + noise).frames:
        piece.fields()
    for kind in (0x10, 0x20):
        for control in (0x81, 0xA1, 0xC1, 0x84, 0x83):
            for size in (2, 9, 22, 29, 46):
                content = bytes.fromhex("901f00") + noise[: size - 3].ljust(size - 3, b"\xff")
                found = frame(encode(kind, METER, control, content))
                found.fields()
                MeterDialogue(Cjt188()).hear(found, meter(), now(0))


# What is said.


def meter(address: str = METER, **given: Any) -> Any:
    return SimpleNamespace(id=f"m-{address}", address=address, settings=given, behind={})


def concentrator(*meters: Any) -> Any:
    behind = {each.address: each for each in meters}
    return SimpleNamespace(id="dtu", address="DTU1", settings={"answer_seconds": 1}, behind=behind)


def now(seconds: float) -> Now:
    return Now(AT, seconds)


def asked(acts: list[Act]) -> list[Frame]:
    return [frame(act.data) for act in acts if isinstance(act, Reply)]


def test_a_meter_that_is_silent_to_one_order_is_asked_in_the_other() -> None:
    dialogue: MeterDialogue[Frame] = MeterDialogue(Cjt188())
    dtu = concentrator(meter())
    [first] = asked(dialogue.hear(LINE, dtu, now(0)))
    assert (first.meter_type, first.control, first.di, first.address) == (0x10, 0x01, "901f", METER)
    [second] = asked(dialogue.tick(now(1)))
    assert second.di == "1f90"
    acts = dialogue.hear(frame(WATER), dtu, now(2))
    report = acts[0]
    assert isinstance(report, Report)
    assert (report.device, report.time) == (METER, None)
    assert {value.point: value.value for value in report.values} == {
        "current": 556677.0,
        "settle": 556677.0,
        "valve_closed": 1.0,
        "valve_fault": 0.0,
        "battery_low": 0.0,
    }


def test_settings_of_makers() -> None:
    dialogue: MeterDialogue[Frame] = MeterDialogue(Cjt188())
    one = meter(di_order="1F90", ser=False, meter_type="20")
    [question] = asked(dialogue.hear(LINE, concentrator(one), now(0)))
    assert (question.meter_type, question.di, question.data) == (0x20, "1f90", bytes.fromhex("1f90"))
    assert question.warnings == ("no_ser",)
    assert asked(dialogue.tick(now(1)))[0].di == "1f90"


def test_an_error_answer_is_held() -> None:
    dialogue: MeterDialogue[Frame] = MeterDialogue(Cjt188())
    dtu = concentrator(meter())
    dialogue.hear(LINE, dtu, now(0))
    refused = dialogue.hear(frame(encode(0x10, METER, 0xC1, b"\x00\x02\x01")), dtu, now(1))[0]
    assert isinstance(refused, Refused)
    assert (refused.refusal.code, refused.refusal.params["word"]) == ("meter_refuses", "000201")


def test_the_valve() -> None:
    dialogue, target = MeterDialogue(Cjt188()), meter()
    dtu = concentrator(target)
    dialogue.hear(LINE, dtu, now(0))
    dialogue.hear(frame(WATER), dtu, now(0))
    order = frame(dialogue.command(Command("k-1", "valve", {"state": "closed"}), target, now(1)))
    assert (order.control, order.di, order.content) == (0x04, "a017", b"\x99")
    done = frame(encode(0x10, METER, 0x84, bytes.fromhex("a017020100")))
    [receipt] = [act for act in dialogue.hear(done, dtu, now(2)) if isinstance(act, Receipt)]
    assert (receipt.key, receipt.ok) == ("k-1", True)
    asking = frame(dialogue.command(Command("k-2", "read_address"), target, now(3)))
    assert (asking.address, asking.control) == ("a" * 14, 0x03)
    reading = dialogue.command(Command("k-3", "read"), target, now(3))
    assert reading == b""  # the wires are in use


@pytest.mark.parametrize(("name", "arguments"), [("explode", {}), ("valve", {"state": "half"}), ("valve", {})])
def test_what_is_no_command(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        MeterDialogue(Cjt188()).command(Command("k", name, arguments), meter(), now(0))
    with pytest.raises(Invalid):
        MeterDialogue(Cjt188()).command(Command("k", "read"), meter("DTU1"), now(0))
