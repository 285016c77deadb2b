"""JT/T 809 (2011, 2019): frames between platforms of road transport, decoded and not spoken.

``5B`` + length (4) + serial (4) + message (2) + centre (4) + version (3) + encryption (1) + key (4) [2019: UTC seconds,
8] + body + CRC-16/CCITT-FALSE (2) + ``5D``. 5A 01 and 5A 02 stand for 5B and 5A, 5E 01 and 5E 02 for 5D and 5E. The CRC
covers head and body unescaped; the length counts both marks and the CRC as well.

Which edition a link speaks is agreed between the platforms and stands in no frame. Here a head is read as that of 2019
where its last eight bytes are a moment of this century; an encrypted body stays as it is, for want of the key.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from chengnao.kernel.clock import CST
from chengnao.sensing.protocols.shape import Refusal, Wire

START, END = b"\x5b", b"\x5d"
_BAD_ESCAPE = re.compile(rb"[\x5a\x5e](?![\x01\x02])")
_ESCAPES = {b"\x5a\x01": b"\x5b", b"\x5a\x02": b"\x5a", b"\x5e\x01": b"\x5d", b"\x5e\x02": b"\x5e"}
_ESCAPED = re.compile(rb"[\x5a\x5e][\x01\x02]")
_HEAD_2011, _HEAD_2019, _CRC_BYTES = 22, 30, 2
_VEHICLE_HEAD = 28
"""Plate (21), its colour (1), part of the message (2), length of the data (4)."""
_SHOWN_BYTES = 60
_MAX_FRAME = 1 << 16
_START = re.compile(re.escape(START))
_MAX_STARTS = 16
"""So many start marks of a piece are tried; bounds the work on hostile input."""
_BLANK = b"\r\n \t\x00"
_OF_VEHICLES = {
    "2011": frozenset({0x1200, 0x1400, 0x1500, 0x9200, 0x9400, 0x9500}),
    "2019": frozenset({0x1200, 0x1500, 0x9500}),
}
"""Messages whose body begins with a vehicle. 2019 took it out of several."""
_OF_PARTS = frozenset({0x1300, 0x1400, 0x1600, 0x9200, 0x9300, 0x9400, 0x9600})
"""Messages whose body otherwise begins with the part of the message and the length of the data."""
_CENTURY = range(946_684_800, 4_102_444_800)


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021, from FFFF, high bit first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc << 8 & 0xFFFF) ^ _CRC[crc >> 8 ^ byte]
    return crc


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        crc = value << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose escapes, CRC and length are right."""

    raw: bytes
    length: int
    sn: int
    msg_id: int
    center_id: int
    version: str
    edition: str
    """`2011` or `2019`, as the head seems to be."""
    encrypt: int
    key: int
    time: datetime | None
    body: bytes
    crc: int
    warnings: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """The frame as plain values; a long body is shown by its first 60 bytes."""
        found: dict[str, Any] = {
            "msg_length": self.length,
            "sn": self.sn,
            "msg_id": f"0x{self.msg_id:04X}",
            "center_id": self.center_id,
            "version": self.version,
            "encrypt": self.encrypt,
            "key": self.key,
            "crc": f"{self.crc:04x}",
        }
        if self.time is not None:
            found["time"] = self.time.astimezone(CST).isoformat()
        if self.encrypt:
            return found | {"body_encrypted_bytes": len(self.body)}
        found["body_hex"] = self.body[:_SHOWN_BYTES].hex() + ("..." if len(self.body) > _SHOWN_BYTES else "")
        if self.msg_id in _OF_VEHICLES[self.edition] and len(self.body) >= _VEHICLE_HEAD:
            plate = self.body[:21].decode("gb18030", "replace").strip("\x00 ")
            body = {"plate": plate, "plate_color": self.body[21], **_part(self.body[22:])}
            return found | {"body": body}
        return found | ({"details": _part(self.body)} if self.msg_id in _OF_PARTS and len(self.body) >= 6 else {})


def _part(data: bytes) -> dict[str, Any]:
    return {"sub_id": f"0x{data[:2].hex().upper()}", "data_length": int.from_bytes(data[2:6], "big")}


def decode(raw: bytes) -> Frame | Refusal:
    """Read one frame with both its marks; what is wrong is a value, never raised."""
    if not raw.startswith(START):
        return Refusal("bad_start", raw, {"found": raw[:1].hex()})
    if len(raw) < 2 or not raw.endswith(END):
        return Refusal("no_delimiter", raw)
    inside = raw[1:-1]
    if _BAD_ESCAPE.search(inside):
        return Refusal("bad_escape", raw)
    data = _ESCAPED.sub(lambda found: _ESCAPES[found.group()], inside)
    if len(data) < _HEAD_2011 + _CRC_BYTES:
        return Refusal("too_short", raw, {"actual": len(data) + 2})
    told, computed = int.from_bytes(data[-2:], "big"), crc16(data[:-2])
    if told != computed:
        return Refusal("bad_crc", raw, {"in_frame": f"{told:04x}", "computed": f"{computed:04x}"})
    length = int.from_bytes(data[:4], "big")
    if length != len(data) + 2:
        return Refusal("length_mismatch", raw, {"declared": length, "actual": len(data) + 2})
    time = _time(data[_HEAD_2011:_HEAD_2019]) if len(data) >= _HEAD_2019 + _CRC_BYTES else None
    return Frame(
        raw,
        length,
        int.from_bytes(data[4:8], "big"),
        int.from_bytes(data[8:10], "big"),
        int.from_bytes(data[10:14], "big"),
        ".".join(str(number) for number in data[14:17]),
        "2011" if time is None else "2019",
        data[17],
        int.from_bytes(data[18:22], "big"),
        time,
        data[_HEAD_2011 if time is None else _HEAD_2019 : -2],
        told,
    )


def encode(
    msg_id: int,
    body: bytes = b"",
    *,
    sn: int = 0,
    center_id: int = 0,
    version: tuple[int, int, int] = (1, 0, 0),
    time: datetime | None = None,
) -> bytes:
    """Build a frame in clear: of 2019 with a time, of 2011 without."""
    head = sn.to_bytes(4, "big") + msg_id.to_bytes(2, "big") + center_id.to_bytes(4, "big") + bytes(version) + bytes(5)
    if time is not None:
        head += int(time.timestamp()).to_bytes(8, "big")
    data = (len(head) + len(body) + 8).to_bytes(4, "big") + head + body
    data += crc16(data).to_bytes(2, "big")
    for plain, escaped in ((b"\x5a", b"\x5a\x02"), (b"\x5b", b"\x5a\x01")):
        data = data.replace(plain, escaped)
    data = data.replace(b"\x5e", b"\x5e\x02").replace(b"\x5d", b"\x5e\x01")
    return START + data + END


def _time(data: bytes) -> datetime | None:
    seconds = int.from_bytes(data, "big")
    return datetime.fromtimestamp(seconds, UTC) if seconds in _CENTURY else None


class Framer:
    """Finds frames in a stream: from 5B to the next 5D, or a later one, because some platforms send bodies that they
    have encrypted without escapes. It holds 64 KiB at most."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._held = b""

    @property
    def pending(self) -> int:
        return len(self._buffer) + len(self._held)

    def feed(self, data: bytes) -> list[Frame | Refusal]:
        self._buffer += data
        found: list[Frame | Refusal] = []
        *pieces, rest = re.split(rb"(?<=\x5d)", bytes(self._buffer))
        for piece in pieces:
            self._piece(_without_excess(piece, found), found)
        self._buffer[:] = _without_excess(rest, found)
        return found

    def hurry(self) -> list[Frame | Refusal]:
        found: list[Frame | Refusal] = []
        self._give_up(found)
        return found

    def close(self) -> list[Frame | Refusal]:
        found = self.hurry()
        rest = bytes(self._buffer)
        self._buffer.clear()
        before, mark, after = rest.partition(START)
        _garbage(before, found)
        if mark:
            found.append(Refusal("no_delimiter", mark + after))
        return found

    def _piece(self, piece: bytes, found: list[Frame | Refusal]) -> None:
        """Bytes up to an end mark."""
        if self._held:
            whole = decode(self._held + piece)
            if isinstance(whole, Frame):
                self._held = b""
                found.append(replace(whole, warnings=("unescaped_mark",)))
                return
        starts = [at.start() for at in islice(_START.finditer(piece), _MAX_STARTS)]
        if len(starts) == _MAX_STARTS:
            starts.append(piece.rfind(START))
        verdicts = ((at, decode(piece[at:])) for at in starts)
        good = next(((at, frame) for at, frame in verdicts if isinstance(frame, Frame)), None)
        if good is not None:
            self._give_up(found)
            at, frame = good
            noise = piece[:at].rstrip(START)
            if START in noise:
                found.append(Refusal("no_delimiter", noise))
            else:
                _garbage(noise, found)
            doubled = at > 0 and len(noise) < at
            found.append(replace(frame, warnings=("doubled_start",)) if doubled else frame)
        elif self._held and len(self._held) + len(piece) <= _declared(self._held):
            self._held += piece
        else:
            self._give_up(found)
            first = starts[0] if starts else len(piece)
            _garbage(piece[:first], found)
            self._held = piece[first:]
            if len(self._held) >= _declared(self._held):
                self._give_up(found)

    def _give_up(self, found: list[Frame | Refusal]) -> None:
        if self._held:
            verdict = decode(self._held)
            assert isinstance(verdict, Refusal)
            found.append(verdict)
            self._held = b""


def _declared(piece: bytes) -> int:
    """The length that a frame with an end mark in its body says it has; 0 where none can be meant."""
    length = int.from_bytes(piece[1:5], "big")
    return length if len(piece) > 5 and length <= _MAX_FRAME else 0


def _without_excess(piece: bytes, found: list[Frame | Refusal]) -> bytes:
    while len(piece) > _MAX_FRAME:
        found.append(Refusal("garbage", piece[:_MAX_FRAME]))
        piece = piece[_MAX_FRAME:]
    return piece


def _garbage(piece: bytes, found: list[Frame | Refusal]) -> None:
    if piece.strip(_BLANK):
        found.append(Refusal("garbage", piece))


WIRE: Wire[Frame] = Wire(
    "jt809",
    "JT/T 809 道路运输平台数据交换（仅解码）",
    "JT/T 809, exchange between road transport platforms (decoding only)",
    Framer,
    lambda frames: {"msg_ids": [f"0x{frame.msg_id:04X}" for frame in frames]},
)
