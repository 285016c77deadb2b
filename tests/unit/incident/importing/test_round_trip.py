"""What is written in any of the forms is read again as it was."""

import csv
import io
import json
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from chengnao.incident.importing.model import ReportRow
from chengnao.incident.importing.reading import Reading, read_file

HEADER = ["工单号", "诉求内容", "地址", "来电时间", "经度", "纬度"]
NOW = datetime(2026, 11, 25, tzinfo=UTC)
WORDS = st.text(st.characters(codec="gb18030", exclude_categories=["C", "Z"]), min_size=2, max_size=20).filter(
    lambda text: any(character.isalpha() for character in text)
)
ROW = st.tuples(
    st.integers(1, 10**9).map(lambda n: f"CQ{n}"),
    st.lists(WORDS, min_size=2, max_size=3).map("\n".join),
    WORDS.map(lambda word: f"民权路, {word}; \"甲\"\t乙"),
    st.integers(631_152_000, 1_793_491_200).map(lambda s: datetime.fromtimestamp(s, UTC).replace(tzinfo=None)),
    st.floats(105.3, 110.1).map(lambda value: round(value, 6)),
    st.floats(28.2, 32.2).map(lambda value: round(value, 6)),
)  # fmt: skip
Rows = list[tuple[str, str, str, datetime, float, float]]


def as_csv(rows: Rows, encoding: str, delimiter: str) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(HEADER)
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def as_workbook(rows: Rows) -> bytes:
    book = openpyxl.Workbook()
    assert isinstance(book.active, Worksheet)
    for row in [HEADER, *rows]:
        book.active.append(row)
        for cell in book.active[book.active.max_row]:
            if cell.data_type == "f":
                cell.data_type = "s"  # a text that begins like a formula
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def as_json_lines(rows: Rows) -> bytes:
    return "\n".join(json.dumps(dict(zip(HEADER, row, strict=True)), default=str) for row in rows).encode()


FORMS: dict[str, Callable[[Rows], bytes]] = {
    "utf-8": lambda rows: as_csv(rows, "utf-8", ","),
    "utf-8 with a mark": lambda rows: as_csv(rows, "utf-8-sig", ";"),
    "gb18030": lambda rows: as_csv(rows, "gb18030", ","),
    "utf-16": lambda rows: as_csv(rows, "utf-16", "\t"),
    "xlsx": as_workbook,
    "json lines": as_json_lines,
}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_rows_come_back_as_they_were(form: str, rows: Rows) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(FORMS[form](rows))
        file.flush()
        read = list(read_file(Path(file.name), "a", Reading(NOW)).rows)
    assert len(read) == len(rows)
    for given_row, row in zip(rows, read, strict=True):
        assert isinstance(row, ReportRow), row
        number, content, address, at, lon, lat = given_row
        assert (row.external_id, row.content.replace("\r\n", "\n"), row.address) == (number, content, address)
        assert row.created_at is not None
        assert row.created_at.timestamp() == at.replace(tzinfo=UTC).timestamp() - 8 * 3600
        assert row.place is not None
        assert (row.place.lon, row.place.lat) == (lon, lat)
