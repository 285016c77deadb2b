"""The body of an SL 651-2014 frame in ASCII mode: identifiers and values parted by blanks."""

from datetime import datetime, timedelta

from chengnao.sensing.protocols.sl651_body import DATA_FUNCTIONS, Body, Measured, all_nine, read_array, read_time
from chengnao.sensing.protocols.sl651_elements import ARRAYS, BY_NAME, STATION_TYPES

_DIGITS = frozenset(b"0123456789")


def read_ascii_body(function: int, data: bytes, *, down: bool) -> Body:
    """The body of a frame in ASCII mode: serial and time, then identifiers and values parted by blanks."""
    body = Body()
    rest = _ascii_head(body, data.decode("gb18030", "replace"))
    if function not in DATA_FUNCTIONS or down:
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
            body.elements.append(read_array(code, bytes.fromhex(value), time or body.send_time))
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
        odd.append(number is not None and all_nine(text.lstrip("-").replace(".", "")))
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
