"""Features, and a question to a collection of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from chengnao.kernel.errors import Invalid

DEFAULT_LIMIT = 10
MAX_LIMIT = 1_000
MAX_OFFSET = 10_000_000
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Question:
    """What is wanted of a collection. `since` and `until` include their ends; None is open."""

    boxes: tuple[Box, ...] = ()
    """Whatever lies in one of them; a box over the date line comes as two."""
    since: datetime | None = None
    until: datetime | None = None
    equals: Mapping[str, str] = field(default_factory=dict)
    limit: int = DEFAULT_LIMIT
    offset: int = 0


@dataclass(frozen=True)
class Feature:
    """One feature; no place: its geometry is null."""

    id: str
    lon: float | None
    lat: float | None
    properties: Mapping[str, Any]

    def geojson(self) -> dict[str, Any]:
        placed = self.lon is not None and self.lat is not None
        geometry = {"type": "Point", "coordinates": [self.lon, self.lat]} if placed else None
        return {"type": "Feature", "id": self.id, "geometry": geometry, "properties": dict(self.properties)}


@dataclass(frozen=True)
class Features:
    """The wanted part, and how many fit the question."""

    items: Sequence[Feature]
    matched: int


def parse_question(given: Mapping[str, str], queryables: Sequence[str]) -> Question:
    """The question of a query string; raises Invalid for a parameter that is unknown or malformed."""
    known = ("bbox", "datetime", "limit", "offset", "f", *queryables)
    for name in given:
        if name not in known:
            raise _wrong(name[:40], given[name], f"没有这个参数，可用的有：{'、'.join(known)}", f"known are {known}")
    if given.get("f", "json") not in {"json", "geojson"}:
        raise _wrong("f", given["f"], "只提供 json", "only json is served")
    since, until = _interval(given["datetime"]) if "datetime" in given else (None, None)
    return Question(
        boxes=_boxes(given["bbox"]) if "bbox" in given else (),
        since=since,
        until=until,
        equals={name: given[name] for name in queryables if name in given},
        limit=min(MAX_LIMIT, _number("limit", given["limit"], 1, 10**9)) if "limit" in given else DEFAULT_LIMIT,
        offset=_number("offset", given["offset"], 0, MAX_OFFSET) if "offset" in given else 0,
    )


def _boxes(text: str) -> tuple[Box, ...]:
    """Four numbers, or six with heights, which are not looked at."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if len(numbers) != 4 or not all(map(isfinite, numbers)) or numbers[1] > numbers[3]:
        raise _wrong("bbox", text, "应为“西,南,东,北”", "it must be west,south,east,north")
    west, south, east, north = numbers
    if west <= east:
        return ((west, south, east, north),)
    return ((west, south, 180.0, north), (-180.0, south, east, north))


def _interval(text: str) -> tuple[datetime | None, datetime | None]:
    parts = text.split("/")
    if len(parts) == 1:
        moment = _moment(text, text)
        return moment, moment
    if len(parts) != 2:
        raise _no_time(text)
    since, until = (None if part in {"", ".."} else _moment(part, text) for part in parts)
    if since is not None and until is not None and since > until:
        raise _no_time(text)
    return since, until


def _moment(part: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(part)
        return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _no_time(text) from error


def _no_time(text: str) -> Invalid:
    return _wrong("datetime", text, "应为时刻或“起/止”", "a moment, or begin/end with .. for open, is wanted")


def _number(name: str, text: str, least: int, most: int) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 10 and least <= int(text) <= most:
        return int(text)
    raise _wrong(name, text, f"应为 {least} 至 {most} 的整数", f"a whole number from {least} to {most} is wanted")


def _wrong(field_name: str, value: str, zh: str, en: str) -> Invalid:
    return Invalid("invalid_value", field=field_name, value=value[:80], reason_zh=zh, reason_en=en)
