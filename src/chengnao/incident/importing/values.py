"""Texts of cells as times and numbers. A time without a zone is Chongqing's."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chengnao.kernel.clock import CST

EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_EXCEL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001  (serial numbers of Excel know no zone)

_YMD = re.compile(
    r"(?P<y>\d{4})(?P<sep>[-/.年])(?P<m>\d{1,2})(?:(?P=sep)|月)(?P<d>\d{1,2})日?"
    r"(?:[T ]*(?P<half>上午|下午|中午|凌晨|早上|晚上|AM|PM)?[ ]*(?P<H>\d{1,2})[:时点](?P<M>\d{1,2})?"
    r"(?:[:分](?P<S>\d{1,2})?(?:[.,]\d+)?秒?)?[ ]*(?P<after>AM|PM)?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
# As milliseconds since 1970 these would be years before 1980.
_COMPACT = re.compile(r"(?P<y>19[89]\d|20\d{2})(?P<m>\d{2})(?P<d>\d{2})(?:[T ]?(?P<H>\d{2})(?P<M>\d{2})(?P<S>\d{2})?)?")
_SLASHED = re.compile(
    r"(?P<a>\d{1,2})[/-](?P<b>\d{1,2})[/-](?P<y>\d{4})"
    r"(?:[T ]+(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.\d+)?)?[ ]*(?P<after>AM|PM)?)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_DEGREES = re.compile(
    r"(?P<head>[东西南北EWSN])?[经纬]?[ ]*(?P<deg>[+-]?\d+(?:\.\d+)?)[ ]*"
    r"(?:[°度][ ]*(?:(?P<min>\d+(?:\.\d+)?)[ ]*['′分][ ]*(?:(?P<sec>\d+(?:\.\d+)?)[ ]*"
    r"(?:\"|″|''|′′|秒))?)?)?[ ]*(?P<tail>[东西南北EWSN])?[经纬]?",
    re.IGNORECASE,
)
_PAIR = re.compile(r"[(\[（]?[ ]*([+-]?\d+(?:\.\d+)?)[ ]*[,，;；、 ][ ]*([+-]?\d+(?:\.\d+)?)[ ]*[)\]）]?")
_POINT = re.compile(r"POINT[ ]*\([ ]*([+-]?\d+(?:\.\d+)?)[ ]+([+-]?\d+(?:\.\d+)?)[ ]*\)", re.IGNORECASE)


class Unreadable(ValueError):
    """A text that is no such value; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Moment:
    at: datetime
    day_only: bool
    """The text told the day alone; `at` is its midnight."""

    @property
    def end(self) -> datetime:
        """The last second that the text allows: of a day, 23:59:59."""
        return self.at + timedelta(days=1, seconds=-1) if self.day_only else self.at


def parse_moment(text: str) -> Moment:
    """The time that the text tells; raises Unreadable with the code of what is wrong."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if (found := _YMD.fullmatch(plain)) or (found := _COMPACT.fullmatch(plain)):
        parts = found.groupdict()
    elif found := _SLASHED.fullmatch(plain):
        parts = _month_and_day(found.groupdict())
    elif _NUMBER.fullmatch(plain):
        return _checked(_serial(float(plain)))
    else:
        raise Unreadable("import_date_invalid")
    return _checked(_of_parts(parts))


def _month_and_day(parts: dict[str, str | None]) -> dict[str, str | None]:
    """12-hour times are written the American way, month first; else only a day above 12 tells which is which."""
    a, b = int(parts["a"] or 0), int(parts["b"] or 0)
    if parts["after"] or b > 12:
        return parts | {"m": parts["a"], "d": parts["b"]}
    if a > 12 or a == b:
        return parts | {"m": parts["b"], "d": parts["a"]}
    raise Unreadable("import_date_ambiguous")


def _of_parts(parts: dict[str, str | None]) -> Moment:
    hour = int(parts.get("H") or 0)
    half = (parts.get("half") or parts.get("after") or "").upper()
    if half in ("PM", "下午", "晚上", "中午") and hour < 12:
        hour += 0 if half == "中午" and hour > 10 else 12
    elif half in ("AM", "上午", "凌晨", "早上") and hour == 12:
        hour = 0
    try:
        at = datetime(
            int(parts["y"] or 0), int(parts["m"] or 0), int(parts["d"] or 0),
            hour, int(parts.get("M") or 0), int(parts.get("S") or 0), tzinfo=_zone(parts.get("zone")),
        )  # fmt: skip
    except ValueError:
        raise Unreadable("import_date_invalid") from None
    return Moment(at.astimezone(UTC), parts.get("H") is None)


def _zone(text: str | None) -> Any:
    if not text:
        return CST
    return datetime.strptime(text.upper().replace(":", ""), "%z").tzinfo


def _serial(number: float) -> Moment:
    """A serial number of Excel, or seconds or milliseconds since 1970 as systems write them."""
    if number >= 1e9:
        at = datetime.fromtimestamp(number / (1000 if number >= 1e11 else 1), UTC) if number < 4.2e12 else LATEST
        return Moment(at.replace(microsecond=0), False)
    if not 1 <= number < 100_000:
        raise Unreadable("import_date_invalid")
    local = _EXCEL_ZERO + timedelta(seconds=round(number * 86400))
    return Moment(local.replace(tzinfo=CST).astimezone(UTC), number.is_integer())


def _checked(moment: Moment) -> Moment:
    if not EARLIEST <= moment.at < LATEST:
        raise Unreadable("import_date_out_of_range")
    return moment


def parse_degrees(text: str) -> float:
    """Degrees, decimal or with minutes and seconds, with or without a letter for the side; raises Unreadable."""
    found = _DEGREES.fullmatch(unicodedata.normalize("NFKC", text).strip())
    if found is None:
        raise Unreadable("import_number_invalid")
    parts = found.groupdict()
    degrees = float(parts["deg"])
    part = float(parts["min"] or 0) / 60 + float(parts["sec"] or 0) / 3600
    side = (parts["head"] or parts["tail"] or "").upper()
    value = degrees + (part if degrees >= 0 else -part)
    return -value if side in ("西", "南", "W", "S") else value


def parse_pair(text: str) -> tuple[float, float]:
    """Longitude and latitude from one text; raises Unreadable.

    Which is which is told by a value over 90, or by which order lies in China; else longitude comes first.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if found := _POINT.fullmatch(plain):
        return float(found[1]), float(found[2])
    if (found := _PAIR.fullmatch(plain)) is None:
        raise Unreadable("import_number_invalid")
    a, b = float(found[1]), float(found[2])
    return (b, a) if abs(a) <= 90 and (abs(b) > 90 or (in_china(b, a) and not in_china(a, b))) else (a, b)


def in_china(lon: float, lat: float) -> bool:
    """Whether a point lies in the box around China."""
    return 73.0 <= lon <= 135.5 and 3.0 <= lat <= 54.0
