import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from chengnao.incident.importing.model import BadRow, Odd, ReportRow
from chengnao.incident.importing.reading import Book, Reading, read_file
from chengnao.kernel.errors import Invalid
from chengnao.kernel.tabular import workbook

HOW = Reading(datetime(2026, 11, 25, 4, 0, tzinfo=UTC))
HEADER = ["工单号", "诉求内容", "类别", "区县", "来电时间", "办结时间", "经度", "纬度", "联系电话", "备注"]


def sheet_of(title: str = "十月") -> tuple[openpyxl.Workbook, Worksheet]:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.title = title
    return book, sheet


def saved(book: openpyxl.Workbook, folder: Path) -> Path:
    path = folder / "台账.xlsx"
    book.save(path)
    return path


def read(path: Path) -> tuple[Book, list[ReportRow], list[BadRow]]:
    book = read_file(path, path.name, HOW)
    rows = list(book.rows)
    good = [row for row in rows if isinstance(row, ReportRow)]
    return book, good, [row for row in rows if isinstance(row, BadRow)]


def case(number: int, **changes: Any) -> list[Any]:
    row: dict[str, Any] = {
        "工单号": f"CQ{number:06d}",
        "诉求内容": f"解放碑第 {number} 号路灯不亮",
        "类别": "路灯故障",
        "区县": None,
        # Dates in all the ways in which people have them: cells of dates, serial numbers, texts.
        "来电时间": [datetime.fromisoformat("2026-10-01T08:30"), 46296.375, "2026年10月2日 9时", "2026/10/3 10:05"][
            number % 4
        ],
        "办结时间": "2026-11-01 12:00",
        "经度": 106.57 + number % 100 / 10_000,
        "纬度": str(29.55 + number % 100 / 10_000),
        "联系电话": 13800000000 + number,
        "备注": "",
    }
    return [*(row | changes).values()]


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"诉求内容": "", "类别": ""}, "诉求内容", "import_content_missing"),
    ({"诉求内容": " \n ", "类别": "无"}, "诉求内容", "import_content_missing"),
    ({"来电时间": "上周三"}, "来电时间", "import_date_invalid"),
    ({"来电时间": "2026-13-01"}, "来电时间", "import_date_invalid"),
    ({"来电时间": 9999999}, "来电时间", "import_date_invalid"),
    ({"来电时间": "03/04/2026"}, "来电时间", "import_date_ambiguous"),
    ({"办结时间": "1900-01-00"}, "办结时间", "import_date_invalid"),
    ({"办结时间": "1899-12-31"}, "办结时间", "import_date_out_of_range"),
    ({"经度": "东边"}, "经度", "import_number_invalid"),
    ({"纬度": "29.5.5"}, "纬度", "import_number_invalid"),
    ({"经度": 1065.7}, "经度", "import_place_invalid"),
    ({"诉求内容": "乱\ufffd\ufffd码"}, "诉求内容", "import_text_damaged"),
    ({"诉求内容": "长" * 12_000}, "诉求内容", "import_text_too_long"),
]


def test_a_broken_workbook_of_10000_rows_names_each_of_its_37_bad_rows(tmp_path: Path) -> None:
    book, sheet = sheet_of()
    sheet["A1"] = "渝中区 12345 热线工单台账"
    sheet.merge_cells("A1:J1")
    sheet["A2"], sheet["C2"] = "制表单位：某中心", "2026年10月"
    # The header is in row 4, and two of its cells are merged with the row above.
    sheet.append([])
    for column, name in enumerate(HEADER, start=1):
        sheet.cell(4, column, name)
    sheet["A3"], sheet["A4"] = "工单号", None
    sheet.merge_cells("A3:A4")
    bad_rows = {5 + 269 * index: BAD[index % len(BAD)] for index in range(37)}
    for row in range(5, 10_005):
        changes = bad_rows[row][0] if row in bad_rows else {}
        sheet.append(case(row, **changes))
    # One district stands for the ten rows that its merged cell covers.
    for top in range(5, 10_005, 10):
        sheet.cell(top, 4, "渝中区")
        sheet.merge_cells(start_row=top, end_row=top + 9, start_column=4, end_column=4)
    sheet.row_dimensions[100].hidden = True
    sheet.insert_rows(10_005)
    path = saved(book, tmp_path)

    began = time.monotonic()
    found, good, bad = read(path)
    took = time.monotonic() - began

    named = {row.spot.row: [(each.column, each.code) for each in row.errors] for row in bad}
    assert named == {row: [(column, code)] for row, (_, column, code) in bad_rows.items()}
    assert all(row.spot.sheet == "十月" and row.spot.file == "台账.xlsx" for row in bad)
    assert {row.spot.row for row in good} == set(range(5, 10_005)) - set(bad_rows)
    assert {row.district for row in good} == {"渝中区"}
    assert {row.odd for row in good} == {()}
    by_row = {row.spot.row: row for row in good}
    assert by_row[100].phone == "13800000100"
    assert [by_row[row].created_at for row in (8, 9, 10, 11)] == [
        datetime(2026, 10, 1, 0, 30, tzinfo=UTC),
        datetime(2026, 10, 1, 1, 0, tzinfo=UTC),
        datetime(2026, 10, 2, 1, 0, tzinfo=UTC),
        datetime(2026, 10, 3, 2, 5, tzinfo=UTC),
    ]
    assert found.sheets[0].header_row == 4
    assert found.sheets[0].unknown == ["备注"]
    assert found.historic
    assert took < 10


def test_gbk_text_in_a_csv_with_semicolons_and_37_bad_rows(tmp_path: Path) -> None:
    header = [*HEADER[:-1], "备注;说明"]
    bad_rows = {2 + 269 * index: BAD[index % len(BAD)] for index in range(37)}
    # GBK has no sign for a damaged character: there the bytes themselves are damaged.
    lines = [";".join(f'"{each}"' if ";" in each else each for each in header).encode("gbk")]
    for row in range(2, 10_002):
        cells = case(row, **(bad_rows[row][0] if row in bad_rows else {}))
        text = ";".join("" if each is None else str(each).strip() for each in cells)
        lines.append(b"\xff".join(part.encode("gb18030") for part in text.split("\ufffd")))
    path = tmp_path / "台账.csv"
    path.write_bytes(b"\r\n".join(lines))

    _, good, bad = read(path)
    named = {row.spot.row: [(each.column, each.code) for each in row.errors] for row in bad}
    assert named == {row: [(column, code)] for row, (_, column, code) in bad_rows.items()}
    assert len(good) == 9963
    assert good[0].content == "解放碑第 3 号路灯不亮"


def test_a_header_without_the_content_is_refused_with_what_was_found(tmp_path: Path) -> None:
    book, sheet = sheet_of()
    sheet.append(["台账"])
    sheet.append(["工单号", "诉求内荣", "来电时间"])
    sheet.append(["1", "路灯", "2026-10-01"])
    with pytest.raises(Invalid) as caught:
        read(saved(book, tmp_path))
    assert caught.value.code == "import_column_missing"
    text = caught.value.text("zh")
    assert "表“十月”第 2 行" in text
    assert "工单号、诉求内荣、来电时间" in text
    assert "是否应为“诉求内容”" in text


def test_no_header_at_all_is_refused_with_the_first_row(tmp_path: Path) -> None:
    book, sheet = sheet_of()
    sheet.append(["1", "路灯不亮", "2026-10-01"])
    with pytest.raises(Invalid) as caught:
        read(saved(book, tmp_path))
    assert caught.value.code == "import_header_missing"
    assert "1、路灯不亮、2026-10-01" in caught.value.text("zh")


def test_each_sheet_has_its_own_header_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    book, sheet = sheet_of("渝中")
    for row in (["诉求内容"], ["路灯不亮"]):
        sheet.append(row)
    other = book.create_sheet("南岸")
    for row in (["", "", ""], ["", "问题描述", "工单号"], ["", "井盖缺失", "7"]):
        other.append(row)
    book.create_sheet("说明").append(["请勿修改"])
    book.create_sheet("空表")
    hidden = book.create_sheet("字典")
    hidden.append(["类别"])
    hidden.append(["路灯"])
    hidden.sheet_state = "hidden"
    found, good, bad = read(saved(book, tmp_path))
    assert [(row.spot.sheet, row.spot.row, row.content) for row in good] == [
        ("渝中", 2, "路灯不亮"),
        ("南岸", 3, "井盖缺失"),
    ]
    assert bad == []
    assert {each.sheet: each.skipped for each in found.sheets} == {
        "渝中": "",
        "南岸": "",
        "说明": "import_header_missing",
        "空表": "empty",
        "字典": "hidden",
    }


def test_a_merged_content_belongs_to_its_first_row_alone(tmp_path: Path) -> None:
    book, sheet = sheet_of()
    rows: list[list[str | None]] = [["诉求内容", "类别"], ["路灯不亮", "路灯故障"], [None, None], ["井盖", None]]
    for row in rows:
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    sheet.merge_cells("B2:B3")
    sheet["C3"] = "x"
    _, good, bad = read(saved(book, tmp_path))
    assert [row.content for row in good] == ["路灯不亮", "井盖"]
    assert [(row.spot.row, row.errors[-1].code) for row in bad] == [(3, "import_content_merged")]


def test_an_old_workbook_written_by_another_program(tmp_path: Path) -> None:
    """Written with xlwt 1.3: a title, the header in row 3, a district merged over three rows, dates and serials."""
    _, good, bad = read(Path(__file__).parent / "data" / "xlwt.xls")
    assert [(row.external_id, row.content, row.district, row.phone) for row in good] == [
        ("A1", "解放碑路灯不亮", "渝中区", "13812345678"),
        ("A2", "井盖缺失", "渝中区", "023-63712345"),
    ]
    assert [row.created_at for row in good] == [
        datetime(2026, 10, 2, 0, 5, tzinfo=UTC),
        datetime(2026, 10, 2, 4, 0, tzinfo=UTC),
    ]
    assert [(row.spot.row, row.errors[0].code) for row in bad] == [(6, "import_content_missing")]


def test_a_number_that_occurs_twice_is_odd_the_second_time(tmp_path: Path) -> None:
    book, sheet = sheet_of()
    rows = [["工单号", "诉求内容"], ["1", "甲"], ["2", "乙"], ["1", "丙"], ["", "丁"], ["", "戊"]]
    for row in rows:
        sheet.append(row)
    _, good, _ = read(saved(book, tmp_path))
    assert [row.content for row in good if Odd.DUPLICATE_ID in row.odd] == ["丙"]


def test_a_cell_in_the_last_corner_is_refused_before_it_takes_the_memory(tmp_path: Path) -> None:
    book, sheet = sheet_of()
    sheet["A1"], sheet["XFD1048576"] = "诉求内容", "x"
    with pytest.raises(Invalid) as caught:
        read(saved(book, tmp_path))
    assert caught.value.code == "import_sheet_spans"
    assert "1048576" in caught.value.text("zh")


def test_a_workbook_that_unpacks_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "UNPACKED_LIMIT", 10 * 2**20)
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/sharedStrings.xml", b"\0" * (20 * 2**20))
    assert path.stat().st_size < 100_000
    with pytest.raises(Invalid) as caught:
        read(path)
    assert caught.value.code == "import_file_unpacks"


JUNK = [
    (b"", "import_file_empty"),
    (b"%PDF-1.7", "import_file_kind"),
    (b"PK\x03\x04" + b"\0" * 100, "import_file_broken"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "import_file_broken"),
    ("<html><table>诉求内容</table>".encode(), "import_file_web_page"),
    (b'[{"content": "a"}]', "import_json_array"),
]


@pytest.mark.parametrize(("data", "code"), JUNK)
def test_what_is_no_table_says_what_it_is(tmp_path: Path, data: bytes, code: str) -> None:
    path = tmp_path / "a.xls"
    path.write_bytes(data)
    with pytest.raises(Invalid) as caught:
        read(path)
    assert caught.value.code == code
