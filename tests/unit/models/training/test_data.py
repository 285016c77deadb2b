"""Rows that a job learns from: bad ones are named and left out, personal details never reach the disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.models.training.data import REFUSALS_SHOWN, TEXT_LIMIT, collect, keep, read_file
from chengnao.models.training.model import Data
from chengnao.models.training.recipe import Column, Row

COLUMNS = [Column("text", "text", "text"), Column("label", "label", "label"), Column("g", "group", "label", True)]
SERIES = [Column("at", "at", "time"), Column("value", "value", "number")]


def read(content: bytes, columns: Sequence[Column] = COLUMNS) -> tuple[list[Row], Data]:
    return collect("a", read_file("a", content), columns)


def refused(content: bytes, columns: Sequence[Column] = COLUMNS) -> str:
    with pytest.raises(Invalid) as error:
        read(content, columns)
    assert error.value.text("zh") != error.value.code
    return error.value.code


def test_ten_bad_rows_are_named_and_the_others_learnt_from() -> None:
    good = ['{"text": "路灯坏了", "label": "lamp"}'] * 5
    bad = [
        "not json",
        "[1, 2]",
        '"text"',
        "{",
        '{"text": "", "label": "a"}',
        '{"label": "a"}',
        '{"text": "x"}',
        '{"text": 5, "label": "a"}',
        '{"text": "x", "label": true}',
        orjson.dumps({"text": "长" * (TEXT_LIMIT + 1), "label": "a"}).decode(),
    ]
    rows, data = read("\n".join([*good, *bad]).encode())
    assert (len(rows), data.rows, data.refused) == (5, 5, 10)
    assert [each.row for each in data.refusals] == list(range(6, 16))
    assert all(each.zh and each.en for each in data.refusals)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_csv_in_the_encodings_and_forms_that_offices_save(encoding: str, delimiter: str) -> None:
    text = "\r\n".join([delimiter.join(("text", "label")), delimiter.join(('"第一行\n第二行"', "噪声")), "", "坏行"])
    rows, data = read(text.encode(encoding))
    assert rows == [{"text": "第一行\n第二行", "label": "噪声"}]
    assert [each.row for each in data.refusals] == [5]


def test_a_wrong_column_of_labels_is_named_with_those_that_there_are() -> None:
    with pytest.raises(Invalid) as error:
        read(b'{"text": "a", "category": "b"}\n' * 3)
    assert error.value.code == "training_data_column"
    assert error.value.params["column"] == "label"
    assert "category" in str(error.value)


def test_files_that_hold_nothing_or_something_else() -> None:
    assert refused(b"") == "training_data_empty"
    assert refused(b" \n\n") == "training_data_empty"
    assert refused(b"text,label\n") == "training_data_empty"
    assert refused(b"\x00\x01\xff\xfe\x00PK\x03\x04" * 50) in ("training_data_unreadable", "training_data_column")
    assert refused(b"text,text\na,b\n") == "training_data_header"
    assert refused(b'{"text": "", "label": ""}\n' * 4) == "training_data_no_row"


def test_personal_details_are_hidden_before_anything_is_written(tmp_path: Path) -> None:
    said = "我叫李建国，手机13812345678，身份证500103198001011239，路灯坏了"
    rows, data = read(orjson.dumps({"text": said, "label": "lamp", "other": "13812345678"}))
    path = tmp_path / "data.jsonl"
    keep(path, rows)
    kept = path.read_bytes()
    assert b"13812345678" not in kept
    assert b"500103198001011239" not in kept
    assert "路灯坏了".encode() in kept
    assert data.masked == 1
    assert hashlib.sha256(kept).hexdigest() == data.sha256


def test_a_row_named_in_a_refusal_shows_nothing_of_its_content() -> None:
    _, data = read(b'{"text": "a", "label": "b"}\n{"text": 13812345678, "label": "b"}')
    assert "138" not in data.refusals[0].zh + data.refusals[0].en


def test_times_and_numbers() -> None:
    rows, data = read(
        b"at,value\n2026-05-01T08:00,1.5\n2026-05-01T08:00:00Z,-2\nyesterday,1\n2026-05-01T09:00,nan\n2026-05-01,x",
        SERIES,
    )
    assert rows[0] == {"at": "2026-05-01T08:00:00+08:00", "value": 1.5}
    assert rows[1]["at"] == "2026-05-01T08:00:00+00:00"
    assert data.refused == 3


def test_so_many_refusals_are_counted_and_the_first_ones_kept() -> None:
    _, data = read(b'{"text": "a", "label": "b"}\n' + b"{}\n" * 5000)
    assert data.refused == 5000
    assert len(data.refusals) == REFUSALS_SHOWN


@given(st.binary(max_size=400))
def test_no_file_breaks_the_reader(content: bytes) -> None:
    for whole in (content, b'{"text": ' + content, b"text,label\n" + content):
        try:
            read(whole)
        except Invalid:
            continue


@given(st.lists(st.fixed_dictionaries({"text": st.text(max_size=20), "label": st.text(max_size=5)}), max_size=20))
def test_each_row_is_learnt_from_or_refused(records: list[dict[str, str]]) -> None:
    try:
        rows, data = collect("a", enumerate(records, 1), COLUMNS)
    except Invalid:
        return
    assert len(rows) + data.refused == len(records)
    assert all(row["text"] and row["label"] for row in rows)
