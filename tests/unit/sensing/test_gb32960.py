"""GB/T 32960: frames, streams, and what follows from each. Vectors with a source are published frames, as facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.gb32960 import (
    CLOCK,
    HEARTBEAT,
    LOGIN,
    LOGOUT,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
    REALTIME,
    RESENT,
    Frame,
    Framer,
    decode,
    encode,
    field_bytes,
    hint,
)
from chengnao.sensing.protocols.gb32960_dialogue import WIRE, Gb32960Dialogue
from chengnao.sensing.protocols.gb32960_units import read_units
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Act, Command, Known, Now, Refusal, Refused, Reply, Report
from chengnao.sensing.simulators.gb32960 import Vehicle

from .recorded import differences

# gbt32960, a Go package, its golden frame: cells and temperatures, the VIN filled up with NUL.
CELLS = bytes.fromhex(
    "232302fe4f563230323630303031000000000000000100211a09110c1e00080101025a26dd00040001040ccc0cd00cc10cc7"
    "0901010002474b65"
)
# Fuel cell and engine among all kinds (a public test; VIN made up).
ALL_KINDS = bytes.fromhex(
    "232302fe4c544553543030303030303030303030390100761101180f001d010101010064000006a40030012c1901010014000002"
    "0101010c01f400781e00dc00320301e00064000200013802261900190c01f4170104010bb84e20054006d1020b01d1e50e060101"
    "0af0010103e80101be0101780701480000000100000000010000000001000000000100000000f7"
)
# The first Go package again: its own vehicle unit of 16 bytes.
SHORT_UNIT = bytes.fromhex(
    "232302fe4f563230323630303031000000000000000100751a09110c1e00010103ff01450001e2404effffffffffff050006ca9620"
    "0157eee006ffffffffffffffffffff4bffff4407010000000001000e1001000000080101025a26dd00020001020ccc0cd009010100"
    "02474b8001000f002d0096005000000400000000580381010009010304b0007d03203c33"
)
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
MOMENT = Now(NOW, 0.0)


@dataclass
class Registered:
    id: str = "bus-1"
    address: str = "V1"
    settings: Mapping[str, Any] = field(default_factory=dict)
    behind: Mapping[str, Known] = field(default_factory=dict)


def good(raw: bytes) -> Frame:
    frame = decode(raw)
    assert isinstance(frame, Frame), frame
    return frame


def heard(raw: bytes, **settings: Any) -> Act:
    (act,) = Gb32960Dialogue().hear(good(raw), Registered(settings=settings), MOMENT)
    return act


def answer(act: Act) -> Frame:
    assert isinstance(act, Reply | Report | Refused)
    return good(act.data if isinstance(act, Reply) else act.reply)


def test_shared_frames() -> None:
    # The unit of 16 bytes is a habit that is taken and flagged.
    assert differences("gb32960", "note") == {"gb32960-002": {"error": ("nonstandard_unit_layout", None)}}


def test_cells_and_temperatures() -> None:
    frame = good(CELLS)
    assert frame.vin == "OV20260001"
    assert frame.time == datetime(2026, 9, 17, 4, 30, 0, tzinfo=UTC)
    assert frame.units is not None
    assert frame.units.standard
    assert frame.fields()["unit_details"][0]["packs"][0]["cells_v"] == [3.276, 3.28, 3.265, 3.271]


def test_all_kinds_of_units_are_read() -> None:
    frame = good(ALL_KINDS)
    assert frame.units is not None
    assert [unit.kind for unit in frame.units.found] == list(range(1, 8))
    assert frame.units.standard
    assert frame.units.of(3) == {
        "voltage_v": 48.0,
        "current_a": 10.0,
        "consumption_kg_100km": 0.02,
        "temps_c": [16],
        "hydrogen_max_temp_c": 15.0,
        "hydrogen_max_temp_probe": 25,
        "hydrogen_max_mg_kg": 25,
        "hydrogen_max_sensor": 12,
        "hydrogen_max_pressure_mpa": 50.0,
        "hydrogen_max_pressure_sensor": 23,
        "dcdc": 1,
    }
    assert frame.units.of(4) == {"state": 1, "rpm": 3000, "consumption_l_100km": 200.0}
    assert frame.units.of(6)["max_cell_v"] == 2.8
    assert frame.units.of(7)["flags"] == 0x48000000


def test_a_unit_that_does_not_fit_shows_no_shifted_values() -> None:
    frame = good(SHORT_UNIT)
    assert frame.warnings == ("nonstandard_unit_layout",)
    assert frame.fields()["units"] == []
    assert frame.fields()["consumed_ok"] is False
    act = heard(SHORT_UNIT)
    assert isinstance(act, Refused)
    assert act.refusal.code == "nonstandard_unit_layout"
    assert answer(act).response == 1


def test_fault_and_missing_are_never_numbers() -> None:
    unit = b"\x01\xff\xfe\xff\xff\xff\xff\xff\xff\xfe\xff\xfe\xff\xff\xff\xfe\x00\xff\xff\xfe\xff"
    frame = good(encode(REALTIME, "V1", field_bytes(NOW) + unit))
    assert frame.units is not None
    assert frame.units.standard
    assert {name for name, value in frame.units.of(1).items() if value is not None} == {"gear"}
    act = heard(frame.raw)
    assert isinstance(act, Report)
    assert act.values == []


@pytest.mark.parametrize(
    "kinds", [b"\x02\xff", b"\x02\xfe", b"\x08\xff\x09\xfe", b"\x07\xff\x00\x00\x00\x00\xff\xff\xfe\xfe"]
)
def test_counts_that_are_missing_are_none(kinds: bytes) -> None:
    assert read_units(kinds).standard


@pytest.mark.parametrize(
    ("units", "whole"),
    [(b"\x30abc", True), (b"\x04\x01\x00\x00\x00\x00" * 2, True), (b"\x80\x00\x05abc", False), (b"\x05\x00", False)],
)
def test_other_layouts(units: bytes, whole: bool) -> None:
    found = read_units(units)
    assert found.whole is whole
    assert not found.standard


def test_a_fuel_cell_with_a_count_that_cannot_be_leaves_what_stood_before() -> None:
    found = read_units(b"\x04\x01\x00\x0a\xff\xff" + b"\x03" + b"\xff" * 6 + b"\x30\x00" + b"\xff" * 20)
    assert [unit.kind for unit in found.found] == [4]
    assert found.fields()[1] == {"type": "0x03", "raw": "ff" * 6 + "3000" + "ff" * 20}
    assert not found.standard


def test_units_of_the_maker_are_kept_raw() -> None:
    found = read_units(b"\x80\x00\x03abc\x04\x01\x00\x0a\xff\xff")
    assert found.standard
    assert found.fields() == [
        {"type": "0x80", "length": 3, "raw": "616263"},
        {"type": "0x04", "state": 1, "rpm": 10, "consumption_l_100km": None},
    ]


@pytest.mark.parametrize("time", ["1a0d0a000000", "1a021e000000", "000000000000", "ffffffffffff", "1a0b19180000"])
def test_times_that_cannot_be_are_refused(time: str) -> None:
    refusal = decode(encode(REALTIME, "V1", bytes.fromhex(time)))
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.params) == ("bad_field", {"field": "time", "value": time})


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x00" + CELLS[1:], "bad_header"),
        (CELLS[:3] + b"\x77" + CELLS[4:], "bad_header"),
        (CELLS[:20], "truncated"),
        (CELLS[:-1], "truncated"),
        (CELLS[:-1] + b"\x00", "bad_bcc"),
    ],
)
def test_wrong_frames(raw: bytes, code: str) -> None:
    refusal = decode(raw)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code


def test_signing_in_shows_no_password() -> None:
    body = (
        field_bytes(NOW)
        + b"\x00\x07"
        + "中心".encode("gb18030").ljust(12, b"\x00")
        + b"s3cret".ljust(20, b"\x00")
        + b"\x01"
    )
    raw = encode(PLATFORM_LOGIN, "P1", body)
    assert good(raw).fields()["platform_login"] == {"serial": 7, "user": "中心"}
    assert answer(heard(raw)).response == 1
    assert answer(heard(raw, user="中心", password="s3cret")).response == 1
    assert answer(heard(raw, user="中心", password="other")).response == 2


@pytest.mark.parametrize("command", [LOGIN, LOGOUT, PLATFORM_LOGOUT])
@pytest.mark.parametrize("version", ["2016", "2025"])
def test_answers_repeat_command_vin_and_time(command: int, version: str) -> None:
    told = answer(heard(encode(command, "V1", field_bytes(NOW) + b"\x00\x01", version=version)))
    assert (told.command, told.response, told.vin, told.version) == (command, 1, "V1", version)
    assert told.data == field_bytes(NOW)


def test_heartbeat_and_clock() -> None:
    assert answer(heard(encode(HEARTBEAT, "V1"))).data == b""
    assert answer(heard(encode(CLOCK, "V1"))).time == NOW


def test_a_report_becomes_values_and_none_of_them_is_a_place() -> None:
    vehicle = Vehicle(3)
    act = heard(vehicle.report(NOW))
    assert isinstance(act, Report)
    assert act.time == NOW
    points = {value.point: value.value for value in act.values}
    assert points.keys() == {
        "speed", "mileage", "voltage", "current", "soc", "insulation", "max_cell_voltage", "min_cell_voltage",
        "max_temperature", "min_temperature", "alarm_level", "alarm", "motor_temperature",
    }  # fmt: skip
    assert points["insulation"] == 5000
    told = answer(act)
    assert (told.command, told.response, told.data) == (REALTIME, 1, field_bytes(NOW))
    assert good(act.wrong).response == 2
    assert isinstance(heard(encode(RESENT, "V1", good(vehicle.report(NOW)).data)), Report)


def test_what_is_refused_openly() -> None:
    for raw, code in [
        (encode(REALTIME, "V1", b"\x01\x02\x03", encrypt=3), "encryption_not_served"),
        (encode(REALTIME, "V1", field_bytes(NOW) + b"\x01", version="2025"), "version_not_served"),
        (encode(REALTIME, "V1", b"\x01"), "too_short"),
        (encode(0x55, "V1"), "command_not_served"),
    ]:
        act = heard(raw)
        assert isinstance(act, Refused)
        assert act.refusal.code == code
        assert answer(act).response == 2
    assert Gb32960Dialogue().hear(good(encode(0x80, "V1", field_bytes(NOW), 1)), Registered(), MOMENT) == []
    with pytest.raises(Invalid):
        Gb32960Dialogue().command(Command("k", "reset"), Registered(), MOMENT)


def test_unknown_vehicles_are_told() -> None:
    told = good(Gb32960Dialogue().unknown(good(Vehicle(1).hello(NOW)), MOMENT))
    assert (told.command, told.response, told.data) == (LOGIN, 2, field_bytes(NOW))


def test_the_answer_keeps_a_vin_byte_for_byte() -> None:
    assert answer(heard(encode(HEARTBEAT, " V1"))).raw[4:21] == b" V1".ljust(17, b"\x00")


def test_bad_between_good_and_nothing_but_noise() -> None:
    wrong = CELLS[:-1] + b"\x00"
    recording = read_recording(Framer(), b"noise" + CELLS + wrong + CELLS[:30] + CELLS)
    assert [frame.raw for frame in recording.frames] == [CELLS, CELLS]
    assert [bad.code for bad in recording.refused][:2] == ["garbage", "bad_bcc"]
    assert read_recording(Framer(), b"no frame at all").refused[0].code == "bad_header"


def test_hint() -> None:
    assert hint(CELLS[:-1] + b"\x00") == "OV20260001"
    assert hint(b"##") == ""


FRAMES = st.builds(
    encode,
    st.integers(1, 0xFF),
    st.from_regex(r"[A-Z0-9]{0,17}", fullmatch=True),
    st.just(field_bytes(NOW)) | st.binary(max_size=60).map(lambda rest: field_bytes(NOW) + rest),
    st.sampled_from([1, 2, 3, 0xFE]),
    st.sampled_from(["2016", "2025"]),
)


@given(FRAMES)
def test_round_trip(raw: bytes) -> None:
    frame = good(raw)
    assert encode(frame.command, frame.vin, frame.data, frame.response, frame.version) == raw
    assert frame.fields()["length"] == len(frame.data)


@given(st.lists(FRAMES | st.binary(max_size=40), max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_any_cut_of_a_stream_gives_the_same_frames(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    framer, found, start = Framer(), [], 0
    for cut in [*sorted(cuts), len(raw)]:
        found += framer.feed(raw[start:cut])
        start = max(start, min(cut, len(raw)))
    found += framer.close()
    assert [piece for piece in found if isinstance(piece, Frame)] == read_recording(Framer(), raw).frames


@given(st.binary(max_size=200), st.sampled_from([REALTIME, RESENT, LOGIN, PLATFORM_LOGIN, CLOCK, 0x80]))
def test_nothing_that_a_frame_holds_raises(data: bytes, command: int) -> None:
    frame = good(encode(command, "V1", field_bytes(NOW) + data))
    frame.fields()
    Gb32960Dialogue().hear(frame, Registered(), MOMENT)


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(raw: bytes) -> None:
    decode(raw)
    hint(raw)
    read_units(raw).fields()
    read_units(raw).details()
    read_recording(Framer(), raw).fields(WIRE)
