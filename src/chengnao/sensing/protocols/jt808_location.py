"""JT/T 808: where a vehicle is and what goes with it (message 0200, and inside 0201 and 0704).

Angles are degrees in whatever datum the terminal was set to; times are UTC+8 on the wire and aware here. The extras are
id, length, value: one that is unknown, or whose length is not what the standard says, stays raw.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct
from typing import Any

from chengnao.kernel.clock import CST

FIXED_PART = Struct(">IIIIHHH6s")

_LOCATED, _SOUTH, _WEST = 0x2, 0x4, 0x8
_BCD = frozenset("0123456789")


@dataclass(frozen=True, slots=True)
class Location:
    """One report of position. `longitude` and `latitude` say nothing unless `fixed`."""

    alarm: int
    status: int
    latitude: float
    longitude: float
    altitude_m: int
    speed_kmh: float
    direction: int
    time: datetime | None
    """None: the bytes are no time."""
    time_text: str
    extras: tuple[tuple[int, bytes], ...]
    tail: bytes
    """What follows the extras without being one: an extra that was cut."""

    @property
    def fixed(self) -> bool:
        """The receiver knows where it is; 0/0 is what it sends without a fix, whatever it claims."""
        return bool(self.status & _LOCATED) and (self.latitude, self.longitude) != (0.0, 0.0)

    @property
    def ignition(self) -> bool:
        return bool(self.status & 1)

    def number_of(self, extra: int, length: int) -> int | None:
        """The last extra with this id as an unsigned number; None where it is missing or of another length."""
        for found, value in reversed(self.extras):
            if found == extra:
                return int.from_bytes(value, "big") if len(value) == length else None
        return None

    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "alarm_flag": self.alarm,
            "status_flag": self.status,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "altitude_m": self.altitude_m,
            "speed_kmh": self.speed_kmh,
            "direction": self.direction,
            "time": None if self.time is None else self.time.astimezone(CST).isoformat(),
        }
        mileage, fuel = self.number_of(1, 4), self.number_of(2, 2)
        if mileage is not None:
            found["mileage_km"] = mileage / 10
        if fuel is not None:
            found["fuel_l"] = fuel / 10
        return found | {"extras": {f"0x{number:02X}": value.hex() for number, value in self.extras}}

    def details(self) -> dict[str, Any]:
        """What the extras say, by name, and what is left raw."""
        found: dict[str, Any] = {}
        for number, value in self.extras:
            reading = _EXTRAS.get(number)
            read = None if reading is None else reading(value)
            if read is not None:
                found |= read
        if self.tail:
            found["extras_cut"] = self.tail.hex()
        if self.time is None:
            found["time_raw"] = self.time_text
        return found | {"fixed": self.fixed} if found else found


def read_location(body: bytes) -> Location | None:
    """None where even the fixed part is cut."""
    if len(body) < FIXED_PART.size:
        return None
    alarm, status, latitude, longitude, altitude, speed, direction, moment = FIXED_PART.unpack_from(body)
    extras, position = [], FIXED_PART.size
    while position + 2 <= len(body) and position + 2 + body[position + 1] <= len(body):
        end = position + 2 + body[position + 1]
        extras.append((body[position], body[position + 2 : end]))
        position = end
    return Location(
        alarm,
        status,
        (-latitude if status & _SOUTH else latitude) / 1e6,
        (-longitude if status & _WEST else longitude) / 1e6,
        altitude,
        speed / 10,
        direction,
        bcd_time(moment),
        moment.hex(),
        tuple(extras),
        body[position:],
    )


def write_location(
    time: datetime,
    longitude: float,
    latitude: float,
    *,
    status: int = 3,
    alarm: int = 0,
    altitude_m: int = 0,
    speed_kmh: float = 0.0,
    direction: int = 0,
    extras: Mapping[int, bytes] | None = None,
) -> bytes:
    """The body of 0200; the hemisphere's bits of `status` follow from the signs."""
    status |= (_SOUTH if latitude < 0 else 0) | (_WEST if longitude < 0 else 0)
    east, north = round(abs(longitude) * 1e6), round(abs(latitude) * 1e6)
    fixed = (alarm, status, north, east, altitude_m, round(speed_kmh * 10), direction, bcd_of(time))
    return FIXED_PART.pack(*fixed) + b"".join(
        bytes([number, len(value)]) + value for number, value in (extras or {}).items()
    )


def bcd_time(data: bytes) -> datetime | None:
    """UTC instant of YYMMDDhhmmss in BCD, UTC+8; None where that is no time."""
    text = data.hex()
    if len(text) != 12 or not _BCD.issuperset(text):
        return None
    year, month, day, hour, minute, second = (int(text[at : at + 2]) for at in range(0, 12, 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=CST).astimezone(UTC)
    except ValueError:
        return None


def bcd_of(moment: datetime) -> bytes:
    return bytes.fromhex(moment.astimezone(CST).strftime("%y%m%d%H%M%S"))


_Reading = Callable[[bytes], dict[str, Any] | None]


def _number(name: str, length: int, scale: float | None = None, *, signed: bool = False) -> _Reading:
    def read(value: bytes) -> dict[str, Any] | None:
        if len(value) != length:
            return None
        found = int.from_bytes(value, "big", signed=signed)
        return {name: found if scale is None else round(found * scale, 3)}

    return read


def _channels(name: str) -> _Reading:
    """Bit n stands for logical channel n + 1."""

    def read(value: bytes) -> dict[str, Any] | None:
        if len(value) != 4:
            return None
        bits = int.from_bytes(value, "big")
        return {name: [number + 1 for number in range(32) if bits >> number & 1]}

    return read


def _tyres(value: bytes) -> dict[str, Any] | None:
    # 2019: a byte for each tyre, FF where there is none; the unit is the terminal's.
    return {"tyre_pressures": [None if byte == 0xFF else byte for byte in value]} if len(value) == 30 else None


def _overspeed(value: bytes) -> dict[str, Any] | None:
    if len(value) not in {1, 5} or (len(value) == 1) != (value[0] == 0):
        return None
    area = {"area": int.from_bytes(value[1:], "big")} if len(value) == 5 else {}
    return {"overspeed": {"place": value[0], **area}}


def _crossing(value: bytes) -> dict[str, Any] | None:
    if len(value) != 6:
        return None
    return {"crossing": {"place": value[0], "area": int.from_bytes(value[1:5], "big"), "leaving": value[5] == 1}}


def _route(value: bytes) -> dict[str, Any] | None:
    if len(value) != 7:
        return None
    road, seconds = int.from_bytes(value[:4], "big"), int.from_bytes(value[4:6], "big")
    return {"route": {"road": road, "seconds": seconds, "too_long": value[6] == 1}}


def _driving(value: bytes) -> dict[str, Any] | None:
    if len(value) != 3:
        return None
    return {"abnormal_driving": {"kinds": int.from_bytes(value[:2], "big"), "fatigue": value[2]}}


def _analogue(value: bytes) -> dict[str, Any] | None:
    if len(value) != 4:
        return None
    return {"analogue_0": int.from_bytes(value[2:], "big"), "analogue_1": int.from_bytes(value[:2], "big")}


def _safety(name: str, length: int, *keys: str) -> _Reading:
    """Active safety: number of the alarm, then a byte for each key; what follows differs from maker to maker."""

    def read(value: bytes) -> dict[str, Any] | None:
        if len(value) < length:
            return None
        return {name: {"alarm_id": int.from_bytes(value[:4], "big"), **dict(zip(keys, value[4:], strict=False))}}

    return read


def _nested(value: bytes) -> dict[str, Any] | None:
    """Extra EB of several makers: items of length (2, counting what follows it) and id (2)."""
    items = dict(_items(value))
    return {"nested": items} if items else None


def _items(value: bytes) -> Iterator[tuple[str, str]]:
    position = 0
    while position + 4 <= len(value):
        end = position + 2 + int.from_bytes(value[position : position + 2], "big")
        if not position + 4 <= end <= len(value):
            return
        yield value[position + 2 : position + 4].hex(), value[position + 4 : end].hex()
        position = end


_EXTRAS: dict[int, _Reading] = {
    0x01: _number("mileage_km", 4, 0.1),
    0x02: _number("fuel_l", 2, 0.1),
    0x03: _number("recorder_speed_kmh", 2, 0.1),
    0x04: _number("event_to_confirm", 2),
    0x05: _tyres,
    0x06: _number("cargo_temperature_c", 2, signed=True),
    0x11: _overspeed,
    0x12: _crossing,
    0x13: _route,
    0x14: _number("video_alarms", 4),
    0x15: _channels("video_lost_channels"),
    0x16: _channels("video_covered_channels"),
    0x17: _number("storage_faults", 2),
    0x18: _driving,
    0x25: _number("vehicle_signals", 4),
    0x2A: _number("io_state", 2),
    0x2B: _analogue,
    0x30: _number("signal", 1),
    0x31: _number("satellites", 1),
    0x64: _safety("driver_assistance", 7, "state", "kind", "level"),
    0x65: _safety("driver_state", 7, "state", "kind", "level"),
    0x66: _safety("tyre_alarm", 5, "state"),
    0x67: _safety("blind_spot", 6, "state", "kind"),
    0xEB: _nested,
}
