"""Bodies of readings, as they come over HTTP and MQTT, into columns. One bad row never stops the rest.

Each form has a fast way, whole columns at a time, and a slow one, row by row, taken only where the fast one
stumbles; the slow way says which row is wrong, in which field, and why.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from chengnao.kernel.errors import Invalid
from chengnao.sensing.gateways.arrow_bodies import check_rows, read_arrow, unreadable

ARROW_TYPE = "application/vnd.apache.arrow.stream"
NDJSON_TYPES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})

FIELDS = ("device", "metric", "time", "value")
_MOMENT = pa.timestamp("ms", tz="UTC")
_FINE_MOMENT = pa.timestamp("us", tz="UTC")
_JSON_SCHEMA = pa.schema(
    [("device", pa.string()), ("metric", pa.string()), ("time", pa.string()), ("value", pa.float64())]
)
_SCHEMA = pa.schema([("device", pa.string()), ("metric", pa.string()), ("time", _MOMENT), ("value", pa.float64())])


@dataclass(frozen=True, slots=True)
class Refused:
    """One row that was not taken in; `row` is what the sender gave, as far as it could be read."""

    index: int
    code: str
    params: dict[str, Any]
    row: Any = None


@dataclass(frozen=True)
class Body:
    """Readable rows as a table (device, metric, time, value), their places in the body, and the refused rows."""

    table: pa.Table
    index: npt.NDArray[np.int64]
    refused: list[Refused] = field(default_factory=list)


def parse_body(content_type: str, body: bytes) -> Body:
    """Read a body of readings; raises Invalid only where nothing in it can be read."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == ARROW_TYPE:
        return _arrow(body)
    if kind in NDJSON_TYPES:
        return _ndjson(body)
    return _json(body)


def _arrow(body: bytes) -> Body:
    table = read_arrow(body, FIELDS)
    try:
        columns = [table.column(name).cast(_SCHEMA.field(name).type, safe=name != "time") for name in FIELDS]
    except pa.ArrowException as error:
        raise unreadable(f"不是可用的 Arrow 流：{error}", f"not a usable Arrow stream: {error}") from error
    return _without_gaps(pa.Table.from_arrays(columns, schema=_SCHEMA))


def _ndjson(body: bytes) -> Body:
    # Not by Arrow's own JSON reader: it is twice as fast, and some rows that are no objects crash the process.
    lines = body.splitlines()
    check_rows(len(lines))
    try:
        rows = orjson.loads(b"[%b]" % b",".join(lines))
        if len(rows) == len(lines):
            return rows_to_body(rows)
    except orjson.JSONDecodeError:
        pass
    read: list[tuple[int, Any]] = []
    for number, line in enumerate(lines):
        if line.strip():
            try:
                read.append((number, orjson.loads(line)))
            except orjson.JSONDecodeError:
                read.append((number, line))
    return _row_by_row(read)


def _json(body: bytes) -> Body:
    try:
        rows = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise unreadable(f"不是合法的 JSON：{error}", f"not valid JSON: {error}") from error
    if isinstance(rows, dict) and "readings" in rows:
        rows = rows["readings"]
    if not isinstance(rows, list):
        raise unreadable(
            "应为读数数组，或带 readings 的对象", "an array of readings, or an object with `readings`, is wanted"
        )
    check_rows(len(rows))
    return rows_to_body(rows)


def rows_to_body(rows: list[Any]) -> Body:
    """Rows as JSON gives them."""
    try:
        columns = [[row[name] for row in rows] for name in FIELDS]
        if bool in set(map(type, columns[3])):
            raise TypeError("a truth value is no number")
        table = pa.Table.from_arrays(
            [pa.array(column, _JSON_SCHEMA.field(name).type) for name, column in zip(FIELDS, columns, strict=True)],
            schema=_JSON_SCHEMA,
        )
        return _without_gaps(_with_moments(table))
    except (KeyError, TypeError, IndexError, OverflowError, UnicodeError, pa.ArrowException):
        return _row_by_row(enumerate(rows))


def _with_moments(table: pa.Table) -> pa.Table:
    moments = table.column("time").cast(_FINE_MOMENT).cast(_MOMENT, safe=False)
    return pa.Table.from_arrays([*table.columns[:2], moments, table.column("value")], schema=_SCHEMA)


def _without_gaps(table: pa.Table) -> Body:
    """Split off the rows with an empty field."""
    index = np.arange(len(table))
    if all(column.null_count == 0 for column in table.columns):
        return Body(table, index)
    empty = [column.is_null().to_numpy() for column in table.columns]
    whole = ~np.logical_or.reduce(empty)
    refused = []
    for number in np.flatnonzero(~whole).tolist():
        name = next(name for name, gaps in zip(FIELDS, empty, strict=True) if gaps[number])
        refused.append(Refused(number, "reading_field_missing", {"field": name}, shown_row(table, number)))
    return Body(table.filter(pa.array(whole)), index[whole], refused)


def shown_row(table: pa.Table, number: int) -> dict[str, Any]:
    """A row of a body's table as JSON could have given it; also where its time or value is beyond JSON's."""
    device, metric, time, value = (table.column(name)[number] for name in FIELDS)
    number_value = value.as_py()
    finite = number_value is None or isfinite(number_value)
    return {
        "device": device.as_py(),
        "metric": metric.as_py(),
        "time": _shown_time(time.value),
        "value": number_value if finite else str(number_value),
    }


def _shown_time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"


def _row_by_row(rows: Iterable[tuple[int, Any]]) -> Body:
    kept: list[tuple[str, str, int, float]] = []
    index: list[int] = []
    refused: list[Refused] = []
    for number, row in rows:
        result = _row(row)
        if isinstance(result, tuple):
            kept.append(result)
            index.append(number)
        else:
            shown = row.decode("utf-8", "replace") if isinstance(row, bytes) else row
            refused.append(Refused(number, result.code, result.params, shown))
    columns = list(zip(*kept, strict=True)) or [(), (), (), ()]
    arrays = [
        pa.array(columns[0], pa.string()),
        pa.array(columns[1], pa.string()),
        pa.array(columns[2], pa.int64()).cast(_MOMENT),
        pa.array(columns[3], pa.float64()),
    ]
    return Body(pa.Table.from_arrays(arrays, schema=_SCHEMA), np.array(index, np.int64), refused)


def _row(row: Any) -> tuple[str, str, int, float] | Invalid:
    if not isinstance(row, dict):
        return Invalid("reading_row_unreadable", field="row", value=_shown(row))
    for name in FIELDS:
        if row.get(name) is None:
            return Invalid("reading_field_missing", field=name)
    device, metric, value = row["device"], row["metric"], row["value"]
    for name in ("device", "metric"):
        if not isinstance(row[name], str) or not _encodable(row[name]):
            return Invalid(
                "reading_field_type", field=name, value=_shown(row[name]), wanted_zh="文本", wanted_en="text"
            )
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        return Invalid("reading_value", field="value", value=_shown(value))
    moment = _moment(row["time"])
    if moment is None:
        return Invalid("reading_time", field="time", value=_shown(row["time"]))
    return device, metric, moment, float(value)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:
        return False


def _moment(text: Any) -> int | None:
    """Milliseconds since the epoch of an ISO 8601 time with a zone."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return None if moment.tzinfo is None else int(moment.astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _shown(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text if len(text) <= 80 else text[:80] + "…"
