"""SenML in JSON (RFC 8428): a pack of records into single values with their full names and times."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import isfinite
from typing import Any, NamedTuple

import orjson

from chengnao.sensing.protocols.shape import Refusal

CONTENT_FORMAT = 110
_ABSOLUTE_FROM = 2**28
_VERSION = 10
MAX_RECORDS = 10_000


class Measured(NamedTuple):
    name: str
    value: float
    time: datetime


def read_pack(raw: bytes, now: datetime) -> list[Measured] | Refusal:
    """The numbers and truth values of a pack; texts, data and records without a value are passed over.

    A time below 2^28 is relative to `now`, and so is one that is left out.
    """
    try:
        pack = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return Refusal("bad_field", raw, {"field": "payload", "value": "JSON"})
    if not isinstance(pack, list) or not all(isinstance(record, dict) for record in pack):
        return Refusal("bad_field", raw, {"field": "payload", "value": "SenML"})
    if len(pack) > MAX_RECORDS:
        return Refusal("bad_field", raw, {"field": "payload", "value": f"{len(pack)} records"})
    try:
        return list(_resolved(pack, now))
    except (ValueError, TypeError, OverflowError, OSError) as error:
        return Refusal("bad_field", raw, {"field": "record", "value": str(error)[:80]})


def _resolved(pack: list[dict[str, Any]], now: datetime) -> Iterator[Measured]:
    base_name, base_time, base_value = "", 0.0, 0.0
    for record in pack:
        if record.get("bver", _VERSION) > _VERSION or any(key.endswith("_") for key in record):
            raise ValueError("bver")  # what must be understood and is not
        base_name = _text(record.get("bn", base_name))
        base_time = _number(record.get("bt", base_time))
        base_value = _number(record.get("bv", base_value))
        value = record.get("vb") if "vb" in record else record.get("v")
        if value is None:
            continue
        offset = base_time + _number(record.get("t", 0.0))
        seconds = offset if offset >= _ABSOLUTE_FROM else now.timestamp() + offset
        total = float(value) if "vb" in record and isinstance(value, bool) else base_value + _number(value)
        yield Measured(base_name + _text(record.get("n", "")), total, datetime.fromtimestamp(seconds, UTC))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return float(value)
