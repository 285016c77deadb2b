"""What stands in the body of an SL 651-2014 frame: serial, times, station, elements, text, picture."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from chengnao.kernel.clock import CST
from chengnao.sensing.protocols.sl651_elements import (
    ALARMS,
    ARRAYS,
    ELEMENTS,
    MANUAL,
    OBSERVED,
    PICTURE,
    RAIN_5MIN,
    STATE,
    STATION,
    STATION_TYPES,
    STEP,
    VELOCITIES,
)

FIVE_MINUTES = timedelta(minutes=5)
_EXTENDED = 0xFF
_VERSION = 0x45
_SERIES_FUNCTIONS = frozenset({0x31, 0x38})
DATA_FUNCTIONS = frozenset({*range(0x30, 0x3B)})
"""Those whose frames carry elements, text or a picture."""
_MAX_TRAILING = 64


class Measured(NamedTuple):
    """One element as it stands in the frame; None is a value that the station does not have."""

    code: str
    """Its identifier in hex digits: `39`, `FF12`."""
    name: str
    """Its ASCII identifier, empty where the standard has none."""
    values: tuple[float | None, ...]
    sentinels: tuple[bool, ...]
    """Which values are the filling of a broken sensor (all digits nine), not measurements."""
    start: datetime | None
    """When the first was observed."""
    step: timedelta | None
    """From one value to the next; None for an element that has one value."""

    def moments(self) -> Iterator[tuple[datetime | None, float, bool]]:
        """The values that are there, each with its own time, and whether it is a sentinel."""
        for number, value in enumerate(self.values):
            if value is None:
                continue
            moment = self.start
            if moment is not None and self.step is not None:
                moment += number * self.step
            yield moment, value, self.sentinels[number]


@dataclass(slots=True)
class Body:
    """A body as far as it can be read; what is not understood stays in `rest`."""

    serial: int | None = None
    send_time: datetime | None = None
    station: str = ""
    station_type: int | None = None
    observe_time: datetime | None = None
    elements: list[Measured] = field(default_factory=list)
    text: str | None = None
    picture: bytes | None = None
    state: int | None = None
    rest: bytes = b""
    warnings: list[str] = field(default_factory=list)

    @property
    def alarms(self) -> list[str]:
        """The bits of the state word that are set."""
        return [name for bit, name in enumerate(ALARMS) if self.state is not None and self.state >> bit & 1]


def read_body(function: int, data: bytes, *, down: bool) -> Body:
    """The body of a frame in HEX/BCD mode; never raises."""
    body = Body()
    if len(data) < 8:
        body.rest = data
        if data:
            body.warnings.append("short_body")
        return body
    body.serial = int.from_bytes(data[:2], "big")
    body.send_time = read_time(data[2:8])
    if body.send_time is None:
        body.warnings.append("bad_time")
    rest = data[8:]
    observed = False
    if rest[:2] == bytes((STATION, STATION)) and len(rest) >= 7:
        body.station = rest[2:7].hex()
        rest = rest[7:]
        observed = rest[1:3] == bytes((OBSERVED, OBSERVED))
        if observed or (function in DATA_FUNCTIONS and rest and rest[0] in STATION_TYPES):
            body.station_type = rest[0]
            rest = rest[1:]
    if (function in DATA_FUNCTIONS or observed) and not down:
        _read_elements(body, rest, series=function in _SERIES_FUNCTIONS)
    else:
        body.rest = rest
        if function == _VERSION and len(rest) > 1 and rest[0] == len(rest) - 1:
            body.text = rest[1:].decode("gb18030", "replace")
        if function == 0x46 and rest[:2] == b"\x45\x20" and len(rest) >= 6:
            body.state = int.from_bytes(rest[2:6], "big")
    return body


def read_time(data: bytes) -> datetime | None:
    """Six bytes of BCD (five without seconds) from the year's last two digits on, UTC+8; None where it is no time."""
    text = data.hex()
    if not text.isdigit():
        return None
    year, month, day, hour, minute, second = (int(text[at : at + 2] or 0) for at in range(0, 12, 2))
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=CST)
    except ValueError:
        return None


def time_bytes(moment: datetime, *, seconds: bool = True) -> bytes:
    """The BCD of an instant in UTC+8."""
    return bytes.fromhex(moment.astimezone(CST).strftime("%y%m%d%H%M%S" if seconds else "%y%m%d%H%M"))


def read_value(data: bytes, decimals: int) -> tuple[float | None, bool]:
    """A BCD value and whether it is the filling of a broken sensor; None where it is missing or no number."""
    text = data.hex()
    negative = text.startswith("ff")
    digits = text[2:] if negative else text
    if not digits.isdigit():
        return None, False
    value = int(digits) / 10**decimals
    return -value if negative else value, all_nine(digits)


def all_nine(digits: str) -> bool:
    """All digits nine, but for the half byte that fills an odd number of them."""
    nines = digits.removeprefix("0")
    return len(nines) >= 4 and not nines.strip("9")


def _number_at(data: bytes, decimals: int) -> bool:
    """Whether it may be a value: BCD, with or without a sign, or missing."""
    return read_value(data, decimals)[0] is not None or not data.strip(b"\xff")


def _read_elements(body: Body, data: bytes, *, series: bool) -> None:
    position, time, step = 0, None, None
    while position < len(data):
        mark, after = data[position], data[position + 1 : position + 2]
        if mark == OBSERVED and after == b"\xf0" and position + 7 <= len(data):
            time = read_time(data[position + 2 : position + 7])
            if time is None:  # what follows was measured nobody knows when
                body.rest = data[position:]
                body.warnings += ["bad_time", "unread_elements"]
                return
            body.observe_time = body.observe_time or time
            position += 7
        elif mark == STATION and after == b"\xf1" and position + 7 <= len(data):
            position += 7
        elif mark == MANUAL and after == b"\xf2":
            body.text = data[position + 2 :].decode("gb18030", "replace")
            return
        elif mark == PICTURE and after == b"\xf3":
            body.picture = data[position + 2 :]
            return
        elif mark == STEP and after == b"\x18" and position + 5 <= len(data):
            step = _read_step(data[position + 2 : position + 5])
            position += 5
        else:
            used = _read_element(body, data[position:], time, step if series else None)
            if used == 0:
                body.rest = data[position:]
                body.warnings.append("unread_elements")
                return
            position += used


def _read_step(data: bytes) -> timedelta | None:
    text = data.hex()
    if not text.isdigit():
        return None
    return timedelta(days=int(text[:2]), hours=int(text[2:4]), minutes=int(text[4:])) or None


def _read_element(body: Body, data: bytes, time: datetime | None, step: timedelta | None) -> int:
    """Read one element at the front; returns how many bytes it takes, 0 where they are none."""
    size = 2 if data[0] == _EXTENDED else 1
    if len(data) <= size or data[0] == VELOCITIES:
        return 0
    code, width, decimals = data[:size].hex().upper(), data[size] >> 3, data[size] & 7
    start = size + 1
    content = data[start : start + width]
    if width == 0 or len(content) < width:
        return 0
    if data[0] in ARRAYS:
        body.elements.append(read_array(data[0], content, time or body.send_time))
        return start + width
    if data[0] == STATE and width <= 4:
        body.state = int.from_bytes(content, "big")
        return start + width
    count = _series_length(data[start:], width, decimals) if step is not None else 1
    found = [read_value(data[place : place + width], decimals) for place in range(start, start + count * width, width)]
    if not all(_number_at(data[at : at + width], decimals) for at in range(start, start + count * width, width)):
        body.warnings.append("bad_bcd")
    known = ELEMENTS.get(data[0]) if size == 1 else None
    name = known.name if known is not None else ""
    values, sentinels = tuple(value for value, _ in found), tuple(odd for _, odd in found)
    body.elements.append(Measured(code, name, values, sentinels, time or body.send_time, step))
    return start + count * width


def _series_length(data: bytes, width: int, decimals: int) -> int:
    """How many values follow one another: as many as leave whole elements behind, or nothing.

    Nothing tells the two apart; no value of a series looks like an element with the definition of the standard.
    """
    most = 0
    while (most + 1) * width <= len(data) and _number_at(data[most * width : (most + 1) * width], decimals):
        most += 1
    for count in range(most - 1, max(0, most - _MAX_TRAILING), -1):
        if _whole_elements(data[count * width :]):
            return count
    return max(most, 1)


def _whole_elements(data: bytes) -> bool:
    while data:
        if data[:2] in {b"\xf0\xf0", b"\xf1\xf1"}:
            data = data[7:] if len(data) >= 7 else b"\x00"
            continue
        known = ELEMENTS.get(data[0])
        if known is None or data[1:2] != bytes((known.definition,)):
            return False
        width = data[1] >> 3
        if len(data) < 2 + width or not _number_at(data[2 : 2 + width], known.decimals):
            return False
        data = data[2 + width :]
    return True


def read_array(code: int, content: bytes, time: datetime | None) -> Measured:
    """Five-minute values of an hour: binary, not BCD."""
    values: tuple[float | None, ...]
    if code == RAIN_5MIN:
        values = tuple(None if each == 0xFF else each / 10 for each in content)
    else:
        pairs = [int.from_bytes(content[at : at + 2], "big") for at in range(0, len(content) - 1, 2)]
        values = tuple(None if each == 0xFFFF else each / 100 for each in pairs)
    return Measured(f"{code:02X}", ARRAYS[code], values, (False,) * len(values), time, FIVE_MINUTES)
