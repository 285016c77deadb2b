"""HJ 212 (2005, 2017, 2025 envelope): one frame, bytes to typed value and back.

The frame is ``##`` + 4 decimal digits (length of the data segment alone) + segment + 4 hex digits of CRC
+ CRLF. Nothing here reads a socket or a clock; finding frames in a stream is ``hj212_stream``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from chengnao.kernel.clock import CST
from chengnao.sensing.protocols.crc import TABLE
from chengnao.sensing.protocols.shape import Refusal

HEAD_BYTES = 6
CRC_BYTES = 4
MAX_SEGMENT = 9999
FRAME_START = re.compile(rb"##[0-9]{4}")

_HEX = frozenset(b"0123456789abcdefABCDEF")
_DIGITS = frozenset(b"0123456789")
_RESERVED = re.compile(r"[;,=&#\r\n]")


# The next step looks at the high byte alone, so the loop carries one byte instead of the whole register.
_CRC_HIGH = bytes(value >> 8 for value in TABLE)


def crc16(segment: bytes) -> int:
    """The CRC of HJ 212: each byte is XORed onto the register's high byte (Modbus XORs the low one)."""
    if not segment:
        return 0xFFFF
    high = 0xFF
    table = _CRC_HIGH
    for byte in segment[:-1]:
        high = table[high ^ byte]
    return TABLE[high ^ segment[-1]]


class Flags(NamedTuple):
    """The bits of the Flag field. ``version``: 0 is 2005, 1 is 2017, 2 is the 2025 revision."""

    ack_required: bool
    split: bool
    version: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose length and CRC are right. All values are the device's own text, unconverted."""

    raw: bytes
    length: int
    crc: str
    header: dict[str, str]
    cp: dict[str, str]
    factors: dict[str, dict[str, str]]
    warnings: tuple[str, ...] = ()

    @property
    def mn(self) -> str:
        return self.header.get("MN", "")

    @property
    def cn(self) -> str:
        return self.header.get("CN", "")

    @property
    def flags(self) -> Flags | None:
        """None where the frame has no Flag (2005) or one that is no number."""
        text = self.header.get("Flag", "")
        if not (text.isascii() and text.isdigit() and len(text) <= 3):
            return None
        bits = int(text)
        return Flags(bool(bits & 1), bool(bits & 2), bits >> 2)

    def fields(self) -> dict[str, Any]:
        """The frame as plain values, header fields first."""
        found: dict[str, Any] = {"length": self.length, "crc": self.crc, **self.header}
        flags = self.flags
        if flags is not None:
            found["flags"] = flags._asdict()
        return found | {"cp": self.cp, "factors": self.factors}


def decode(raw: bytes) -> Frame | Refusal:
    """Read one frame that should fill ``raw`` (a CRLF may follow); what is wrong is a value, never raised."""
    if not raw.startswith(b"##"):
        if b"##".startswith(raw):
            return Refusal("truncated", raw, {"need_bytes": HEAD_BYTES - len(raw)})
        return Refusal("bad_start", raw, {"found": raw[:2].hex()})
    digits = raw[2:HEAD_BYTES]
    if not _DIGITS.issuperset(digits):
        return Refusal("bad_length", raw, {"length_in_frame": digits.decode("latin-1")})
    if len(digits) < 4:
        return Refusal("truncated", raw, {"need_bytes": HEAD_BYTES - len(raw)})
    length = int(digits)
    end = HEAD_BYTES + length
    segment = raw[HEAD_BYTES:end]
    crc_text = raw[end : end + CRC_BYTES]
    if len(crc_text) < CRC_BYTES:
        need = {"need_bytes": end + CRC_BYTES - len(raw)}
        refusal = _wrong_length(raw, length)
        if "length_found" in refusal.params:
            return Refusal(refusal.code, raw, refusal.params | need)
        return Refusal("truncated", raw, need)
    computed = crc16(segment)
    if length == 0 or not _HEX.issuperset(crc_text):
        refusal = _wrong_length(raw, length)
        # The length is right where it ends at the closing mark and no other frame begins before the next bytes.
        whole = segment.endswith(b"&&") and b"##" not in segment and crc_text.isalnum()
        if whole and "length_found" not in refusal.params:
            found = crc_text.decode("latin-1")
            return Refusal("bad_crc", raw, {"crc_in_frame": found, "crc_computed": f"{computed:04X}"})
        return refusal
    if int(crc_text, 16) != computed:
        tail = raw[end + CRC_BYTES : end + CRC_BYTES + 2]
        if not segment.endswith(b"&&") and tail not in {b"", b"\r\n", b"##"}:
            return _wrong_length(raw, length)
        found = crc_text.decode("ascii").upper()
        return Refusal("bad_crc", raw, {"crc_in_frame": found, "crc_computed": f"{computed:04X}"})
    return _parse(raw[: end + CRC_BYTES], segment, length, f"{computed:04X}")


def _wrong_length(raw: bytes, length: int) -> Refusal:
    params: dict[str, Any] = {"length_in_frame": length}
    actual = true_length(raw)
    if actual is not None:
        params["length_found"] = actual
    return Refusal("bad_length", raw, params)


def true_length(raw: bytes) -> int | None:
    """The segment length at which the CRC fits, where the frame says another; None when there is none."""
    position = raw.find(b"&&", HEAD_BYTES)
    for _ in range(8):  # more closing marks than any frame has; bounds the work on hostile input
        if position < 0:
            return None
        end = position + 2
        crc_text = raw[end : end + CRC_BYTES]
        if len(crc_text) == CRC_BYTES and _HEX.issuperset(crc_text) and crc16(raw[HEAD_BYTES:end]) == int(crc_text, 16):
            return end - HEAD_BYTES
        position = raw.find(b"&&", position + 1)
    return None


def _text(segment: bytes) -> str:
    # Stations put Chinese names into text values in either encoding.
    for encoding in ("ascii", "utf-8", "gb18030"):
        try:
            return segment.decode(encoding)
        except UnicodeDecodeError:
            continue
    return segment.decode("latin-1")


def _parse(raw: bytes, segment: bytes, length: int, crc: str) -> Frame | Refusal:
    head, mark, body = _text(segment).partition("CP=&&")
    warnings: list[str] = []
    header: dict[str, str] = {}
    for item in head.split(";"):
        key, equals, value = item.partition("=")
        if equals:
            header[key] = value
        elif item:
            warnings.append("stray_text")
    if not header.get("CN"):
        return Refusal("missing_field", raw, {"field": "CN"})
    if not mark:
        warnings.append("no_cp")
    elif body.endswith("&&"):
        body = body[:-2]
    else:
        warnings.append("open_cp")
    cp: dict[str, str] = {}
    factors: dict[str, dict[str, str]] = {}
    for group in body.split(";"):
        if group:
            _parse_group(group, cp, factors, warnings)
    return Frame(raw, length, crc, header, cp, factors, tuple(dict.fromkeys(warnings)))


def _parse_group(group: str, cp: dict[str, str], factors: dict[str, dict[str, str]], warnings: list[str]) -> None:
    target, last = cp, ""
    for item in group.split(","):
        key, equals, value = item.partition("=")
        if not equals:
            if last:  # a comma inside a value
                target[last] += "," + item
            elif item:
                warnings.append("stray_text")
            continue
        code, _, kind = key.rpartition("-")  # the last dash: vendors name factors like NH3-N
        if code and kind:
            target = factors.get(code) or factors.setdefault(code, {})
            last = kind
        else:
            target, last = cp, key
        if last in target:
            warnings.append("duplicate_key")
        target[last] = value


def encode(
    header: Mapping[str, str],
    cp: Mapping[str, str] | None = None,
    factors: Mapping[str, Mapping[str, str]] | None = None,
) -> bytes:
    """Build a frame with its CRLF; refuses (ValueError) text that would change the frame's structure."""
    groups = [f"{_plain(key)}={_plain(value)}" for key, value in (cp or {}).items()]
    for code, parts in (factors or {}).items():
        groups.append(",".join(f"{_plain(code)}-{_plain(kind)}={_plain(value)}" for kind, value in parts.items()))
    head = "".join(f"{_plain(key)}={_plain(value)};" for key, value in header.items())
    return frame_segment(f"{head}CP=&&{';'.join(groups)}&&".encode("gb18030"))


def frame_segment(segment: bytes) -> bytes:
    """Put head, CRC and CRLF around a finished data segment."""
    if not 0 < len(segment) <= MAX_SEGMENT:
        raise ValueError(f"a data segment has 1 to {MAX_SEGMENT} bytes, not {len(segment)}")
    return b"##%04d%b%04X\r\n" % (len(segment), segment, crc16(segment))


def _plain(text: str) -> str:
    if _RESERVED.search(text):
        raise ValueError(f"{text!r} holds a character that HJ 212 uses as a mark (; , = & #)")
    return text


def field_time(text: str) -> datetime | None:
    """UTC instant of a 14-digit time (17 with milliseconds) written in UTC+8; None when it is no time."""
    if len(text) not in {14, 17} or not (text.isascii() and text.isdigit()):
        return None
    try:
        moment = datetime(
            int(text[:4]), int(text[4:6]), int(text[6:8]),
            int(text[8:10]), int(text[10:12]), int(text[12:14]),
            int(text[14:] or 0) * 1000, tzinfo=CST,
        )  # fmt: skip
    except ValueError:
        return None
    return moment.astimezone(UTC)


def field_text(moment: datetime, *, milliseconds: bool = False) -> str:
    """The UTC+8 text of an instant: 14 digits, or the 17 that QN wants."""
    local = moment.astimezone(CST)
    text = local.strftime("%Y%m%d%H%M%S")
    return f"{text}{local.microsecond // 1000:03d}" if milliseconds else text
