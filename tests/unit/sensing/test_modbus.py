"""Modbus: three wrappings, requests and answers, found again after whatever is wrong."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols.modbus import Frame, Framer, encode_ascii, encode_rtu, encode_tcp
from chengnao.sensing.protocols.modbus_pdu import parse
from chengnao.sensing.protocols.shape import Refusal

from .recorded import differences, told

READ = bytes.fromhex("03007c0002")
ANSWER = bytes.fromhex("0304008d008e")


def fed(*reads: bytes) -> list[Frame | Refusal]:
    framer = Framer()
    return [piece for read in reads for piece in framer.feed(read)] + framer.close()


def raws(pieces: list[Frame | Refusal]) -> list[bytes]:
    return [piece.raw for piece in pieces if isinstance(piece, Frame)]


def test_recorded_frames() -> None:
    assert differences("modbus") == {}


@pytest.mark.parametrize(
    ("pdu", "kind", "values"),
    [
        ("0100130025", "request", {"address": 19, "count": 37}),
        ("0105cd6bb20e1b", "response", {"bits": 40}),
        ("0200c40016", "request", {"address": 196, "count": 22}),
        ("0304000a0102", "response", {"registers": [10, 258]}),
        ("0400080001", "request", {"address": 8, "count": 1}),
        ("050ac0ff00", "request", {"address": 2752, "value": True}),
        ("0600010003", "request", {"address": 1, "value": 3}),
        ("07", "request", {}),
        ("076d", "response", {"status": 109}),
        ("080000a537", "request", {"sub_function": 0, "value": 0xA537}),
        ("0bffff0108", "response", {"status": 65535, "events": 264}),
        ("0f0013000a02cd01", "request", {"address": 19, "count": 10, "bits": 10}),
        ("0f0013000a", "response", {"address": 19, "count": 10}),
        ("1000010002 04000a0102", "request", {"address": 1, "count": 2, "registers": [10, 258]}),
        ("1000010002", "response", {"address": 1, "count": 2}),
        ("16000400f20025", "request", {"address": 4, "and_mask": 242, "or_mask": 37}),
        ("170003000600 0e00030600ff00ff00ff", "request",
         {"address": 3, "count": 6, "write_address": 14, "write_count": 3, "registers": [255, 255, 255]}),
        ("170400fe0acd", "response", {"registers": [254, 2765]}),
        ("2b0e0100", "request", {"read_code": 1, "object": 0}),
        ("2b0e01010000 02 00 02 4d42 01 01 41", "response", {"objects": {"0": "MB", "1": "A"}}),
        ("8302", "response", {"exception": 2}),
        ("41aabb", "user_defined", {"data": "aabb"}),
    ],
)  # fmt: skip
def test_functions(pdu: str, kind: str, values: dict[str, object]) -> None:
    found = parse(bytes.fromhex(pdu))
    assert found is not None
    shown = {name: len(value) if name == "bits" else value for name, value in found.values.items()}
    assert (found.kind, shown) == (kind, values)


@pytest.mark.parametrize("pdu", ["", "03", "0300", "030400", "0303000102", "1000010002030a0102", "63", "0100"])
def test_what_is_no_pdu(pdu: str) -> None:
    raw = bytes.fromhex(pdu)
    found = parse(raw)
    # Five bytes are a request for registers, whatever they say.
    assert found is None or (len(raw) == 5 and found.kind == "request")


@pytest.mark.parametrize(
    ("hexed", "code", "params"),
    [
        ("1103007c", "truncated", {"need_bytes": 4}),
        ("000304008d008efa", "truncated", {"need_bytes": 1}),
        ("1103007c00020744", "bad_crc", {"in_frame": "4407", "computed": "4307"}),
        ("010300000006c5c9", "bad_crc", {"computed": "c8c5"}),
        ("0c0500000002ff8302", "length_short", {"declared": 2}),
        ("0000000000061103007c00", "truncated", {"need_bytes": 1}),
        ("0000000100061103007c0002", "bad_header", {"field": "protocol", "value": 1}),
        ("0000000000071103007c000200", "length_mismatch", {"declared": 7}),
        ("00000000ffff1103007c0002", "bad_header", {"field": "length"}),
        ("0000000000061163007c0002", "bad_field", {"field": "function", "value": 0x63}),
        ("ffffffffffffffff", "garbage", {}),
    ],
)
def test_wrong_frames(hexed: str, code: str, params: dict[str, object]) -> None:
    found = told("modbus", bytes.fromhex(hexed))
    assert found["error"] == code
    assert params.items() <= found.items()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (":1103007C00026F\r\n", "bad_checksum"),
        (":1103007C00026", "truncated"),
        (":1103007C0002\r\n", "bad_checksum"),
        (":1103007G00026E\r\n", "bad_field"),
        (":1103007C0002E\r\n", "bad_field"),
        (":11\r\n", "too_short"),
    ],
)
def test_wrong_text(text: str, code: str) -> None:
    assert told("modbus", text.encode())["error"] == code


def test_a_bad_crc_costs_no_good_frame() -> None:
    good = encode_rtu(17, READ)
    for wrong in (good[:-1] + b"\0", good[:5], b"\x11\x03", b"\xff" * 40, good[:3] + good[4:]):
        assert raws(fed(wrong + good + good))[-2:] == [good, good]


def test_lines_of_text_between_noise() -> None:
    text = encode_ascii(17, READ)
    assert raws(fed(b"x:1103" + text + b"\r\n" + text)) == [text, text]


def test_quiet_line_brings_out_what_a_half_frame_hides() -> None:
    framer = Framer()
    answer = encode_rtu(17, b"\x03\xf0")[:3]  # says that 240 bytes follow
    good = encode_rtu(17, READ)
    assert framer.feed(answer + good) == []
    assert raws(framer.hurry()) == [good]


UNITS = st.integers(0, 247)
WORDS = st.lists(st.integers(0, 65535), min_size=1, max_size=60)
PDUS = st.one_of(
    st.builds(lambda a, n: bytes([3]) + a.to_bytes(2, "big") + n.to_bytes(2, "big"), st.integers(0, 65535),
              st.integers(1, 125)),
    st.builds(lambda words: bytes([4, 2 * len(words)]) + b"".join(w.to_bytes(2, "big") for w in words), WORDS),
    st.builds(lambda code: bytes([0x83, code]), st.integers(1, 11)),
)  # fmt: skip


@given(UNITS, PDUS, st.integers(0, 65535))
def test_what_is_wrapped_is_found(unit: int, pdu: bytes, transaction: int) -> None:
    for raw in (encode_tcp(transaction, unit, pdu), encode_ascii(unit, pdu), encode_rtu(unit, pdu)):
        (frame,) = fed(raw)
        assert isinstance(frame, Frame)
        assert (frame.unit, frame.pdu) == (unit, parse(pdu))


@given(st.lists(st.tuples(UNITS, PDUS), min_size=1, max_size=6), st.sets(st.integers(1, 800)), st.integers(0, 2))
def test_how_reads_are_cut_makes_no_difference(frames: list[tuple[int, bytes]], cuts: set[int], kind: int) -> None:
    wraps = (encode_rtu, encode_ascii, lambda unit, pdu: encode_tcp(7, unit, pdu))
    parts = [wraps[kind](unit, pdu) for unit, pdu in frames]
    raw = b"".join(parts)
    places = [0, *sorted(cut for cut in cuts if cut < len(raw)), len(raw)]
    reads = [raw[start:end] for start, end in pairwise(places)]
    assert raws(fed(*reads)) == raws(fed(raw)) == parts


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_any_bytes(reads: list[bytes]) -> None:
    framer = Framer()
    for read in reads:
        framer.feed(read)
        assert framer.pending < 2_000
    framer.hurry()
    framer.close()
    assert framer.pending == 0


def test_noise_is_let_go() -> None:
    framer = Framer()
    noise = Random(1)
    for _ in range(50):
        framer.feed(noise.randbytes(4096))
        assert framer.pending < 2_000
