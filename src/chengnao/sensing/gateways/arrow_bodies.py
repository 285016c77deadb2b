"""Arrow streams from outside, read without trusting them: a few bytes can claim to unpack into gigabytes."""

import struct
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from chengnao.kernel.errors import Invalid

MAX_ROWS = 100_000
"""Of a body in any form: while one is worked through, all other senders wait."""

MAX_UNPACKED = 128 * 2**20
MAX_TEXT = 256

_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3


def unreadable(reason_zh: str, reason_en: str) -> Invalid:
    return Invalid("body_unreadable", field="body", reason_zh=reason_zh, reason_en=reason_en)


def check_rows(count: int) -> None:
    """Raise Invalid for a body of too many rows."""
    if count > MAX_ROWS:
        raise unreadable(f"超过 {MAX_ROWS} 行，请拆分", f"more than {MAX_ROWS} rows; split it")


def read_arrow(body: bytes, fields: tuple[str, ...]) -> pa.Table:
    """The wanted columns of a stream, of types that are safe to cast; raises Invalid for anything else."""
    try:
        return _read(body, fields)
    except (pa.ArrowException, struct.error, OSError, ValueError, EOFError) as error:
        raise unreadable(f"不是可用的 Arrow 流：{error}", f"not a usable Arrow stream: {error}") from error


def _read(body: bytes, fields: tuple[str, ...]) -> pa.Table:
    if _unpacked_bytes(body) > MAX_UNPACKED:
        limit = MAX_UNPACKED // 2**20
        raise unreadable(f"解压后超过 {limit} MiB，请拆分", f"it unpacks to over {limit} MiB; split it")
    with ipc.open_stream(body) as reader:
        table = reader.read_all()
    table.validate(full=True)  # a damaged body may hold offsets that point outside it
    check_rows(len(table))
    missing = [name for name in fields if table.column_names.count(name) != 1]
    if missing:
        raise unreadable(f"Arrow 表缺少列 {'、'.join(missing)}", f"the Arrow table lacks {', '.join(missing)}")
    table = table.select(list(fields))
    for name in ("device", "metric"):
        _check_text(name, table.column(name))
    time, value = table.schema.field("time").type, table.schema.field("value").type
    if not pa.types.is_timestamp(time) or not time.tz:
        raise unreadable("time 列应为带时区的 timestamp", "column time must be a timestamp with a time zone")
    if not (pa.types.is_floating(value) or pa.types.is_integer(value)):
        raise unreadable("value 列应为数字", "column value must be numbers")
    return table


def _check_text(name: str, column: pa.ChunkedArray) -> None:
    kind = column.type
    coded = pa.types.is_dictionary(kind)
    if coded:
        kind = kind.value_type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise unreadable(f"{name} 列应为文本", f"column {name} must be text")
    # A long text that many rows share would unfold into gigabytes.
    parts = [chunk.dictionary for chunk in column.chunks] if coded else column.chunks
    if any((pc.max(pc.binary_length(part)).as_py() or 0) > MAX_TEXT for part in parts):
        raise unreadable(f"{name} 列有超过 {MAX_TEXT} 字节的文本", f"column {name} has a text of over {MAX_TEXT} bytes")


def _unpacked_bytes(body: bytes) -> int:
    """What the stream's batches take once unpacked; compressed buffers begin with the size they claim."""
    total = 0
    reader = ipc.MessageReader.open_stream(body)
    while True:
        try:
            message = reader.read_next_message()
        except StopIteration:
            return total
        if message.body is not None:
            total += _batch_bytes(message.metadata.to_pybytes(), message.body)


def _batch_bytes(metadata: bytes, body: pa.Buffer) -> int:
    head = _Table.root(metadata)
    kind = head.scalar(1, "<B")
    if kind not in {_DICTIONARY_BATCH, _RECORD_BATCH}:
        return 0
    batch = head.table(2)
    if batch is not None and kind == _DICTIONARY_BATCH:
        batch = batch.table(1)
    if batch is None or batch.table(3) is None:
        return len(body)
    total = 0
    data = memoryview(body)
    for offset, length in batch.pairs(2):
        if length >= 8:
            (claimed,) = struct.unpack_from("<q", data, offset)
            total += length if claimed < 0 else claimed
    return total


class _Table:
    """As much of a flatbuffer as is needed to find a batch's buffers."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self.position = position

    @classmethod
    def root(cls, data: bytes) -> "_Table":
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _field(self, number: int) -> int | None:
        vtable = self.position - struct.unpack_from("<i", self.data, self.position)[0]
        if vtable < 0 or 4 + 2 * number >= struct.unpack_from("<H", self.data, vtable)[0]:
            return None
        offset = struct.unpack_from("<H", self.data, vtable + 4 + 2 * number)[0]
        return self.position + offset if offset else None

    def scalar(self, number: int, form: str) -> Any:
        place = self._field(number)
        return 0 if place is None else struct.unpack_from(form, self.data, place)[0]

    def _reference(self, number: int) -> int | None:
        place = self._field(number)
        return None if place is None else place + int(struct.unpack_from("<I", self.data, place)[0])

    def table(self, number: int) -> "_Table | None":
        place = self._reference(number)
        return None if place is None else _Table(self.data, place)

    def pairs(self, number: int) -> list[tuple[int, int]]:
        """A vector of structs of two 64-bit numbers."""
        place = self._reference(number)
        if place is None:
            return []
        (count,) = struct.unpack_from("<I", self.data, place)
        return [struct.unpack_from("<qq", self.data, place + 4 + 16 * each) for each in range(count)]
