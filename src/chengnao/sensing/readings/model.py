"""A reading: one value of one metric of one device at one moment, alone and in batches.

On the bus and on the way into the store readings travel as Arrow tables in `READING_SCHEMA`. A reading is
identified by (device, metric, time): the same three again is the same reading, and the one received last
stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import pyarrow as pa
from pyarrow import ipc

from chengnao.kernel.errors import Invalid


class Quality(StrEnum):
    """What the platform thinks of a value. Everything but GOOD is stored too, and judged by its reader."""

    GOOD = "good"
    LATE = "late"
    STUCK = "stuck"
    OUT_OF_RANGE = "out_of_range"
    SENTINEL = "sentinel"
    DUPLICATE = "duplicate"
    CALIBRATING = "calibrating"
    FAULT = "fault"


_MOMENT = pa.timestamp("ms", tz="UTC")

READING_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("device", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("time", _MOMENT, nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("quality", pa.string(), nullable=False),
        pa.field("received_at", _MOMENT, nullable=False),
    ]
)

_WRITE_OPTIONS = ipc.IpcWriteOptions(compression="lz4")


class UnreadableBatchError(Invalid):
    """Bytes that are no batch of readings."""

    def __init__(self, reason: str) -> None:
        super().__init__("readings_unreadable", reason=reason)


@dataclass(frozen=True, slots=True)
class Reading:
    """One value as a device reported it. Both times are aware; `received_at` is the gateway's."""

    device: str
    metric: str
    time: datetime
    value: float
    received_at: datetime
    quality: Quality = Quality.GOOD


def to_table(readings: Iterable[Reading]) -> pa.Table:
    """The readings as one table in READING_SCHEMA, in the order given."""
    rows = list(readings)
    return pa.Table.from_arrays(
        [
            pa.array([row.device for row in rows], pa.string()),
            pa.array([row.metric for row in rows], pa.string()),
            pa.array([row.time for row in rows], _MOMENT),
            pa.array([row.value for row in rows], pa.float64()),
            pa.array([row.quality.value for row in rows], pa.string()),
            pa.array([row.received_at for row in rows], _MOMENT),
        ],
        schema=READING_SCHEMA,
    )


def encode(table: pa.Table) -> bytes:
    """One self-contained message: an Arrow IPC stream with lz4-compressed columns.

    Raises UnreadableBatchError where the table does not fit READING_SCHEMA.
    """
    fitted = _fit(table)
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, READING_SCHEMA, options=_WRITE_OPTIONS) as writer:
        writer.write_table(fitted)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def decode(payload: bytes) -> pa.Table:
    """The table that `encode` made. Raises UnreadableBatchError for anything else."""
    try:
        with ipc.open_stream(payload) as reader:
            table = reader.read_all()
            table.validate(full=True)  # a damaged body may parse and still hold offsets that point outside it
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableBatchError(f"not an Arrow IPC stream of readings: {error}") from error
    return _fit(table)


def _fit(table: pa.Table) -> pa.Table:
    """The same table with exactly READING_SCHEMA; columns are found by name, and no cell may be empty."""
    try:
        columns = [table.column(field.name).cast(field.type) for field in READING_SCHEMA]
    except (KeyError, pa.ArrowException) as error:
        raise UnreadableBatchError(f"columns do not match the reading schema: {error}") from error
    for field, column in zip(READING_SCHEMA, columns, strict=True):
        if column.null_count:
            raise UnreadableBatchError(f"column {field.name} has {column.null_count} empty cells")
    return pa.Table.from_arrays(columns, schema=READING_SCHEMA)
