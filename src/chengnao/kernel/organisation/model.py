"""Divisions down to the street, units, and who is on duty."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from chengnao.kernel.errors import Invalid
from chengnao.kernel.vocabulary import Tier

CITY = "500000"


@dataclass(frozen=True)
class Division:
    """An administrative division as it stood from `valid_from` up to, not including, `valid_to`."""

    code: str
    name: str
    tier: Tier
    kind: str
    zone: str
    parent_code: str | None
    valid_from: date
    valid_to: date | None
    successor_codes: tuple[str, ...]
    label_lon: float | None
    label_lat: float | None

    def valid_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True)
class Unit:
    """A body that handles incidents or owns devices."""

    id: str
    name: str
    division_code: str
    parent_id: str | None = None
    phone: str = ""
    capacity: int | None = None
    """How many tasks it can have in work at a time; None is unbounded."""


@dataclass(frozen=True)
class Duty:
    """One person's turn in a unit's roster."""

    id: str
    unit_id: str
    user_id: str
    starts_at: datetime
    ends_at: datetime


def tier_of(division_code: str) -> Tier:
    """The tier a code belongs to: the city's own code, six digits, or nine."""
    if division_code == CITY:
        return Tier.CITY
    return Tier.DISTRICT if len(division_code) == 6 else Tier.STREET


def ancestors(division_code: str) -> list[str]:
    """The codes from the division itself up to the city: a street's code begins with its district's."""
    chain = [division_code]
    if len(division_code) == 9:
        chain.append(division_code[:6])
    return chain if chain[-1] == CITY else [*chain, CITY]


_REMEDIES = {
    "code": (r"\d{6}|\d{9}", "应为 6 位或 9 位数字", "it must be 6 or 9 digits"),
    "name": (r".+", "不能为空", "it must not be empty"),
    "tier": (r"city|district|street", "应为 city、district 或 street", "it must be city, district or street"),
    "parent_code": (r"|\d{6}", "应为空或 6 位数字", "it must be empty or 6 digits"),
    "valid_from": (r"\d{4}-\d\d-\d\d", "应为 YYYY-MM-DD 日期", "it must be a date, YYYY-MM-DD"),
    "valid_to": (r"|\d{4}-\d\d-\d\d", "应为空或 YYYY-MM-DD 日期", "it must be empty or a date, YYYY-MM-DD"),
    "label_lon": (r"|-?\d{1,3}(\.\d+)?", "应为空或十进制经度", "it must be empty or a decimal longitude"),
    "label_lat": (r"|-?\d{1,2}(\.\d+)?", "应为空或十进制纬度", "it must be empty or a decimal latitude"),
}


def read_divisions(lines: Iterable[str], file: str) -> Iterator[Division | Invalid]:
    """Each line of a division file (CSV with a header) as a division, or as the error that names line and field."""
    for number, row in enumerate(csv.DictReader(lines), start=2):
        try:
            yield _division(row, file, number)
        except Invalid as error:
            yield error


def _division(row: dict[str, str | None], file: str, line: int) -> Division:
    def invalid(field: str, reason_zh: str, reason_en: str) -> Invalid:
        return Invalid(
            "division_file_invalid",
            file=file,
            line=line,
            field=field,
            value=row.get(field),
            reason_zh=reason_zh,
            reason_en=reason_en,
        )

    text = {
        key: (value or "").strip() for key, value in row.items() if key is not None and isinstance(value, str | None)
    }
    for field, (pattern, zh, en) in _REMEDIES.items():
        if not re.fullmatch(pattern, text.get(field, "")):
            raise invalid(field, zh, en)
    days: dict[str, date | None] = {}
    for field in ("valid_from", "valid_to"):
        try:
            days[field] = date.fromisoformat(text[field]) if text[field] else None
        except ValueError:
            raise invalid(field, "不是真实存在的日期", "it is not a date of the calendar") from None
    if not text["code"].startswith(text["parent_code"]) and text["parent_code"] != CITY:
        raise invalid("parent_code", "与区划代码前缀不一致", "it is not the beginning of the code")
    begins, ends = days["valid_from"], days["valid_to"]
    assert begins is not None
    if ends is not None and ends <= begins:
        raise invalid("valid_to", "不晚于 valid_from", "it is not after valid_from")
    return Division(
        code=text["code"],
        name=text["name"],
        tier=Tier(text["tier"]),
        kind=text.get("kind", ""),
        zone=text.get("zone", ""),
        parent_code=text["parent_code"] or None,
        valid_from=begins,
        valid_to=ends,
        successor_codes=tuple(text.get("successor_codes", "").split()),
        label_lon=float(text["label_lon"]) if text["label_lon"] else None,
        label_lat=float(text["label_lat"]) if text["label_lat"] else None,
    )
