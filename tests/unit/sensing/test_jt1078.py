"""JT/T 1078: heads of packets. Vectors with a source are published packets, carried as facts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols.jt1078 import MAGIC, WIRE, Frame, Framer, decode
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Refusal

from .recorded import differences

# SmallChi/JT1078: a P frame of H.264.
PICTURE = bytes.fromhex("3031636481e2022d0019013050370210000001749179c79d05c80050000e0000000161e1e2ff000003006840")


def packet(
    kind: int = 1,
    sim: bytes = b"\x01\x39\x00\x00\x00\x01",
    data: bytes = b"\x00\x01data",
    time: int = 1_600_000_000_000,
) -> bytes:
    head = MAGIC + b"\x81\xe2\x00\x07" + sim + b"\x02" + bytes([kind << 4])
    head += (b"" if kind == 4 else time.to_bytes(8, "big")) + (b"\x00\x50\x00\x28" if kind < 3 else b"")
    return head + len(data).to_bytes(2, "big") + data


def good(raw: bytes) -> Frame:
    frame = decode(raw)
    assert isinstance(frame, Frame), frame
    return frame


def test_shared_frames() -> None:
    # A SIM of 10 bytes is a habit that is taken and flagged.
    assert differences("jt1078", "note") == {"jt1078-001": {"error": ("sim_length_variant", None)}}


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("sim", [bytes.fromhex("013900000001"), bytes.fromhex("00000000013900000001")])
@pytest.mark.parametrize("time", [0, 29_826_261, 1_600_000_000_000])
def test_every_kind_with_either_sim(kind: int, sim: bytes, time: int) -> None:
    raw = packet(kind, sim, time=time)
    frame = good(raw)
    assert (frame.sim, frame.channel, frame.data_type, frame.body) == (sim.hex(), 2, kind, b"\x00\x01data")
    assert frame.warnings == (("sim_length_variant",) if len(sim) == 10 else ())
    assert frame.timestamp_ms == (None if kind == 4 else time)
    assert frame.intervals == ((80, 40) if kind < 3 else None)
    recording = read_recording(Framer(), raw * 3)
    assert [each.raw for each in recording.frames] == [raw] * 3


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\x30\x31", "truncated"),
        (b"abcd", "bad_start"),
        (PICTURE[:-1], "truncated"),
        (PICTURE[:15] + b"\x77" + b"\x99" * 40, "bad_header"),
    ],
)
def test_wrong_packets(raw: bytes, code: str) -> None:
    refusal = decode(raw)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code


def test_noise_between_packets() -> None:
    recording = read_recording(Framer(), b"noise" + PICTURE + b"01c" + PICTURE)
    assert [frame.raw for frame in recording.frames] == [PICTURE, PICTURE]
    assert [bad.raw for bad in recording.refused] == [b"noise", b"01c"]


PACKETS = st.builds(packet, st.integers(0, 4), data=st.binary(max_size=80))


@given(st.lists(PACKETS, min_size=1, max_size=6), st.lists(st.integers(0, 600), max_size=8))
def test_any_cut_of_a_stream_gives_the_same_packets(packets: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(packets)
    framer, found, start = Framer(), [], 0
    for cut in [*sorted(cuts), len(raw)]:
        found += framer.feed(raw[start:cut])
        start = max(start, min(cut, len(raw)))
    found += framer.close()
    assert [piece.raw for piece in found] == packets


@given(st.binary(max_size=300))
def test_any_bytes_never_raise(raw: bytes) -> None:
    decode(raw)
    decode(MAGIC + raw)
    read_recording(Framer(), MAGIC + b"\x81" + raw).fields(WIRE)
