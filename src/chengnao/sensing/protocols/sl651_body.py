"""What stands in the body of an SL 651-2014 frame: serial, times, station, elements, text, picture."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from chengnao.sensing.protocols.sl651_elements import (
    ALARMS,
    ARRAYS,
    BY_NAME,
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

FIELD_ZONE = timezone(timedelta(hours=8))
FIVE_MINUTES = timedelta(minutes=5)
_EXTENDED = 0xFF
_VERSION = 0x45
_SERIES_FUNCTIONS = frozenset({0x31, 0x38})
_DATA_FUNCTIONS = frozenset({*range(0x30, 0x3B)})
_MAX_TRAILING = 64
_DIGITS = frozenset(b"0123456789")


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
        if observed or (function in _DATA_FUNCTIONS and rest and rest[0] in STATION_TYPES):
            body.station_type = rest[0]
            rest = rest[1:]
    if (function in _DATA_FUNCTIONS or observed) and not down:
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
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=FIELD_ZONE)
    except ValueError:
        return None


def time_bytes(moment: datetime, *, seconds: bool = True) -> bytes:
    """The BCD of an instant in UTC+8."""
    return bytes.fromhex(moment.astimezone(FIELD_ZONE).strftime("%y%m%d%H%M%S" if seconds else "%y%m%d%H%M"))


def read_value(data: bytes, decimals: int) -> tuple[float | None, bool]:
    """A BCD value and whether it is the filling of a broken sensor; None where it is missing or no number."""
    text = data.hex()
    negative = text.startswith("ff")
    digits = text[2:] if negative else text
    if not digits.isdigit():
        return None, False
    value = int(digits) / 10**decimals
    return -value if negative else value, _all_nine(digits)


def _all_nine(digits: str) -> bool:
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
        body.elements.append(_array(data[0], content, time or body.send_time))
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


def _array(code: int, content: bytes, time: datetime | None) -> Measured:
    """Five-minute values of an hour: binary, not BCD."""
    values: tuple[float | None, ...]
    if code == RAIN_5MIN:
        values = tuple(None if each == 0xFF else each / 10 for each in content)
    else:
        pairs = [int.from_bytes(content[at : at + 2], "big") for at in range(0, len(content) - 1, 2)]
        values = tuple(None if each == 0xFFFF else each / 100 for each in pairs)
    return Measured(f"{code:02X}", ARRAYS[code], values, (False,) * len(values), time, FIVE_MINUTES)


def read_ascii_body(function: int, data: bytes, *, down: bool) -> Body:
    """The body of a frame in ASCII mode: serial and time, then identifiers and values parted by blanks."""
    body = Body()
    rest = _ascii_head(body, data.decode("gb18030", "replace"))
    if function not in _DATA_FUNCTIONS or down:
        body.rest = rest.encode("gb18030", "replace")
    words = rest.split()
    time: datetime | None = None
    step: timedelta | None = None
    position = 0
    while position + 1 < len(words):
        word, value = words[position], words[position + 1]
        position += 2
        if word == "ST":
            body.station = value.lower()
            kind = words[position] if position < len(words) else ""
            if len(kind) == 1 and ord(kind) in STATION_TYPES:
                body.station_type = ord(kind)
                position += 1
        elif word == "TT":
            time = _ascii_time(value)
            if time is None:
                body.rest = rest.encode("gb18030", "replace")
                body.warnings += ["bad_time", "unread_elements"]
                return body
            body.observe_time = body.observe_time or time
        elif word == "RGZS":
            body.text = rest.partition("RGZS")[2].strip()
            return body
        elif word.startswith("DR") and word[2:3] in {"D", "H", "N"} and word[3:].isdigit():
            unit = {"D": "days", "H": "hours", "N": "minutes"}[word[2]]
            step = timedelta(**{unit: int(word[3:])}) or None
            position -= 1
        elif word == "ZT":
            body.state = int(value, 16) if _is_hex(value) and len(value) <= 8 else None
        elif word in ARRAYS.values() and _is_hex(value) and len(value) % 2 == 0:
            code = next(code for code, name in ARRAYS.items() if name == word)
            body.elements.append(_array(code, bytes.fromhex(value), time or body.send_time))
        else:
            position = _ascii_element(body, word, words, position - 1, time, step)
    return body


def _ascii_head(body: Body, text: str) -> str:
    """Read serial and time; returns what stands after them."""
    if _is_hex(text[:4]):
        body.serial = int(text[:4], 16)
    else:
        body.warnings.append("short_body")
    body.send_time = _ascii_time(text[4:16])
    if body.send_time is None:
        body.warnings.append("bad_time")
    return text[16:]


def _ascii_element(
    body: Body, word: str, words: list[str], position: int, time: datetime | None, step: timedelta | None
) -> int:
    """Read the value at `position`, or with a step all that follow; returns where the next word stands."""
    found: list[float | None] = []
    odd: list[bool] = []
    while position < len(words) and (not found or (step is not None and _is_number(words[position]))):
        text = words[position]
        number = float(text) if _is_number(text) else None
        found.append(number)
        odd.append(number is not None and _all_nine(text.lstrip("-").replace(".", "")))
        position += 1
    known = BY_NAME.get(word)
    code = f"{known.code:02X}" if known is not None else word
    name = word if known is not None else ""
    body.elements.append(Measured(code, name, tuple(found), tuple(odd), time or body.send_time, step))
    return position


def _ascii_time(text: str) -> datetime | None:
    if len(text) in {10, 12} and text.isascii() and text.isdigit():
        return read_time(bytes.fromhex(text))
    return None


def _is_number(text: str) -> bool:
    plain = text.removeprefix("-").replace(".", "", 1)
    return bool(plain) and len(plain) <= 15 and _DIGITS.issuperset(plain.encode("utf-8", "replace"))


def _is_hex(text: str) -> bool:
    return bool(text) and all(each in "0123456789abcdefABCDEF" for each in text)
