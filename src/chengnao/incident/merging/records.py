"""Rows of a file of reports as matters, whatever their columns are called."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chengnao.incident.merging.model import Matter
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.kernel.places import Place

ID = ("id", "tracking_number", "number", "unique_key", "service_request_id")
TEXT = ("text", "content", "description", "title")
DESCRIPTOR = ("descriptor", "descriptor_2")
CATEGORY = ("category", "complaint_type", "sr_type", "service_code", "type")
CREATED = ("created", "created_at", "created_date", "received_at", "requested_datetime", "opened_at", "time")
CLOSED = ("closed_at",)
LON = ("lon", "lng", "long", "longitude")
LAT = ("lat", "latitude")
ADDRESS = ("address", "street_name", "block", "location")
SOURCE = ("source", "device_id", "reporter")
_MERIDIEM = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M")


@dataclass(frozen=True)
class Unread:
    """A value of a row that cannot be used; the row is compared without it."""

    field: str
    value: str


def matter_from(record: Mapping[str, Any], row: int) -> tuple[Matter, list[Unread]]:
    """The matter that a row tells of, called by its id or by the number of its line; and what could not be read."""
    unread: list[Unread] = []
    text = _first(record, TEXT)
    if not text:
        text = "；".join(dict.fromkeys(str(record[name]) for name in DESCRIPTOR if record.get(name)))
    identity = _first(record, ID)
    return (
        Matter(
            id=identity or str(row),
            text=text,
            category=_first(record, CATEGORY) or None,
            at=_time(record, CREATED, unread),
            place=_place(record, unread),
            address=_first(record, ADDRESS),
            source=_first(record, SOURCE) or None,
            closed_at=_time(record, CLOSED, unread),
        ),
        unread,
    )


def _first(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = record.get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def _time(record: Mapping[str, Any], names: tuple[str, ...], unread: list[Unread]) -> datetime | None:
    """A time with its zone, or without: then Chongqing's."""
    text = _first(record, names)
    if not text:
        return None
    found = None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        for form in _MERIDIEM:
            try:
                found = datetime.strptime(text, form).replace(tzinfo=CST)
                break
            except ValueError:
                continue
    try:
        if found is not None:
            found = found if found.tzinfo else found.replace(tzinfo=CST)
            found.timestamp()
            return found
    except (OverflowError, ValueError):
        pass
    unread.append(Unread(next(name for name in names if _first(record, (name,))), text))
    return None


def _place(record: Mapping[str, Any], unread: list[Unread]) -> Place | None:
    texts = [_first(record, LON), _first(record, LAT)]
    if not any(texts):
        return None
    try:
        lon, lat = map(float, texts)
        if not (math.isclose(lon, 0) and math.isclose(lat, 0)):
            return Place(lon, lat)
    except (ValueError, Invalid):
        pass
    unread.append(Unread("lon, lat", ", ".join(texts)))
    return None
