"""Bodies of readings: the fast way and the slow way agree, and a bad row is alone in being refused."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc

from chengnao.kernel.errors import Invalid
from chengnao.kernel.messages import message
from chengnao.sensing.gateways.bodies import ARROW_TYPE, Body, parse_body, rows_to_body

GOOD = {"device": "p-1", "metric": "pressure", "time": "2026-01-31T08:00:00+08:00", "value": 30.5}


def listed(body: Body) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in body.table.to_pylist()]


def test_time_is_turned_to_utc_with_milliseconds() -> None:
    for text in ("2026-01-31T08:00:00.123+08:00", "2026-01-31T00:00:00.123456Z"):
        row = GOOD | {"time": text}
        assert listed(rows_to_body([row]))[0][2] == datetime(2026, 1, 31, 0, 0, 0, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"time": "2026-01-31T08:00:00"}, "reading_time", "time"),
        ({"time": "2026-02-30T08:00:00Z"}, "reading_time", "time"),
        ({"time": 1769817600}, "reading_time", "time"),
        ({"time": None}, "reading_field_missing", "time"),
        ({"value": "30"}, "reading_value", "value"),
        ({"value": True}, "reading_value", "value"),
        ({"value": []}, "reading_value", "value"),
        ({"value": 10**400}, "reading_value", "value"),
        ({"device": 1}, "reading_field_type", "device"),
        ({"device": "\ud800"}, "reading_field_type", "device"),
        ({"metric": {}}, "reading_field_type", "metric"),
    ],
)
def test_a_bad_row_is_refused_alone_with_field_and_remedy(change: dict[str, Any], code: str, field: str) -> None:
    body = rows_to_body([GOOD, GOOD | change, GOOD])
    assert len(body.table) == 2
    assert body.index.tolist() == [0, 2]
    (refused,) = body.refused
    assert (refused.index, refused.code, refused.params["field"]) == (1, code, field)
    for language in ("zh", "en"):
        assert "?" not in message(refused.code, language, **refused.params)


@pytest.mark.parametrize("row", [None, 3, "x", [], [GOOD]])
def test_a_row_that_is_no_object(row: Any) -> None:
    body = rows_to_body([row, GOOD])
    assert [each.code for each in body.refused] == ["reading_row_unreadable"]
    assert len(body.table) == 1


def test_blank_and_broken_lines_of_ndjson_keep_the_count_of_lines() -> None:
    lines = b"\n" + orjson.dumps(GOOD) + b"\r\n\n{broken\n" + orjson.dumps(GOOD) + b"\n"
    body = parse_body("application/x-ndjson; charset=utf-8", lines)
    assert body.index.tolist() == [1, 4]
    assert [(each.index, each.code) for each in body.refused] == [(3, "reading_row_unreadable")]


def arrow(columns: dict[str, Any]) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


MOMENTS = pa.array([datetime(2026, 1, 31, tzinfo=UTC)] * 2, pa.timestamp("ns", "Asia/Shanghai"))


def test_arrow_of_other_types_is_fitted() -> None:
    body = parse_body(
        ARROW_TYPE,
        arrow(
            {
                "value": pa.array([1, None], pa.int32()),
                "time": MOMENTS,
                "device": pa.array(["a", "b"]).dictionary_encode(),
                "metric": pa.array(["x", "y"], pa.large_string()),
                "more": pa.array([True, False]),
            }
        ),
    )
    assert listed(body) == [("a", "x", datetime(2026, 1, 31, tzinfo=UTC), 1.0)]
    assert [(each.index, each.code, each.params) for each in body.refused] == [
        (1, "reading_field_missing", {"field": "value"})
    ]


@pytest.mark.parametrize(
    "columns",
    [
        {"device": ["a"]},
        {"device": ["a"], "metric": ["x"], "value": [1.0], "time": ["2026-01-31"]},
        {
            "device": ["a"],
            "metric": ["x"],
            "value": [1.0],
            "time": pa.array([0], pa.timestamp("ms")),
        },
        {"device": ["a"], "metric": ["x"], "value": ["high"], "time": MOMENTS[:1]},
    ],
)
def test_arrow_that_does_not_fit_is_refused_whole(columns: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"Arrow|time|value"):
        parse_body(ARROW_TYPE, arrow(columns))


def packed(columns: dict[str, Any]) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def test_compressed_arrow_is_read_and_one_that_would_burst_is_not() -> None:
    columns = {"device": ["a", "b"], "metric": ["x", "y"], "value": [1.0, 2.0], "time": MOMENTS}
    assert len(parse_body(ARROW_TYPE, packed(columns)).table) == 2
    many = 4_000_000
    bomb = {
        "device": pa.DictionaryArray.from_arrays(np.zeros(many, np.int8), ["a"]),
        "metric": pa.DictionaryArray.from_arrays(np.zeros(many, np.int8), ["x"]),
        "value": np.zeros(many),
        "time": pa.array(np.zeros(many, np.int64)).cast(pa.timestamp("ms", "UTC")),
        "more": np.zeros(many),
        "most": np.zeros(many),
        "yet": np.zeros(many),
    }
    body = packed(bomb)
    assert len(body) < 100_000
    with pytest.raises(Invalid, match="MiB"):
        parse_body(ARROW_TYPE, body)


def test_a_long_text_shared_by_many_rows_is_not_unfolded() -> None:
    count = 100_000
    columns = {
        "device": pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), ["a" * 1_000_000]),
        "metric": pa.DictionaryArray.from_arrays(np.zeros(count, np.int8), ["x"]),
        "value": np.zeros(count),
        "time": pa.array(np.zeros(count, np.int64)).cast(pa.timestamp("ms", "UTC")),
    }
    with pytest.raises(Invalid, match="device"):
        parse_body(ARROW_TYPE, arrow(columns))


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_arrow_body_never_crashes(position: int, value: int) -> None:
    body = bytearray(arrow({"device": ["a", "b"], "metric": ["x", "y"], "value": [1.0, 2.0], "time": MOMENTS}))
    body[position % len(body)] = value
    with suppress(Invalid):
        parse_body(ARROW_TYPE, bytes(body))


scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
odd_rows = st.fixed_dictionaries(
    {},
    optional={
        "device": st.one_of(st.just("p-1"), scalars),
        "metric": st.one_of(st.just("pressure"), scalars),
        "time": st.one_of(st.just("2026-01-31T08:00:00Z"), scalars),
        "value": st.one_of(st.floats(-10, 10), scalars),
        "other": scalars,
    },
)


@given(st.lists(st.one_of(st.just(GOOD), odd_rows, scalars), max_size=8))
def test_every_row_is_taken_or_told(rows: list[Any]) -> None:
    bodies = [rows_to_body(rows)]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    bodies.append(parse_body("application/x-ndjson", lines))
    for body in bodies:
        told = [each.index for each in body.refused]
        assert sorted([*body.index.tolist(), *told]) == list(range(len(rows)))
        # A finite value is asked for again, over whole columns, by the intake.
        assert all(isinstance(value, float) for value in body.table.column("value").to_pylist())


@given(st.lists(st.sampled_from([GOOD, GOOD | {"value": 2}, GOOD | {"time": "2026-01-31T00:00:00Z"}]), min_size=1))
def test_both_ways_agree_on_good_rows(rows: list[dict[str, Any]]) -> None:
    fast = rows_to_body(rows)
    slow = rows_to_body([*rows, None])
    assert listed(fast) == listed(slow)
    assert np.array_equal(fast.index, slow.index)
