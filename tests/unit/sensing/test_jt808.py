"""JT/T 808: frames and streams. Vectors with a source are published frames, carried as facts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols import jt808_bodies as bodies
from chengnao.sensing.protocols.jt808 import MAX_BODY, Frame, Package, decode, encode, hint
from chengnao.sensing.protocols.jt808_dialogue import WIRE
from chengnao.sensing.protocols.jt808_location import read_location, write_location
from chengnao.sensing.protocols.jt808_stream import Framer
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Refusal

from .recorded import differences

# SmallChi/JT808, README: both escapes, one in the serial and one in the last extra.
POSITION = bytes.fromhex(
    "7e02000026123456789012007d02000000010000000200ba7f0e07e4f11c0028003c00001810151010100104000000640202007d01137e"
)
# The same project: a heartbeat.
HEARTBEAT = bytes.fromhex("7e00020000012345678900000a817e")
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


def good(raw: bytes) -> Frame:
    frame = decode(raw)
    assert isinstance(frame, Frame), frame
    return frame


def code(raw: bytes) -> str:
    refusal = decode(raw)
    assert isinstance(refusal, Refusal), refusal
    return refusal.code


def test_shared_frames() -> None:
    # The message in two parts is a stream of two frames. Marks that frames share are a habit that the frame tells of.
    assert differences("jt808") == {"jt808-031": {}, "jt808-043": {"error": ("shared_delimiter", "sticky")}}


def test_position_with_both_escapes() -> None:
    frame = good(POSITION)
    assert (frame.phone, frame.serial, frame.version) == ("123456789012", 126, "2013")
    location = read_location(frame.body)
    assert location is not None
    assert (location.longitude, location.latitude, location.speed_kmh) == (132.444444, 12.222222, 6.0)
    assert location.time == datetime(2018, 10, 15, 2, 10, 10, tzinfo=UTC)
    assert location.fixed
    assert frame.fields()["details"] == {"mileage_km": 10.0, "fuel_l": 12.5, "fixed": True}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "bad_start"),
        (b"\x7e", "no_delimiter"),
        (b"\x7e\x7e", "too_short"),
        (HEARTBEAT[:-2] + b"\x00\x7e", "bad_checksum"),
        (HEARTBEAT[:5] + b"\x7d\x03" + HEARTBEAT[5:], "bad_escape"),
        (HEARTBEAT[:-1], "no_delimiter"),
    ],
)
def test_wrong_frames(raw: bytes, expected: str) -> None:
    assert code(raw) == expected


def test_a_terminal_that_leaves_the_version_bit_out() -> None:
    long = encode(0x0200, "13900000001", 7, write_location(NOW, 106.5, 29.5), "2019")
    data = bytearray(long[1:-1])
    data[2] &= 0xBF
    data[-1] ^= 0x40
    frame = good(b"\x7e" + bytes(data) + b"\x7e")
    assert (frame.version, frame.phone, frame.warnings) == ("2019", "13900000001".zfill(20), ("version_bit_missing",))
    location = read_location(frame.body)
    assert location is not None
    assert location.longitude == 106.5


@pytest.mark.parametrize("version", ["2011", "2013", "2019"])
@pytest.mark.parametrize("header", ["2013", "2019"])
def test_registration_of_any_edition_under_any_header(version: str, header: str) -> None:
    width = bodies.WIDTHS[version]
    body = b"\x00\x32\x00\x67" + b"MAKER"[: width.maker].ljust(width.maker, b"\x00")
    body += b"MODEL".ljust(width.model, b"\x00") + b"TERM7".ljust(width.terminal, b"\x00")
    body += b"\x02" + "渝A12345".encode("gb18030")
    found = good(encode(0x0100, "13900000001", 1, body, header)).fields()["body"]
    assert found == {
        "province": 50,
        "city": 103,
        "maker": "MAKER",
        "model": "MODEL",
        "terminal_id": "TERM7",
        "plate_color": 2,
        "plate": "渝A12345",
    }


def test_registration_of_2011_with_a_vin_for_a_plate() -> None:
    width = bodies.WIDTHS["2011"]
    body = b"\x00\x32\x00\x67MAKER" + b"MODEL".ljust(width.model, b"\x00") + b"TERM007" + b"\x00LTEST000000000001"
    assert (bodies.registered(body) or {})["plate"] == "LTEST000000000001"


@pytest.mark.parametrize("maker", [5, 11])
def test_attributes_with_either_width_of_maker(maker: int) -> None:
    body = b"\x00\x07" + b"MAKER".ljust(maker, b"\x00") + b"MODEL".ljust(30, b"\x00") + b"T1".ljust(30, b"\x00")
    body += bytes.fromhex("89860324947560032900") + b"\x02H1\x03F.1\x03\x20"
    frame = good(encode(0x0107, "13900000001", 1, body, "2019"))
    assert frame.fields()["body"] == {"raw": body.hex()}
    assert frame.fields()["details"] == {
        "terminal_kinds": 7,
        "maker": "MAKER",
        "model": "MODEL",
        "terminal_id": "T1",
        "iccid": "89860324947560032900",
        "hardware": "H1",
        "firmware": "F.1",
        "gnss": 3,
        "communication": 32,
    }


def test_extras_known_unknown_of_odd_length_double_and_cut() -> None:
    extras = {0x01: b"\x00\x00\x00\x64", 0x15: b"\x00\x00\x00\x0c", 0x17: b"\x02", 0x06: b"\xff\xf6", 0xE7: b"\x01\x02"}
    body = write_location(NOW, 106.5, 29.5, extras=extras) + b"\x01\x04\x00\x00\x00\xc8" + b"\x31\x05\x01"
    frame = good(encode(0x0200, "1", 1, body))
    found = frame.fields()
    assert found["body"]["extras"] == {
        "0x01": "000000c8",
        "0x15": "0000000c",
        "0x17": "02",
        "0x06": "fff6",
        "0xE7": "0102",
    }
    assert found["details"] == {
        "mileage_km": 20.0,
        "video_lost_channels": [3, 4],
        "cargo_temperature_c": -10,
        "extras_cut": "310501",
        "fixed": True,
    }
    assert frame.warnings == ("extras_cut", "duplicate_extra")


def test_position_that_is_cut_or_has_no_time() -> None:
    frame = good(encode(0x0200, "1", 1, b"\x00" * 20))
    assert frame.fields()["body"] == {"raw": "00" * 20}
    assert frame.warnings == ("body_unreadable",)
    body = write_location(NOW, 106.5, 29.5)[:-6] + bytes.fromhex("261301000000")
    assert good(encode(0x0200, "1", 1, body)).fields()["body"]["time"] is None


@pytest.mark.parametrize(("status", "lon", "fixed"), [(3, 106.5, True), (1, 106.5, False), (3, 0.0, False)])
def test_no_fix(status: int, lon: float, fixed: bool) -> None:
    location = read_location(write_location(NOW, lon, 29.5 if lon else 0.0, status=status))
    assert location is not None
    assert location.fixed is fixed


def test_encode_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="1023"):
        encode(0x0900, "1", 1, b"\x00" * (MAX_BODY + 1))
    with pytest.raises(ValueError, match="phone"):
        encode(0x0002, "1" * 13, 1)


def test_streams_of_marks() -> None:
    two = encode(0x0002, "2", 2)
    for raw, ids, warnings in [
        (HEARTBEAT + two, [10, 2], [(), ()]),
        (HEARTBEAT + two[1:], [10, 2], [(), ("shared_delimiter",)]),
        (b"\x7e\x7e\x7e" + two, [2], [("empty_frames",)]),
        (HEARTBEAT + b"\r\n" + two, [10, 2], [(), ()]),
        (b"$$" + HEARTBEAT + b"\x01\x02" + two, [10, 2], [(), ()]),
    ]:
        frames = [piece for piece in Framer().feed(raw) if isinstance(piece, Frame)]
        assert [frame.serial for frame in frames] == ids, raw.hex()
        assert [frame.warnings for frame in frames] == warnings, raw.hex()


def test_nothing_but_marks() -> None:
    recording = read_recording(Framer(), b"\x7e" * 4)
    assert [bad.code for bad in recording.refused] == ["empty_frames"]


def test_a_flood_without_marks_is_not_held() -> None:
    framer = Framer()
    found = framer.feed(b"\x7e" + b"a" * 1_000_000)
    assert framer.pending < 3_000
    assert {piece.code for piece in found if isinstance(piece, Refusal)} == {"garbage"}
    assert [type(piece) for piece in framer.feed(b"\x7e" + HEARTBEAT)][-1] is Frame


def test_parts_of_a_recording_are_put_together_in_any_order() -> None:
    body = b"\x00\x05" + (2).to_bytes(4, "big") + bytes(56)
    one = encode(0x1205, "13900000001", 9, body[:31], package=Package(2, 1))
    two = encode(0x1205, "13900000001", 10, body[31:], package=Package(2, 2))
    found = read_recording(Framer(), two + two + one).fields(WIRE)
    assert found["package_total"] == 2
    assert found["reassembled"] == {"ack_serial": 5, "record_count": 2, "record_size": 28, "body_length": 62}


def test_hint_of_a_wrong_frame() -> None:
    assert hint(HEARTBEAT[:-2] + b"\x00\x7e") == "12345678900"
    assert hint(encode(0x0002, "13900000001", 1, version="2019")[:-3]) == "13900000001"
    assert hint(b"\x7e\x00") == ""


FRAMES = st.builds(
    encode,
    st.integers(0, 0xFFFF),
    st.from_regex(r"[0-9]{1,12}", fullmatch=True),
    st.integers(0, 0xFFFF),
    st.binary(max_size=200),
    st.sampled_from(["2013", "2019"]),
    st.none() | st.builds(Package, st.integers(1, 9), st.integers(1, 9)),
)


@given(FRAMES)
def test_round_trip(raw: bytes) -> None:
    frame = good(raw)
    assert encode(frame.msg_id, frame.phone, frame.serial, frame.body, frame.version, frame.package) == raw
    assert frame.fields()["body_length"] == len(frame.body)


@given(st.lists(FRAMES | st.binary(max_size=40), max_size=5), st.lists(st.integers(0, 500), max_size=8))
def test_any_cut_of_a_stream_gives_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    whole = read_recording(Framer(), raw)
    framer, found, start = Framer(), [], 0
    for cut in [*sorted(cuts), len(raw)]:
        found += framer.feed(raw[start:cut])
        start = max(start, min(cut, len(raw)))
    found += framer.close()
    assert [piece for piece in found if isinstance(piece, Frame)] == whole.frames
    assert [piece for piece in found if isinstance(piece, Refusal)] == whole.refused


KNOWN = (0x0100, 0x0102, 0x0104, 0x0107, 0x0200, 0x0201, 0x0704, 0x0801, 0x0900, 0x1205, 0x8100, 0x8300)


@given(st.binary(max_size=300), st.integers(0, 0xFFFF), st.sampled_from(["2013", "2019"]))
def test_any_body_is_shown(body: bytes, msg_id: int, version: str) -> None:
    for number in (msg_id, *KNOWN):
        good(encode(number, "1", 1, body, version)).fields()


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(raw: bytes) -> None:
    decode(raw)
    decode(b"\x7e" + raw + b"\x7e")
    hint(raw)
    read_recording(Framer(), raw).fields(WIRE)
