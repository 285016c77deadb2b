"""CoAP (RFC 7252): one message, bytes to fields and back."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chengnao.sensing.protocols.shape import Refusal, Wire
from chengnao.sensing.protocols.whole import WholeFramer

TYPES = ("CON", "NON", "ACK", "RST")
URI_PATH, CONTENT_FORMAT, URI_QUERY = 11, 12, 15
_HEAD_BYTES = 4
_MARKER = 0xFF


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `options` in their order on the wire, their values as bytes."""

    raw: bytes
    type: str
    code: int
    mid: int
    token: bytes
    options: tuple[tuple[int, bytes], ...]
    payload: bytes
    warnings: tuple[str, ...] = ()

    @property
    def code_text(self) -> str:
        """Class and detail: `0.01` GET, `2.04` changed, `4.04` not found."""
        return f"{self.code >> 5}.{self.code & 31:02d}"

    def fields(self) -> dict[str, Any]:
        return {
            "type": self.type,
            "code": self.code_text,
            "mid": self.mid,
            "token": self.token.hex(),
            "options": [[number, value.hex()] for number, value in self.options],
            "payload": self.payload.hex(),
        }


def decode(raw: bytes) -> Message | Refusal:
    """Read the message that fills the datagram; what is wrong is a value, never raised."""
    if len(raw) < _HEAD_BYTES:
        return Refusal("bad_header", raw, {"field": "length", "value": len(raw), "need_bytes": _HEAD_BYTES - len(raw)})
    first, code, mid = struct.unpack(">BBH", raw[:_HEAD_BYTES])
    version, kind, token_length = first >> 6, first >> 4 & 3, first & 15
    if version != 1:
        return Refusal("bad_header", raw, {"field": "version", "value": version})
    if token_length > 8:
        return Refusal("bad_header", raw, {"field": "token_length", "value": token_length})
    if code == 0 and len(raw) > _HEAD_BYTES:
        return Refusal("bad_header", raw, {"field": "code", "value": "0.00"})
    start = _HEAD_BYTES + token_length
    if len(raw) < start:
        return Refusal("truncated", raw, {"need_bytes": start - len(raw)})
    options: list[tuple[int, bytes]] = []
    position, number = start, 0
    while position < len(raw) and raw[position] != _MARKER:
        nibbles = raw[position]
        position += 1
        sizes: list[int] = []
        for nibble in (nibbles >> 4, nibbles & 15):
            if nibble == 15:
                return Refusal("bad_field", raw, {"field": "option", "value": f"{nibbles:02x}"})
            extra = 0 if nibble < 13 else nibble - 12
            if position + extra > len(raw):
                return Refusal("truncated", raw, {"need_bytes": position + extra - len(raw)})
            more = int.from_bytes(raw[position : position + extra], "big")
            sizes.append(nibble if extra == 0 else more + (13 if extra == 1 else 269))
            position += extra
        number += sizes[0]
        if number > 0xFFFF:
            return Refusal("bad_field", raw, {"field": "option", "value": number})
        if position + sizes[1] > len(raw):
            return Refusal("truncated", raw, {"need_bytes": position + sizes[1] - len(raw)})
        options.append((number, raw[position : position + sizes[1]]))
        position += sizes[1]
    if position == len(raw) - 1:
        return Refusal("payload_marker_without_payload", raw)
    token = raw[_HEAD_BYTES:start]
    return Message(raw, TYPES[kind], code, mid, token, tuple(options), raw[position + 1 :])


def encode(
    kind: str, code: int, mid: int, token: bytes, options: Sequence[tuple[int, bytes]] = (), payload: bytes = b""
) -> bytes:
    """The bytes of a message; options may come in any order."""
    parts = [struct.pack(">BBH", 0x40 | TYPES.index(kind) << 4 | len(token), code, mid), token]
    before = 0
    for number, value in sorted(options, key=lambda each: each[0]):
        (delta, more_delta), (size, more_size) = _nibble(number - before), _nibble(len(value))
        parts += [bytes([delta << 4 | size]), more_delta, more_size, value]
        before = number
    return b"".join(parts) + (b"\xff" + payload if payload else b"")


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    return (13, bytes([value - 13])) if value < 269 else (14, (value - 269).to_bytes(2, "big"))


WIRE: Wire[Message] = Wire(
    "coap", "CoAP（RFC 7252）", "CoAP (RFC 7252)", lambda: WholeFramer(decode), lambda messages: {}, datagram=True
)
