"""CoAP: one message from bytes and back."""

import aiocoap
import pytest
from aiocoap.numbers.codes import Code
from aiocoap.numbers.optionnumbers import OptionNumber
from hypothesis import given
from hypothesis import strategies as st

from chengnao.sensing.protocols.coap import TYPES, Message, decode, encode
from chengnao.sensing.protocols.shape import Refusal

from .recorded import differences, told

OPTIONS = st.lists(st.tuples(st.integers(0, 3000), st.binary(max_size=300)), max_size=5)


def test_recorded_frames() -> None:
    assert differences("coap") == {}


@pytest.mark.parametrize(
    ("hexed", "code"),
    [
        ("40", "bad_header"),
        ("c0017d34", "bad_header"),
        ("49017d34" + "00" * 9, "bad_header"),
        ("44017d3474", "truncated"),
        ("40007d3401", "bad_header"),
        ("40017d34f1", "bad_field"),
        ("40017d341f", "bad_field"),
        ("40017d34b474656d", "truncated"),
        ("40017d34dd", "truncated"),
        ("40017d34ff", "payload_marker_without_payload"),
    ],
)
def test_wrong_messages(hexed: str, code: str) -> None:
    assert told("coap", bytes.fromhex(hexed))["error"] == code


@given(st.sampled_from(TYPES), st.integers(1, 255), st.integers(0, 65535), st.binary(max_size=8), OPTIONS, st.binary())
def test_round_trip(
    kind: str, code: int, mid: int, token: bytes, options: list[tuple[int, bytes]], payload: bytes
) -> None:
    found = decode(encode(kind, code, mid, token, options, payload))
    assert isinstance(found, Message)
    assert (found.type, found.code, found.mid, found.token, found.payload) == (kind, code, mid, token, payload)
    assert list(found.options) == sorted(options, key=lambda each: each[0])


def test_reads_what_another_implementation_writes() -> None:
    message = aiocoap.Message(code=Code.POST, payload=b"{}", uri="coap://h/readings?token=x", content_format=50)
    message.mtype, message.mid, message.token = aiocoap.CON, 7, b"ab"
    found = decode(message.encode())
    assert isinstance(found, Message)
    assert (found.type, found.code_text, found.mid, found.token) == ("CON", "0.02", 7, b"ab")
    assert (int(OptionNumber.URI_PATH), b"readings") in found.options
    assert found.payload == b"{}"


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    assert isinstance(decode(raw), Message | Refusal)
    assert isinstance(decode(b"\x44\x02" + raw), Message | Refusal)
