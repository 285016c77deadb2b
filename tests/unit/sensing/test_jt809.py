"""JT/T 809: frames between platforms. Vectors with a source are published frames, carried as facts."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols.jt809 import WIRE, Frame, Framer, crc16, decode, encode
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Refusal

from .recorded import differences

# SmallChi/JT809: a position of 2019, its time in the head.
VEHICLE = bytes.fromhex(
    "5b00000044000004571200000004570101010000000000000000004ebc924fb2e2cad4313131310000000000000000000000000004"
    "12060400000004000000000063895d"
)
# The same project: an encrypted body with a start mark in it that was not escaped.
BARE_START = bytes.fromhex(
    "5b00000033000002581400052df12c0000000100003b890000000068b7a9c0b7a40dc8859dc47888e98b8678be0e5b91232e5d"
)
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


def good(raw: bytes) -> Frame:
    frame = decode(raw)
    assert isinstance(frame, Frame), frame
    return frame


def test_shared_frames() -> None:
    assert differences("jt809") == {}


def test_crc_of_the_catalogue() -> None:
    assert crc16(b"123456789") == 0x29B1


def test_vehicle_of_2019() -> None:
    frame = good(VEHICLE)
    assert frame.edition == "2019"
    assert frame.time == datetime(2011, 11, 11, 3, 11, 11, tzinfo=UTC)
    assert frame.fields()["body"]["plate"] == "测试1111"


def test_messages_that_lost_their_vehicle_in_2019() -> None:
    plate = "渝A12345".encode("gb18030").ljust(21, b"\x00") + b"\x02"
    part = b"\x94\x01\x00\x00\x00\x02ab"
    old = good(encode(0x9400, plate + part)).fields()
    assert old["body"] == {"plate": "渝A12345", "plate_color": 2, "sub_id": "0x9401", "data_length": 2}
    new = good(encode(0x9400, part, time=NOW)).fields()
    assert new["body_hex"] == part.hex()
    assert new["details"] == {"sub_id": "0x9401", "data_length": 2}


def test_encrypted_bodies_stay_as_they_are() -> None:
    frame = good(BARE_START)
    assert frame.encrypt == 1
    assert frame.fields()["body_encrypted_bytes"] == 17
    assert read_recording(Framer(), BARE_START).frames == [frame]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "bad_start"),
        (b"\x5b", "no_delimiter"),
        (b"\x5b\x5d", "too_short"),
        (VEHICLE[:9] + b"\x5a\x07" + VEHICLE[9:], "bad_escape"),
        (VEHICLE[:9] + b"\x01" + VEHICLE[10:], "bad_crc"),
        (VEHICLE[:-1], "no_delimiter"),
    ],
)
def test_wrong_frames(raw: bytes, code: str) -> None:
    refusal = decode(raw)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code


def test_streams() -> None:
    def read(raw: bytes) -> tuple[list[tuple[str, ...]], list[str]]:
        recording = read_recording(Framer(), raw)
        return [frame.warnings for frame in recording.frames], [bad.code for bad in recording.refused]

    wrong = VEHICLE[:9] + b"\x01" + VEHICLE[10:]
    assert read(b"noise" + VEHICLE + VEHICLE) == ([(), ()], ["garbage"])
    assert read(b"\x5b" + VEHICLE) == ([("doubled_start",)], [])
    assert read(VEHICLE[:20] + VEHICLE) == ([()], ["no_delimiter"])
    assert read(wrong + VEHICLE + wrong) == ([()], ["bad_crc", "bad_crc"])
    assert read(VEHICLE + b"\x5d" + VEHICLE[:30]) == ([()], ["garbage", "no_delimiter"])


def test_an_end_mark_inside_a_body_that_was_not_escaped() -> None:
    whole = encode(0x1400, b"secret\x5dbody")
    bare = whole.replace(b"\x5e\x01", b"\x5d")
    for raw in (bare, VEHICLE + bare + VEHICLE):
        framer = Framer()
        frames = [piece for byte in raw for piece in framer.feed(bytes([byte]))]
        assert all(isinstance(frame, Frame) for frame in frames)
        assert ("unescaped_mark",) in [frame.warnings for frame in frames if isinstance(frame, Frame)]
    framer = Framer()
    framer.feed(bare[:-4])
    assert [piece.code for piece in framer.hurry() if isinstance(piece, Refusal)] == ["bad_crc"]


def test_a_flood_without_marks_is_not_held() -> None:
    framer = Framer()
    framer.feed(b"\x5b" + b"a" * 1_000_000)
    assert framer.pending <= 1 << 16


FRAMES = st.builds(
    encode,
    st.integers(0, 0xFFFF),
    st.binary(max_size=60),
    sn=st.integers(0, 2**32 - 1),
    center_id=st.integers(0, 2**32 - 1),
    time=st.just(NOW),
)


@given(st.binary(max_size=60), st.integers(0, 2**32 - 1), st.booleans())
def test_round_trip(body: bytes, sn: int, new: bool) -> None:
    frame = good(encode(0x1200, body, sn=sn, time=NOW if new else None))
    assert frame.sn == sn
    if new:
        assert (frame.body, frame.time) == (body, NOW)


@given(st.lists(FRAMES | st.binary(max_size=40), max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_any_cut_of_a_stream_gives_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    framer, found, start = Framer(), [], 0
    for cut in [*sorted(cuts), len(raw)]:
        found += framer.feed(raw[start:cut])
        start = max(start, min(cut, len(raw)))
    found += framer.close()
    whole = read_recording(Framer(), raw)
    assert [piece for piece in found if isinstance(piece, Frame)] == whole.frames
    assert [piece for piece in found if isinstance(piece, Refusal)] == whole.refused


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(raw: bytes) -> None:
    decode(raw)
    decode(b"\x5b" + raw + b"\x5d")
    read_recording(Framer(), raw).fields(WIRE)
    read_recording(Framer(), b"\x5b\x00\x00\x00\x40" + raw + b"\x5d" + raw).fields(WIRE)
