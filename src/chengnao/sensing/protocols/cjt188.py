"""CJ/T 188-2004 and -2018 (water, heat and gas meters): one frame, bytes to typed values and back.

FE before it, 68, meter type, address (seven bytes of BCD, low byte first), control, length, data as they are, sum
modulo 256 from 68 on, 16. Makers disagree on the order of the identifier's bytes (901F, 1F90), on the serial after it,
and on where units stand; what is accepted all the same is told in `warnings`.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chengnao.sensing.protocols.meter_frame import MARK, TAIL, WAKE, opened
from chengnao.sensing.protocols.metering import Line, read_lines
from chengnao.sensing.protocols.shape import Refusal
from chengnao.sensing.protocols.sized_stream import SizedFramer, Sizing

HEAD_BYTES, AROUND = 11, 13
MAX_WAKE = 16
BLANK = b"\r\n \t\x00\xfe"
MAX_DATA = 0x64

ANSWER, ERROR = 0x80, 0x40
READ, READ_ADDRESS, WRITE = 0x01, 0x03, 0x04
VENDOR_CONTROLS = frozenset({0xA1, 0xAA})
METERING = frozenset({"901f", "1f90"})
VALVE = frozenset({"a017", "17a0"})

TYPES = {
    0x10: "冷水水表 / cold water", 0x11: "生活热水水表 / hot water", 0x12: "直饮水水表 / drinking water",
    0x13: "中水水表 / reclaimed water", 0x20: "热量表(计热量) / heat", 0x21: "热量表(计冷量) / cold",
    0x30: "燃气表 / gas", 0x40: "电度表 / electricity",
}  # fmt: skip

UNITS = {
    0x02: "Wh", 0x05: "kWh", 0x08: "MWh", 0x0A: "100 MWh", 0x01: "J", 0x0B: "kJ", 0x0E: "MJ", 0x11: "GJ",
    0x13: "100 GJ", 0x14: "W", 0x17: "kW", 0x1A: "MW", 0x29: "L", 0x2C: "m³", 0x32: "L/h", 0x35: "m³/h",
}  # fmt: skip
VOLUMES = frozenset({0x29, 0x2C})

_TYPE_NIBBLES = frozenset({1, 2, 3, 4, 5, 0xA})
"""High halves of meter types: those of the standard, and AA, which all meters answer to."""
_WATER_BYTES, _HEAT_BYTES, _SHORT_BYTES, _UNIT_FIRST_BYTES = 19, 43, 6, 26


class Quantity(NamedTuple):
    """One value of a metering answer, in the unit that stands beside it."""

    name: str
    value: float | None
    unit: int | None
    """The unit's byte; None where the layout has none."""


@dataclass(frozen=True, slots=True)
class Metering:
    """What an answer to a reading says."""

    quantities: tuple[Quantity, ...]
    clock: bytes = b""
    status: bytes = b""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose length, sum and end mark are right."""

    raw: bytes
    preamble: int
    meter_type: int
    address: str
    control: int
    length: int
    checksum: int
    data: bytes
    warnings: tuple[str, ...] = ()
    metering: Metering | None = field(default=None)

    @property
    def answer(self) -> bool:
        return bool(self.control & ANSWER) or self.control in VENDOR_CONTROLS

    @property
    def error(self) -> bool:
        return bool(self.control & ANSWER and self.control & ERROR)

    @property
    def di(self) -> str:
        """The identifier's bytes as they come; empty where there are none."""
        return self.data[:2].hex() if len(self.data) >= 2 and not self.error else ""

    @property
    def ser(self) -> int | None:
        return self.data[2] if len(self.data) >= 3 and not self.error else None

    @property
    def content(self) -> bytes:
        """The data after identifier and serial."""
        return self.data if self.error else self.data[3:]

    def fields(self) -> dict[str, Any]:
        """The frame as plain values; a metering answer of the standard by its parts, other data as hex."""
        found: dict[str, Any] = {
            "preamble": self.preamble,
            "meter_type": f"0x{self.meter_type:02X}",
            "address": self.address,
            "control": f"0x{self.control:02X}",
            "length": self.length,
            "checksum": f"{self.checksum:02x}",
        }
        if self.error:
            return found | {"error_hex": self.data.hex()}
        if self.di:
            found["di_bytes"] = self.di
        if self.ser is not None:
            found["ser"] = self.ser
        metering = self.metering
        if self.content and (metering is None or len(self.content) not in {_WATER_BYTES, _HEAT_BYTES}):
            found["data_hex"] = self.content.hex()
        if metering is None:
            return found
        found |= {each.name: each.value for each in metering.quantities}
        units = {each.name: each.unit for each in metering.quantities if each.unit is not None}
        if units:
            found["unit_byte"] = f"0x{next(iter(units.values())):02X}"
            found["units"] = {name: UNITS.get(unit, "") for name, unit in units.items()}
        if metering.clock:
            found["meter_time_bcd"] = metering.clock[::-1].hex()
        if metering.status:
            found |= {"status_bytes": metering.status.hex(), "status": sorted(status_flags(metering.status))}
        return found


def status_flags(status: bytes) -> set[str]:
    """What the two bytes of state say; the second is the maker's."""
    valve = {1: {"valve_closed"}, 3: {"valve_fault"}}.get(status[0] & 3, set())
    return valve | ({"battery_low"} if status[0] & 4 else set())


def frame_size(data: bytes, at: int) -> int | None:
    """Length from this 68 on; 0 where no head fits, None where bytes are missing."""
    head = data[at : at + HEAD_BYTES]
    if len(head) > 1 and head[1] >> 4 not in _TYPE_NIBBLES:
        return 0
    if len(head) < HEAD_BYTES:
        return None
    return AROUND + head[10] if head[10] <= MAX_DATA else 0


def lead(data: bytes, floor: int, at: int) -> int:
    """Where the FE before a frame begin."""
    begin = at
    while begin > max(floor, at - MAX_WAKE) and data[begin - 1] == WAKE:
        begin -= 1
    return begin


def trailer(piece: bytes) -> bool:
    """A second sum and 16, as some meters send after a frame."""
    return len(piece) == 2 and piece[1] == TAIL


def decode(raw: bytes) -> Frame | Refusal:
    """Read one frame that should fill ``raw``, with FE before it or not; what is wrong is a value, never raised."""
    bare = raw.lstrip(bytes((WAKE,)))
    preamble = len(raw) - len(bare)
    frame = opened(raw, bare, frame_size, AROUND)
    if isinstance(frame, Refusal):
        return frame
    data, control = frame[HEAD_BYTES:-2], frame[9]
    metering = _metering(frame[1], control, data)
    warnings = metering.warnings if metering is not None else ()
    if len(data) == 2:
        warnings = (*warnings, "no_ser")
    return Frame(
        raw, preamble, frame[1], frame[2:9][::-1].hex(), control, frame[10], frame[-2], data, warnings, metering
    )


def encode(meter_type: int, address: str, control: int, data: bytes = b"", *, preamble: int = 3) -> bytes:
    """Build a frame; raises ValueError for an address that has not 14 digits and for data over 100 bytes."""
    if len(address) != 14 or len(data) > MAX_DATA:
        raise ValueError("an address has 14 digits, data 100 bytes at most")
    body = bytes((MARK, meter_type)) + bytes.fromhex(address)[::-1] + bytes((control, len(data))) + data
    return bytes((WAKE,)) * preamble + body + bytes((sum(body) & 0xFF, TAIL))


def _metering(meter_type: int, control: int, data: bytes) -> Metering | None:
    """The answer to a reading, in the layout of the standard or one of those that makers use."""
    reads = control in {READ | ANSWER, 0xA1} and data[:2].hex() in METERING
    content = data[3:]
    if not reads:
        return None
    if meter_type >> 4 == 2 and len(content) == _HEAT_BYTES:
        return _heat(content)
    if len(content) == _WATER_BYTES:
        return _water(content)
    if len(content) == _UNIT_FIRST_BYTES:
        return _unit_first(content)
    if len(content) == _SHORT_BYTES:
        volume = Quantity("current", _bcd(content[:4], 2), None)
        return Metering((volume,), b"", content[4:], ("nonstandard_unit_layout",))
    return _volume_alone(content)


def _volume_alone(content: bytes) -> Metering:
    """A layout of no known maker: the volume where its unit stands behind or before it, and nothing else."""
    quantities: tuple[Quantity, ...] = ()
    if content[4:5] and content[4] in VOLUMES:
        quantities = (Quantity("current", _bcd(content[:4], 2), content[4]),)
    elif len(content) >= 5 and content[0] in VOLUMES:
        quantities = (Quantity("current", _bcd(content[1:5], 2), content[0]),)
    return Metering(quantities, b"", b"", ("nonstandard_unit_layout",))


def _water(content: bytes) -> Metering:
    """Volume, its unit, volume at settlement, its unit, clock, state."""
    units = (content[4], content[9])
    warnings = () if set(units) <= VOLUMES else ("nonstandard_unit_layout",)
    if warnings and content[0] in VOLUMES and content[5] in VOLUMES:  # each unit before its value
        shifted = content[1:5], content[6:10]
        quantities = (
            Quantity("current", _bcd(shifted[0], 2), content[0]),
            Quantity("settle", _bcd(shifted[1], 2), content[5]),
        )
    else:
        quantities = (
            Quantity("current", _bcd(content[:4], 2), units[0]),
            Quantity("settle", _bcd(content[5:9], 2), units[1]),
        )
    return Metering(quantities, content[10:17], content[17:19], warnings)


def _unit_first(content: bytes) -> Metering:
    """The long answer of one maker: volume, settlement, flow, each with its unit before it; clock, voltage, state."""
    names = ("current", "settle", "flow")
    quantities = tuple(
        Quantity(name, _bcd(content[at + 1 : at + 5], 4 if name == "flow" else 2), content[at])
        for name, at in zip(names, (0, 5, 10), strict=True)
    )
    return Metering(quantities, content[15:22], content[24:26], ("nonstandard_unit_layout",))


def _heat(content: bytes) -> Metering:
    """Heat at settlement, heat, power, flow, volume with their units; temperatures, hours, clock, state."""
    quantities = [
        Quantity(name, _bcd(content[at : at + 4], 4 if name == "flow" else 2), content[at + 4])
        for name, at in zip(
            ("settle_heat", "current_heat", "heat_power", "flow", "volume"), range(0, 25, 5), strict=True
        )
    ]
    quantities += [
        Quantity("supply_temperature", _bcd(content[25:28], 2), None),
        Quantity("return_temperature", _bcd(content[28:31], 2), None),
        Quantity("hours", _bcd(content[31:34], 0), None),
    ]
    known = all(each.unit is None or each.unit in UNITS for each in quantities)
    warnings = () if known else ("nonstandard_unit_layout",)
    return Metering(tuple(quantities), content[34:41], content[41:43], warnings)


def _bcd(data: bytes, decimals: int) -> float | None:
    digits = data[::-1].hex()
    value: float | None = int(digits) / 10**decimals if digits.isdigit() else None
    return value


class Framer(SizedFramer[Frame | Line]):
    """Finds frames, and the lines of text that concentrators register with."""

    def __init__(self) -> None:
        super().__init__(Sizing((bytes((MARK,)),), frame_size, decode, lead, BLANK, trailer, read_lines))
