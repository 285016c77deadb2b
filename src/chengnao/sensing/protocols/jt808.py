"""JT/T 808 (2011, 2013, 2019): the frame, bytes to typed header and back.

``7E`` + header + body + XOR + ``7E``; between the two marks ``7D 02`` stands for 7E and ``7D 01`` for 7D. The header of
2019 has a version byte and a phone of 10 bytes instead of 6; bit 14 of the attributes says so. What stands in a body
is read by ``jt808_bodies``, frames are found in a stream by ``jt808_stream``.
"""

import re
from dataclasses import dataclass
from functools import reduce
from operator import xor
from typing import Any, NamedTuple

from chengnao.sensing.protocols import jt808_bodies as bodies
from chengnao.sensing.protocols.shape import Refusal

MARK = b"\x7e"
MAX_BODY = 0x3FF
_BAD_ESCAPE = re.compile(rb"\x7d(?![\x01\x02])")
_SPLIT, _VERSION_2019 = 0x2000, 0x4000
_FROM_PLATFORM = 0x8000
"""Message ids from here on are the platform's."""


class Package(NamedTuple):
    """Which part of a split message a frame is; `number` counts from 1."""

    total: int
    number: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose escapes, checksum and length are right. The phone is the header's digits, zeros included."""

    raw: bytes
    msg_id: int
    encrypt: int
    version: str
    """`2013` or `2019`, as the header is built; 2011 differs from 2013 in a body alone."""
    protocol_version: int
    phone: str
    serial: int
    package: Package | None
    body: bytes
    checksum: int
    warnings: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """The frame as plain values; `details` is what can be read beyond the fixed fields of the body."""
        found: dict[str, Any] = {
            "msg_id": hex_id(self.msg_id),
            "body_length": len(self.body),
            "encrypt": self.encrypt,
            "subpackage": self.package is not None,
            "version": self.version,
        }
        if self.version == "2019":
            found["protocol_version"] = self.protocol_version
        found |= {"phone": self.phone, "serial": self.serial}
        if self.package is not None:
            found |= {"package_total": self.package.total, "package_no": self.package.number}
        found["checksum"] = f"{self.checksum:02x}"
        if self.encrypt:
            return found | {"body_encrypted_bytes": len(self.body)}
        if self.package is not None:
            return found | {"body_hex": self.body.hex()}
        body, details = bodies.fields(self.msg_id, self.body, self.version)
        return found | {"body": body} | ({"details": details} if details else {})


def hex_id(msg_id: int) -> str:
    return f"0x{msg_id:04X}"


def decode(raw: bytes) -> Frame | Refusal:
    """Read one frame with both its marks; what is wrong is a value, never raised."""
    if not raw.startswith(MARK):
        return Refusal("bad_start", raw, {"found": raw[:1].hex()})
    if len(raw) < 2 or not raw.endswith(MARK):
        return Refusal("no_delimiter", raw)
    escaped = raw[1:-1]
    if _BAD_ESCAPE.search(escaped):
        return Refusal("bad_escape", raw, _bare_checksum(raw, escaped))
    data = escaped.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    if len(data) < 13:
        return Refusal("too_short", raw, {"actual": len(data)})
    computed = reduce(xor, data[:-1])
    if computed != data[-1]:
        return Refusal("bad_checksum", raw, {"in_frame": f"{data[-1]:02x}", "computed": f"{computed:02x}"})
    attributes = int.from_bytes(data[2:4], "big")
    verdict = _read(raw, data, attributes, long=bool(attributes & _VERSION_2019))
    if isinstance(verdict, Frame) or attributes & _VERSION_2019 or data[0] >= _FROM_PLATFORM >> 8:
        return verdict
    # Some terminals of 2019 leave the version bit out; the length then fits the long header alone.
    long = _read(raw, data, attributes, long=True)
    return long if isinstance(long, Frame) else verdict


def _bare_checksum(raw: bytes, escaped: bytes) -> dict[str, Any]:
    """One family of terminals sends the checksum 7D as it is; what the frame would be is told, and not taken."""
    if not escaped.endswith(b"\x7d") or _BAD_ESCAPE.search(escaped[:-1]):
        return {}
    verdict = decode(MARK + escaped + b"\x01" + MARK)
    return {"tolerant": {"msg_id": hex_id(verdict.msg_id)}} if isinstance(verdict, Frame) else {}


def _read(raw: bytes, data: bytes, attributes: int, *, long: bool) -> Frame | Refusal:
    phone_at = 5 if long else 4
    serial_at = phone_at + (10 if long else 6)
    body_at = serial_at + (6 if attributes & _SPLIT else 2)
    if len(data) < body_at + 1:
        return Refusal("too_short", raw, {"actual": len(data)})
    declared, body = attributes & MAX_BODY, data[body_at:-1]
    if declared != len(body):
        return Refusal("body_length_mismatch", raw, {"declared": declared, "actual": len(body)})
    package = None
    if attributes & _SPLIT:
        numbers = data[serial_at + 2 : body_at]
        package = Package(int.from_bytes(numbers[:2], "big"), int.from_bytes(numbers[2:], "big"))
    msg_id, encrypt, version = int.from_bytes(data[:2], "big"), attributes >> 10 & 7, "2019" if long else "2013"
    warnings = ["version_bit_missing"] if long and not attributes & _VERSION_2019 else []
    if not encrypt and package is None:
        warnings += bodies.oddities(msg_id, body, version)
    return Frame(
        raw,
        msg_id,
        encrypt,
        version,
        data[4] if long else 0,
        data[phone_at:serial_at].hex(),
        int.from_bytes(data[serial_at : serial_at + 2], "big"),
        package,
        body,
        data[-1],
        tuple(warnings),
    )


def encode(
    msg_id: int, phone: str, serial: int, body: bytes = b"", version: str = "2013", package: Package | None = None
) -> bytes:
    """Build a frame; raises ValueError where the body is too long or the phone is no number that fits."""
    digits = 20 if version == "2019" else 12
    if len(body) > MAX_BODY:
        raise ValueError(f"a body has at most {MAX_BODY} bytes, not {len(body)}")
    if not (phone.isascii() and phone.isdigit() and len(phone) <= digits):
        raise ValueError(f"{phone!r} is no phone of up to {digits} digits")
    attributes = len(body) | (_VERSION_2019 if version == "2019" else 0) | (_SPLIT if package else 0)
    head = msg_id.to_bytes(2, "big") + attributes.to_bytes(2, "big") + (b"\x01" if version == "2019" else b"")
    head += bytes.fromhex(phone.zfill(digits)) + serial.to_bytes(2, "big")
    if package is not None:
        head += package.total.to_bytes(2, "big") + package.number.to_bytes(2, "big")
    data = head + body
    data += bytes([reduce(xor, data)])
    return MARK + data.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + MARK


def hint(raw: bytes) -> str:
    """The phone that the head of a wrong frame seems to give; empty where it is no number."""
    data = raw.strip(MARK).replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")
    long = len(data) > 15 and bool(data[2] & _VERSION_2019 >> 8)
    digits = (data[5:15] if long else data[4:10]).hex()
    return digits.lstrip("0") if len(data) >= 12 and digits.isdecimal() else ""
