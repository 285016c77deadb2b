"""SL 651-2014 (hydrological telemetry): one frame, bytes to typed values and back, in HEX/BCD and in ASCII mode.

HEX/BCD: 7E7E, centre and station (changed over in frames of the centre), password, function, direction and length,
STX or SYN, body, end mark, CRC-16/MODBUS over all before it with the high byte first. ASCII: SOH, the same in
hexadecimal characters. The length counts the body alone. No recorded ASCII frame of a real station was at hand.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chengnao.sensing.protocols.crc import crc16
from chengnao.sensing.protocols.shape import Refusal
from chengnao.sensing.protocols.sized_stream import SizedFramer, Sizing
from chengnao.sensing.protocols.sl651_ascii import read_ascii_body
from chengnao.sensing.protocols.sl651_body import Body, Measured, read_body
from chengnao.sensing.protocols.sl651_elements import ELEMENTS, FUNCTIONS

HEX_START, ASCII_START = b"\x7e\x7e", b"\x01"
STX, SYN = 0x02, 0x16
ETX, ETB, ENQ, EOT, ESC, ACK, NAK = 0x03, 0x17, 0x05, 0x04, 0x1B, 0x06, 0x15
HEX_HEAD, ASCII_HEAD = 14, 24
MAX_BODY = 0xFFF

_ENDS = frozenset({ETX, ETB, ENQ, EOT, ESC, ACK, NAK})
_HEX_CHARACTERS = frozenset(b"0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose length, end mark and CRC are right."""

    raw: bytes
    ascii: bool
    down: bool
    center: int
    station: str
    password: str
    function: int
    length: int
    start: int
    end: int
    crc: str
    packet: tuple[int, int] | None
    """Number of packets of the message and which this is, counted from 1; None for a message of one frame."""
    content: bytes
    """The body without the packet numbers."""
    body: Body

    @property
    def fragment(self) -> bool:
        """It continues another frame and has no head of its own."""
        return self.packet is not None and self.packet[1] > 1

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.body.warnings))

    def fields(self) -> dict[str, Any]:
        """The frame as plain values, head first; an element that is missing has the value null."""
        found: dict[str, Any] = {
            "direction": "down" if self.down else "up",
            "mode": "ascii" if self.ascii else "hex",
            "center": self.center,
            "station": self.station,
            "password": self.password,
            "function": f"0x{self.function:02X}",
            "function_title": FUNCTIONS.get(self.function, ""),
            "length": self.length,
            "start": f"0x{self.start:02X}",
            "end": f"0x{self.end:02X}",
            "crc": self.crc,
        }
        if self.packet is not None:
            found |= {"packet_total": self.packet[0], "packet_no": self.packet[1]}
        if self.fragment:
            return found | {"fragment_bytes": len(self.content)}
        return found | _body_fields(self.body)


def _body_fields(body: Body) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if body.serial is not None:
        found["serial"] = body.serial
    if body.send_time is not None:
        found["send_time"] = body.send_time.isoformat()
    if body.station:
        found["station_in_body"] = body.station
    if body.station_type is not None:
        found["station_type"] = f"0x{body.station_type:02X}"
    if body.observe_time is not None:
        found["observe_time"] = _minutes(body.observe_time)
    if body.elements:
        found["elements"] = [_element_fields(element) for element in body.elements]
        units = {element.name: ELEMENTS[int(element.code, 16)].unit for element in body.elements if _known(element)}
        found["units"] = units
    if body.text is not None:
        found["software_version" if body.rest else "manual_text"] = body.text
    if body.picture is not None:
        found["image_bytes_in_this_packet"] = len(body.picture)
    if body.state is not None:
        found |= {"state": f"0x{body.state:08X}", "alarms": body.alarms}
    if body.rest:
        found["body_raw"] = body.rest.hex()
    return found


def _known(element: Measured) -> bool:
    return bool(element.name) and len(element.code) == 2 and int(element.code, 16) in ELEMENTS


def _element_fields(element: Measured) -> dict[str, Any]:
    found: dict[str, Any] = {"id": f"0x{element.code}"}
    if element.name:
        found["name"] = element.name
    if element.step is None:
        return found | {"value": element.values[0]}
    found["values"] = list(element.values)
    if element.start is not None:
        found["start"] = _minutes(element.start)
    return found | {"step_minutes": int(element.step.total_seconds()) // 60}


def _minutes(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")


def frame_size(data: bytes, at: int) -> int | None:
    """Length of the frame whose start mark is at this place; 0 where no head fits, None where bytes are missing."""
    if data[at] == ASCII_START[0]:
        head = data[at : at + ASCII_HEAD]
        if not _HEX_CHARACTERS.issuperset(head[1:23]):
            return 0
        if len(head) < ASCII_HEAD:
            return None
        if head[19] not in b"08" or head[23] not in {STX, SYN}:
            return 0
        return ASCII_HEAD + int(head[20:23], 16) + 5
    head = data[at : at + HEX_HEAD]
    if len(head) < HEX_HEAD:
        return None
    if head[11] >> 4 not in {0, 8} or head[13] not in {STX, SYN}:
        return 0
    return HEX_HEAD + (int.from_bytes(head[11:13], "big") & MAX_BODY) + 3


def decode(raw: bytes) -> Frame | Refusal:
    """Read one frame that should fill ``raw``; what is wrong is a value, never raised."""
    in_ascii = raw.startswith(ASCII_START)
    if not in_ascii and not raw.startswith(HEX_START):
        if raw == HEX_START[: len(raw)]:
            return Refusal("truncated", raw, {"need_bytes": HEX_HEAD + 3 - len(raw)})
        return Refusal("bad_start", raw, {"found": raw[:2].hex()})
    size = frame_size(raw, 0)
    if size == 0:
        return Refusal("bad_header", raw)
    if size is None or size > len(raw):
        least = size or (ASCII_HEAD + 5 if in_ascii else HEX_HEAD + 3)
        return Refusal("truncated", raw, {"need_bytes": least - len(raw)})
    raw = raw[:size]
    return _decode_ascii(raw) if in_ascii else _decode_hex(raw)


def _decode_hex(raw: bytes) -> Frame | Refusal:
    head, body, end = raw[:HEX_HEAD], raw[HEX_HEAD:-3], raw[-3]
    in_frame, computed = raw[-2:].hex(), f"{crc16(raw[:-2]):04x}"
    if in_frame != computed:
        if end not in _ENDS:
            return Refusal("bad_tail", raw, {"found": f"{end:02x}", "in_frame": in_frame, "computed": computed})
        return Refusal("bad_crc", raw, {"in_frame": in_frame, "computed": computed})
    if end not in _ENDS:
        return Refusal("bad_tail", raw, {"found": f"{end:02x}"})
    down = bool(head[11] & 0x80)
    station, center = (head[2:7], head[7]) if down else (head[3:8], head[2])
    packet = None
    if head[13] == SYN and len(body) >= 3:
        packet = (int.from_bytes(body[:2], "big") >> 4, int.from_bytes(body[1:3], "big") & 0xFFF)
        body = body[3:]
    parsed = Body() if packet is not None and packet[1] > 1 else read_body(head[10], body, down=down)
    length = int.from_bytes(head[11:13], "big") & MAX_BODY
    return Frame(
        raw, False, down, center, station.hex(), head[8:10].hex(), head[10], length, head[13], end, computed, packet,
        body, parsed,
    )  # fmt: skip


def _decode_ascii(raw: bytes) -> Frame | Refusal:
    head, body, end = raw[1:23].decode("ascii"), raw[ASCII_HEAD:-5], raw[-5]
    in_frame, computed = raw[-4:].decode("latin-1").lower(), f"{crc16(raw[:-4]):04x}"
    if end not in _ENDS:
        return Refusal("bad_tail", raw, {"found": f"{end:02x}"})
    if in_frame != computed:
        return Refusal("bad_crc", raw, {"in_frame": in_frame, "computed": computed})
    down = head[18] == "8"
    station, center = (head[:10], head[10:12]) if down else (head[2:12], head[:2])
    function = int(head[16:18], 16)
    packet = None
    if raw[23] == SYN and len(body) >= 6 and _HEX_CHARACTERS.issuperset(body[:6]):
        packet = (int(body[:3], 16), int(body[3:6], 16))
        body = body[6:]
    parsed = Body() if packet is not None and packet[1] > 1 else read_ascii_body(function, body, down=down)
    return Frame(
        raw, True, down, int(center, 16), station.lower(), head[12:16].lower(), function, int(head[19:22], 16),
        raw[23], end, computed, packet, body, parsed,
    )  # fmt: skip


def encode(
    station: str,
    center: int,
    password: str,
    function: int,
    body: bytes,
    *,
    down: bool = False,
    end: int = ETX,
    packet: tuple[int, int] | None = None,
    in_ascii: bool = False,
) -> bytes:
    """Build a frame; `station` and `password` are 10 and 4 hex digits, `packet` makes it one of several.

    Raises ValueError for what does not fit.
    """
    if len(station) != 10 or len(password) != 4 or not 0 <= center <= 0xFF:
        raise ValueError("a station has 10 hex digits, a password 4, a centre one byte")
    if packet is not None:
        numbers = packet[0] << 12 | packet[1]
        body = (b"%06X" % numbers if in_ascii else numbers.to_bytes(3, "big")) + body
    if len(body) > MAX_BODY:
        raise ValueError(f"a body has {MAX_BODY} bytes at most, not {len(body)}")
    address = f"{station}{center:02X}" if down else f"{center:02X}{station}"
    head = f"{address}{password}{function:02X}{'8' if down else '0'}{len(body):03X}"
    start = bytes((STX if packet is None else SYN,))
    front = ASCII_START + head.upper().encode("ascii") if in_ascii else HEX_START + bytes.fromhex(head)
    frame = front + start + body + bytes((end,))
    return frame + (b"%04X" % crc16(frame) if in_ascii else crc16(frame).to_bytes(2, "big"))


class Framer(SizedFramer[Frame]):
    """Finds frames of both modes: 7E and 01 stand inside bodies too, so the length decides."""

    def __init__(self) -> None:
        super().__init__(Sizing((HEX_START, ASCII_START), frame_size, decode))
