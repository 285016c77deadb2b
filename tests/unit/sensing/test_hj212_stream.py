"""HJ 212 in a stream: nothing good is lost, whatever surrounds it and however it is cut."""

from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols import hj212
from chengnao.sensing.protocols.hj212 import Frame
from chengnao.sensing.protocols.hj212_dialogue import WIRE
from chengnao.sensing.protocols.hj212_stream import Framer
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Refusal

from .test_hj212 import ANNEX, EMPTY_MN, OLD

STALE = ANNEX.replace(b"1C80", b"1C81")


def frames(pieces: list[Frame | Refusal]) -> list[bytes]:
    return [piece.raw for piece in pieces if isinstance(piece, Frame)]


def codes(pieces: list[Frame | Refusal]) -> list[str]:
    return [piece.code for piece in pieces if isinstance(piece, Refusal)]


def fed(*reads: bytes) -> list[Frame | Refusal]:
    framer = Framer()
    return [piece for read in reads for piece in framer.feed(read)] + framer.close()


def test_half_packets() -> None:
    framer = Framer()
    assert framer.feed(ANNEX[:3]) == []
    assert framer.feed(ANNEX[3:50]) == []
    assert framer.pending == 50
    assert frames(framer.feed(ANNEX[50:])) == [ANNEX[:-2]]
    assert framer.feed(b"") == framer.close() == []


def test_several_frames_in_one_read_without_line_ends() -> None:
    pieces = fed(EMPTY_MN + ANNEX + OLD)
    assert frames(pieces) == [EMPTY_MN, ANNEX[:-2], OLD[:-2]]
    assert codes(pieces) == []


def test_garbage_before_between_and_after() -> None:
    pieces = fed(b"noise##12", b"\xff" + ANNEX + b"####" + OLD + b"tail")
    assert frames(pieces) == [ANNEX[:-2], OLD[:-2]]
    assert codes(pieces) == ["garbage", "bad_length", "garbage"]


def test_line_ends_and_blanks_between_frames_are_no_garbage() -> None:
    assert codes(fed(b"\r\n\r\n" + ANNEX + b"\r\n \x00" + OLD)) == []


def test_every_kind_of_wrong_frame_before_a_good_one() -> None:
    for wrong, code in [
        (STALE, "bad_crc"),
        (STALE[:-2], "bad_crc"),
        (b"##0102" + ANNEX[6:], "bad_length"),
        (b"##0100" + ANNEX[6:], "bad_length"),
        (b"##0000" + ANNEX[6:], "bad_length"),
        (b"##9999" + ANNEX[6:], "bad_length"),
        (b"##01A1" + ANNEX[6:], "bad_length"),
        (ANNEX[:60], "truncated"),
        (ANNEX[:60] + b"\r\n", "truncated"),
    ]:
        pieces = fed(wrong + OLD)
        assert frames(pieces) == [OLD[:-2]], wrong
        assert codes(pieces) == [code], wrong


def test_start_mark_inside_data_is_data() -> None:
    tricky = hj212.frame_segment(b"CN=2011;MN=1;CP=&&Info=##0099x;a-Rtd=1&&")
    assert frames(fed(tricky + ANNEX)) == [tricky[:-2], ANNEX[:-2]]


def test_good_frame_swallowed_by_the_length_of_a_cut_one_is_found() -> None:
    pieces = fed(b"##0110ST=22;" + ANNEX + OLD)
    assert frames(pieces) == [ANNEX[:-2], OLD[:-2]]
    assert codes(pieces) == ["truncated"]


def test_quiet_line_brings_out_a_good_frame_behind_a_cut_one() -> None:
    framer = Framer()
    assert framer.feed(b"##9999ST=22;" + ANNEX) == []
    assert frames(framer.hurry()) == [ANNEX[:-2]]
    assert framer.pending == 0


def test_quiet_line_gives_up_a_frame_whose_length_is_too_large() -> None:
    framer = Framer()
    assert framer.feed(b"##0900" + ANNEX[6:]) == []
    assert codes(framer.hurry()) == ["bad_length"]


def test_quiet_line_keeps_a_half_packet() -> None:
    framer = Framer()
    framer.feed(ANNEX[:70])
    assert framer.hurry() == []
    assert frames(framer.feed(ANNEX[70:])) == [ANNEX[:-2]]


def test_endless_garbage_is_not_kept() -> None:
    framer = Framer()
    for _ in range(100):
        framer.feed(b"x" * 1000)
    assert framer.pending <= 5000


def test_hostile_starts_do_not_pile_up_work_or_memory() -> None:
    framer = Framer()
    for _ in range(50):
        framer.feed(b"##9999" * 300)
        assert framer.pending <= 10_009


pieces_of_traffic = st.lists(
    st.sampled_from([ANNEX, OLD, EMPTY_MN, STALE, b"##0102" + ANNEX[6:], b"noise", b"#", b"##", b"\r\n", ANNEX[:40]]),
    max_size=8,
)


@given(pieces_of_traffic, st.lists(st.integers(0, 900), max_size=12))
def test_cuts_do_not_change_what_is_found(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    places = sorted(min(cut, len(stream)) for cut in cuts)
    reads = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]
    assert frames(fed(*reads)) == frames(fed(stream))


@given(pieces_of_traffic)
def test_no_good_frame_is_lost(pieces: list[bytes]) -> None:
    good = [piece.rstrip(b"\r\n") for piece in pieces if piece in (ANNEX, OLD, EMPTY_MN)]
    assert frames(fed(b"".join(pieces))) == good


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_any_bytes_are_survived_and_accounted_for(reads: list[bytes]) -> None:
    found = fed(*reads)
    total = sum(len(piece.raw) for piece in found)
    assert total <= sum(map(len, reads))


def test_recording_names_what_it_is() -> None:
    kinds = {
        ANNEX: "frame",
        STALE: "frame",
        ANNEX + OLD: "sticky",
        b"garbage\r\n" + ANNEX: "leading_garbage",
        STALE + ANNEX: "bad_then_good",
        ANNEX[:50] + ANNEX: "bad_then_good",
        ANNEX + STALE: "good_then_bad",
        ANNEX + b"tail": "trailing_garbage",
        ANNEX + STALE + OLD: "good_bad_good",
        b"": "frame",
    }
    assert {raw: read_recording(Framer(), raw).kind for raw in kinds} == kinds
    report = read_recording(Framer(), STALE + ANNEX).fields(WIRE)
    assert (report["frames"], report["CN"]) == (1, ["1062"])
    assert report["skipped"][0]["code"] == "bad_crc"
