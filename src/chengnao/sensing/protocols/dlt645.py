"""DL/T 645-2007 and -1997 (electricity meters): one frame, bytes to typed values and back.

FE before it, 68, address (six bytes of BCD, low byte first), 68, control, length, data each with 33H added, sum modulo
256 from the first 68 on, 16. Addresses, data and the sum may hold 68 and 16, so neither is trusted.
"""

from dataclasses import dataclass
from typing import Any

from chengnao.sensing.protocols.dlt645_items import Item, read_items
from chengnao.sensing.protocols.meter_frame import MARK, TAIL, WAKE, opened
from chengnao.sensing.protocols.metering import Line, read_lines
from chengnao.sensing.protocols.shape import Refusal
from chengnao.sensing.protocols.sized_stream import SizedFramer, Sizing

HEAD_BYTES, AROUND = 10, 12
MAX_WAKE = 16
BLANK = b"\r\n \t\x00\xfe"

ANSWER, ERROR, MORE = 0x80, 0x40, 0x20
READ, FURTHER, READ_ADDRESS, WRITE, SWITCH = 0x11, 0x12, 0x13, 0x14, 0x1C
OLD_READ, OLD_FURTHER = 0x01, 0x02
_OLD = frozenset({0x01, 0x02, 0x03, 0x04, 0x0A, 0x0C, 0x0F, 0x10})
_WITH_DI = {READ: 4, FURTHER: 4, WRITE: 4, OLD_READ: 2, OLD_FURTHER: 2, 0x04: 2}

ERRORS = {
    1: "other", 2: "no_such_data", 4: "password", 8: "baud_rate", 16: "year_zones", 32: "day_periods", 64: "tariffs",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose length, sum and end mark are right."""

    raw: bytes
    preamble: int
    address: str
    control: int
    length: int
    checksum: int
    data: bytes
    """As it is meant, without the 33H."""
    warnings: tuple[str, ...] = ()

    @property
    def function(self) -> int:
        return self.control & 0x1F

    @property
    def answer(self) -> bool:
        return bool(self.control & ANSWER)

    @property
    def old(self) -> bool:
        """Of the edition of 1997."""
        return self.function in _OLD

    @property
    def error(self) -> int | None:
        """The error word of an answer that refuses."""
        return self.data[0] if self.control & ERROR and self.data else None

    @property
    def di(self) -> str:
        """The identifier, high byte first; empty where the frame has none."""
        size = _WITH_DI.get(self.function, 0)
        if self.control & ERROR or not size or len(self.data) < size:
            return ""
        return self.data[:size][::-1].hex().upper()

    @property
    def content(self) -> bytes:
        """The data after the identifier."""
        return self.data[len(self.di) // 2 :]

    def items(self) -> list[Item]:
        """The values of an answer to a reading, where their identifier is known."""
        reads = self.function in {READ, OLD_READ} and not self.control & MORE
        return list(read_items(self.di, self.content)) if self.answer and reads and self.di else []

    def fields(self) -> dict[str, Any]:
        """The frame as plain values; the data of 1997 with its identifier, that of 2007 without."""
        found: dict[str, Any] = {
            "preamble": self.preamble,
            "address": self.address,
            "control": f"0x{self.control:02X}",
            "length": self.length,
            "checksum": f"{self.checksum:02x}",
        }
        if self.error is not None:
            words = [name for bit, name in ERRORS.items() if self.error & bit]
            return found | {"error_word": f"0x{self.error:02X}", "error_names": words}
        if self.di:
            found["di"] = self.di.lower()
        data = self.data if self.old else self.content
        if data:
            found["data_hex"] = data.hex()
        items = self.items()
        if len(items) == 1 and items[0].di == self.di:
            found |= {"value": items[0].value, "unit": items[0].kind.unit}
        elif items:
            found["values"] = {item.di: item.value for item in items}
            found["unit"] = items[0].kind.unit
        if items:
            found["title"] = f"{items[0].kind.title_zh} / {items[0].kind.title_en}"
        return found


def frame_size(data: bytes, at: int) -> int | None:
    """Length from this 68 on; 0 where the second 68 is not in its place, None where bytes are missing."""
    if data[at + 7 : at + 8] not in {b"", bytes((MARK,))}:
        return 0
    return AROUND + data[at + 9] if len(data) >= at + HEAD_BYTES else None


def lead(data: bytes, floor: int, at: int) -> int:
    """Where the FE before a frame begin, and the one 68 too many that some modems send."""
    begin = at
    if begin > floor and data[begin - 1] == MARK:
        begin -= 1
    while begin > max(floor, at - MAX_WAKE) and data[begin - 1] == WAKE:
        begin -= 1
    return begin


def decode(raw: bytes) -> Frame | Refusal:
    """Read one frame that should fill ``raw``, with FE before it or not; what is wrong is a value, never raised."""
    bare = raw.lstrip(bytes((WAKE,)))
    preamble = len(raw) - len(bare)
    warnings: tuple[str, ...] = ()
    if bare[:2] == b"\x68\x68" and bare[7:8] != b"\x68" and bare[8:9] == b"\x68":
        bare, warnings = bare[1:], ("doubled_start",)
    frame = opened(raw, bare, frame_size, AROUND)
    if isinstance(frame, Refusal):
        return frame
    data = bytes((byte - 0x33) & 0xFF for byte in frame[HEAD_BYTES:-2])
    return Frame(raw, preamble, frame[1:7][::-1].hex(), frame[8], frame[9], frame[-2], data, warnings)


def encode(address: str, control: int, data: bytes = b"", *, preamble: int = 4) -> bytes:
    """Build a frame; raises ValueError for an address that has not 12 digits and for data over 200 bytes."""
    if len(address) != 12 or len(data) > 200:
        raise ValueError("an address has 12 digits, data 200 bytes at most")
    body = bytes((MARK,)) + bytes.fromhex(address)[::-1] + bytes((MARK, control, len(data)))
    body += bytes((byte + 0x33) & 0xFF for byte in data)
    return bytes((WAKE,)) * preamble + body + bytes((sum(body) & 0xFF, TAIL))


class Framer(SizedFramer[Frame | Line]):
    """Finds frames, and the lines of text that concentrators register with."""

    def __init__(self) -> None:
        super().__init__(Sizing((bytes((MARK,)),), frame_size, decode, lead, BLANK, text=read_lines))
