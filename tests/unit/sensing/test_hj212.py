"""HJ 212: single frames. Vectors with a source are published frames, carried as facts."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols import hj212
from chengnao.sensing.protocols.hj212 import Flags, Frame
from chengnao.sensing.protocols.shape import Refusal

# HJ 212-2017, the example of its annex; it decides the CRC variant (Modbus CRC-16 would be 0759).
ANNEX = (
    b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&RtdInterval=30&&1C80\r\n"
)
# HJT212FormatValidatorTest, a public 2005 test vector: no QN, no Flag, lower-case CRC.
OLD = (
    b"##0178ST=32;CN=2011;PW=123456;MN=0873HHMZWSLH02;CP=&&DataTime=20160103133030;060-Rtd=3.0943,060-Flag=N;"
    b"011-Rtd=18.0412,011-Flag=N;001-Rtd=8.2137,001-Flag=N;B01-Rtd=10.9890,B01-Flag=N&&a9c1\r\n"
)
# A public device log: the station left MN empty and reports a communication fault.
EMPTY_MN = (
    b"##0116QN=20220814021304000;ST=22;CN=2011;PW=123456;MN=;Flag=5;"
    b"CP=&&DataTime=20220814021304;a50001-Rtd=0.00,a50001-Flag=B&&06C0"
)


def good(raw: bytes) -> Frame:
    frame = hj212.decode(raw)
    assert isinstance(frame, Frame), frame
    return frame


def bad(raw: bytes) -> Refusal:
    refusal = hj212.decode(raw)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def test_annex_example() -> None:
    assert good(ANNEX).fields() == {
        "length": 101,
        "crc": "1C80",
        "QN": "20160801085857223",
        "ST": "32",
        "CN": "1062",
        "PW": "100000",
        "MN": "010000A8900016F000169DC0",
        "Flag": "5",
        "flags": {"ack_required": True, "split": False, "version": 1},
        "cp": {"RtdInterval": "30"},
        "factors": {},
    }


def test_frame_of_2005_has_no_flags_and_any_case_of_crc() -> None:
    frame = good(OLD)
    assert frame.flags is None
    assert frame.crc == "A9C1"
    assert frame.factors["B01"] == {"Rtd": "10.9890", "Flag": "N"}


def test_empty_mn_is_a_good_frame_of_nobody() -> None:
    assert good(EMPTY_MN).mn == ""


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("0", Flags(False, False, 0)),
        ("7", Flags(True, True, 1)),
        ("8", Flags(False, False, 2)),
        ("9", Flags(True, False, 2)),
        ("", None),
        ("x", None),
        ("-1", None),
    ],
)
def test_flag_bits(flag: str, expected: Flags | None) -> None:
    assert good(hj212.encode({"CN": "2011", "Flag": flag})).flags == expected


def test_stale_crc_names_both() -> None:
    refusal = bad(ANNEX.replace(b"Interval=30", b"Interval=31"))
    assert refusal.code == "bad_crc"
    assert refusal.params["crc_in_frame"] == "1C80"
    assert refusal.params["crc_computed"] != "1C80"


def test_a_crc_that_is_no_number_is_a_bad_crc_not_a_bad_length() -> None:
    refusal = bad(ANNEX.replace(b"1C80", b"ZZZZ"))
    assert refusal.code == "bad_crc"
    assert refusal.params == {"crc_in_frame": "ZZZZ", "crc_computed": "1C80"}


@pytest.mark.parametrize("declared", [b"0102", b"0100", b"0099", b"0103", b"0097", b"0000", b"0050"])
def test_wrong_length_is_told_with_the_length_that_fits(declared: bytes) -> None:
    refusal = bad(b"##" + declared + ANNEX[6:])
    assert refusal.code == "bad_length"
    assert refusal.params["length_in_frame"] == int(declared)
    assert refusal.params["length_found"] == 101


def test_wrong_length_without_line_end() -> None:
    assert bad(b"##0102" + ANNEX[6:-2]).code == "bad_length"


@pytest.mark.parametrize("digits", [b"01A1", b" 101", b"+101", b"1e03", b"\xb2\xb2\xb2\xb2"])
def test_length_that_is_no_number(digits: bytes) -> None:
    assert bad(b"##" + digits + ANNEX[6:]).code == "bad_length"


@pytest.mark.parametrize("kept", [0, 1, 2, 5, 6, 60, 110])
def test_cut_frame_tells_how_much_is_missing(kept: int) -> None:
    refusal = bad(ANNEX[:kept])
    assert refusal.code == "truncated"
    assert refusal.params == {"need_bytes": (111 if kept >= 6 else 6) - kept}


def test_text_in_place_of_the_head() -> None:
    assert bad(b"QN=20160801085857223;ST=32").code == "bad_start"


def test_frame_without_command_is_refused() -> None:
    assert bad(hj212.frame_segment(b"ST=32;MN=1;CP=&&&&")).params == {"field": "CN"}


def segment(cp: bytes) -> Frame:
    return good(hj212.frame_segment(b"ST=22;CN=2011;MN=A1;Flag=4;CP=&&" + cp + b"&&"))


def test_habits_of_real_stations() -> None:
    trailing = segment(b"DataTime=20190814170100123;a01007-Rtd=1.7,a01007-Flag=N;")
    assert trailing.factors == {"a01007": {"Rtd": "1.7", "Flag": "N"}}
    assert trailing.cp == {"DataTime": "20190814170100123"}
    assert trailing.warnings == ()
    twice = segment(b"a21-Rtd=0.00;a21-Rtd=0.01")
    assert twice.factors == {"a21": {"Rtd": "0.01"}}
    assert twice.warnings == ("duplicate_key",)
    vendor = segment(b"NH3-N-Rtd=0.5,NH3-N-Flag=N;O3-Rtd=63.4;w01018-SampleTime=20250101000000")
    assert vendor.factors["NH3-N"] == {"Rtd": "0.5", "Flag": "N"}
    assert vendor.factors["w01018"] == {"SampleTime": "20250101000000"}
    assert segment(b"PolId=a34004,a34002").cp == {"PolId": "a34004,a34002"}
    assert segment(b"a-Rtd=1;noise").warnings == ("stray_text",)


def test_split_packet_carries_its_number_in_the_header() -> None:
    frame = good(hj212.encode({"CN": "2051", "MN": "A", "Flag": "7", "PNUM": "2", "PNO": "1"}))
    assert frame.flags == Flags(True, True, 1)
    assert (frame.header["PNUM"], frame.header["PNO"]) == ("2", "1")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_chinese_text_in_a_value(encoding: str) -> None:
    assert segment("Info=一号站设备维护".encode(encoding)).cp == {"Info": "一号站设备维护"}


def test_marks_inside_data_do_not_end_a_frame() -> None:
    frame = segment(b"Info=##0101x;a34004-Rtd=1")
    assert frame.cp == {"Info": "##0101x"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20160801085857", datetime(2016, 8, 1, 0, 58, 57, tzinfo=UTC)),
        ("20160801085857223", datetime(2016, 8, 1, 0, 58, 57, 223000, tzinfo=UTC)),
        ("20260101000000", datetime(2025, 12, 31, 16, 0, tzinfo=UTC)),
        ("20161301085857", None),
        ("20160230085857", None),
        ("2016080108585", None),
        ("00000000000000", None),
        ("２０１６０８０１０８５８５７", None),
        ("", None),
    ],
)
def test_field_time_is_utc_plus_8(text: str, expected: datetime | None) -> None:
    assert hj212.field_time(text) == expected
    if expected is not None:
        assert hj212.field_text(expected, milliseconds=len(text) == 17) == text


@pytest.mark.parametrize("text", ["a;b", "a,b", "a=b", "a&b", "##", "a\r\n"])
def test_encoder_refuses_text_that_would_change_the_structure(text: str) -> None:
    with pytest.raises(ValueError, match="mark"):
        hj212.encode({"CN": text})


def test_encoder_refuses_more_than_the_length_can_say() -> None:
    with pytest.raises(ValueError, match="9999"):
        hj212.encode({"CN": "2011"}, {"Info": "x" * 10_000})


words = st.text("0123456789abcXYZ._中", min_size=1, max_size=8)
codes = words.filter(lambda text: "-" not in text)


@given(
    st.dictionaries(words.filter(lambda key: key != "CN"), words, max_size=4),
    st.dictionaries(words, words, max_size=4),
    st.dictionaries(codes, st.dictionaries(codes, words, min_size=1, max_size=4), max_size=6),
)
def test_what_was_encoded_is_decoded(
    header: dict[str, str], cp: dict[str, str], factors: dict[str, dict[str, str]]
) -> None:
    raw = hj212.encode({"CN": "2011", **header}, cp, factors)
    frame = good(raw)
    assert (frame.header, frame.cp, frame.factors) == ({"CN": "2011", **header}, cp, factors)
    assert frame.raw + b"\r\n" == raw


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value(raw: bytes) -> None:
    for data in (raw, b"##" + raw, hj212.frame_segment(raw or b"x"), b"##0010" + raw):
        result = hj212.decode(data)
        if isinstance(result, Frame):
            json.dumps(result.fields())
        else:
            assert data.startswith(result.raw)


@given(st.integers(0, len(ANNEX) - 3), st.integers(1, 255))
def test_one_changed_byte_is_always_noticed(position: int, change: int) -> None:
    raw = bytearray(ANNEX)
    raw[position] ^= change
    result = hj212.decode(bytes(raw))
    # A hex digit of the CRC in the other case is the same CRC.
    if bytes(raw).upper() != ANNEX.upper() or position < len(ANNEX) - 6:
        assert isinstance(result, Refusal)
