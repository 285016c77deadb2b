"""A batch of readings survives its journey, and nothing else passes for one."""

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest

from chengnao.sensing.readings.model import (
    READING_SCHEMA,
    Quality,
    Reading,
    UnreadableBatchError,
    decode,
    encode,
    to_table,
)

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def readings(count: int) -> list[Reading]:
    return [
        Reading("pipe-1", "压力", NOON + timedelta(seconds=i), i / 7, NOON + timedelta(seconds=i + 1))
        for i in range(count)
    ]


def test_batch_survives_the_round_trip() -> None:
    table = to_table(readings(1000))
    assert decode(encode(table)).equals(table)


def test_empty_batch_survives_too() -> None:
    assert decode(encode(to_table([]))).num_rows == 0


def test_moment_is_the_same_whatever_zone_it_was_written_in() -> None:
    beijing = NOON.astimezone(timezone(timedelta(hours=8)))
    row = to_table([Reading("d", "m", beijing, 1.0, beijing, Quality.LATE)]).to_pylist()[0]
    assert row["time"] == NOON
    assert row["quality"] == "late"


def test_columns_are_found_by_name_not_by_place() -> None:
    table = to_table(readings(3))
    shuffled = table.select(list(reversed(READING_SCHEMA.names)))
    assert decode(encode(shuffled)).equals(table)


def test_repeated_names_cost_little() -> None:
    table = to_table(readings(10_000))
    names = sum(table.column(name).nbytes for name in ("device", "metric", "quality"))
    assert len(encode(table)) < table.nbytes - names * 0.9


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff\xff\xff\xff\x10\x00\x00\x00", b"x" * 1000])
def test_nonsense_is_refused(payload: bytes) -> None:
    with pytest.raises(UnreadableBatchError):
        decode(payload)


def test_every_cut_of_a_message_is_refused_or_whole_batches() -> None:
    payload = encode(to_table(readings(50)))
    for end in range(0, len(payload) - 16, 13):
        with pytest.raises(UnreadableBatchError):
            decode(payload[:end])


def test_missing_column_is_named() -> None:
    with pytest.raises(UnreadableBatchError, match="quality"):
        encode(to_table(readings(2)).drop_columns(["quality"]))


def test_empty_cell_is_named() -> None:
    table = to_table(readings(2)).set_column(3, "value", pa.array([1.0, None]))
    with pytest.raises(UnreadableBatchError, match="value has 1 empty"):
        encode(table)
