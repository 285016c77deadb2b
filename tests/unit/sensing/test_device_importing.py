"""Files of devices: headers, cells, and what is wrong with them."""

import io
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import Division
from chengnao.kernel.vocabulary import Tier
from chengnao.sensing.devices.importing.model import CellError, Header, Row, Wanted
from chengnao.sensing.devices.importing.reading import read_rows
from chengnao.sensing.devices.importing.rows import Known, RowReader
from chengnao.sensing.devices.importing.service import error_texts, template_csv, template_workbook
from chengnao.sensing.devices.model import Life, Protocol

HEAD = ["设备编号", "设备名称", "设备类型", "区划代码", "负责单位", "接入协议", "协议地址", "经度", "纬度", "状态"]
GOOD = ["WP-1", "解放碑压力站", "供水压力站", "500103", "", "HJ212", "MN1", "106.5", "29.5", "在用"]


def division(code: str, name: str) -> Division:
    return Division(code, name, Tier.DISTRICT, "", "", None, date(2000, 1, 1), None, (), None, None)


def reader(scope: Scope | None = None, crs: str = "wgs84") -> RowReader:
    divisions = [division("500103", "渝中区"), division("500108", "南岸区"), division("500109", "北碚区")]
    return RowReader(Known.of(divisions, {"water": "供水公司"}, scope or Scope(), crs, date(2026, 11, 25)))


def csv_file(folder: Path, *rows: list[str], coding: str = "utf-8") -> Path:
    path = folder / "devices.csv"
    path.write_bytes("\r\n".join(",".join(row) for row in rows).encode(coding))
    return path


def read(folder: Path, *rows: list[str], scope: Scope | None = None) -> list[Wanted | list[CellError]]:
    own = reader(scope)
    return [own.read(header, row) for header, row in read_rows(csv_file(folder, HEAD, *rows))]


def test_a_good_row(tmp_path: Path) -> None:
    [found] = read(tmp_path, GOOD)
    assert isinstance(found, Wanted)
    assert found.values == {
        "id": "WP-1",
        "name": "解放碑压力站",
        "class_code": "water_pressure",
        "division_code": "500103",
        "protocol": Protocol.HJ212,
        "address": "MN1",
        "lon": 106.5,
        "lat": 29.5,
        "place_ok": True,
        "life": Life.IN_SERVICE,
    }


@pytest.mark.parametrize(
    ("place", "text", "code", "cell"),
    [
        (0, "a b", "invalid_value", "A2"),
        (1, "", "device_import_empty", "B2"),
        (2, "烤面包机", "device_import_class", "C2"),
        (3, "509999", "device_import_division", "D2"),
        (3, "巴黎", "device_import_division", "D2"),
        (4, "没有的单位", "device_import_unit", "E2"),
        (5, "telex", "device_import_protocol", "F2"),
        (6, "x" * 65, "device_import_long", "G2"),
        (7, "东边", "device_import_coordinate", "H2"),
        (7, "", "device_import_coordinate", "H2"),
        (8, "99", "device_import_coordinate", "I2"),
        (9, "睡觉", "device_import_life", "J2"),
    ],
)
def test_each_wrong_cell_is_named(tmp_path: Path, place: int, text: str, code: str, cell: str) -> None:
    wrong = list(GOOD)
    wrong[place] = text
    [errors] = read(tmp_path, wrong)
    assert isinstance(errors, list)
    assert [(error.code, error.cell, error.column) for error in errors] == [(code, cell, HEAD[place])]
    zh, en = error_texts(errors[0])
    assert "?" not in zh.replace("？", "")
    assert en


def test_all_errors_of_a_row_are_told_at_once(tmp_path: Path) -> None:
    [errors] = read(tmp_path, ["", "", "x", "y", "", "", "", "", "", ""])
    assert isinstance(errors, list)
    assert sorted(error.cell for error in errors) == ["A2", "B2", "C2", "D2"]


def test_a_row_outside_the_importers_division(tmp_path: Path) -> None:
    [errors] = read(tmp_path, GOOD, scope=Scope("500108"))
    assert isinstance(errors, list)
    assert errors[0].code == "device_import_foreign"


def test_names_stand_for_divisions_and_units_and_other_systems_are_converted(tmp_path: Path) -> None:
    named = [*GOOD[:3], "渝中区", "供水公司", *GOOD[5:]]
    rows = list(read_rows(csv_file(tmp_path, HEAD, named, coding="gb18030")))
    found = reader(crs="gcj02").read(*rows[0])
    assert isinstance(found, Wanted)
    assert (found.values["division_code"], found.values["unit_id"]) == ("500103", "water")
    assert 0.001 < abs(found.values["lon"] - 106.5) < 0.01


def test_a_title_above_the_header_and_a_broken_line(tmp_path: Path) -> None:
    rows = list(read_rows(csv_file(tmp_path, ["全市设备台账"], [], HEAD, GOOD, ['"open', "x"], GOOD)))
    assert [row.number for _, row in rows] == [4, 5, 6]
    broken = reader().read(*rows[1])
    assert isinstance(broken, list)
    assert broken[0].code == "import_quote_broken"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "import_file_empty"),
        ([["a", "b"], ["1", "2"]], "device_import_header"),
        ([["设备编号", "经度", "纬度"], ["1", "2", "3"]], "device_import_columns"),
    ],
)
def test_a_file_without_a_header(tmp_path: Path, rows: list[list[str]], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        list(read_rows(csv_file(tmp_path, *rows)))
    assert caught.value.code == code


@pytest.mark.parametrize("content", [b"%PDF-1.7", b"<html>", b"PK\x03\x04 no zip"])
def test_what_is_no_table(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "devices.xlsx"
    path.write_bytes(content)
    with pytest.raises(Invalid):
        list(read_rows(path))


def test_the_template_is_itself_a_file_that_can_be_taken_in(tmp_path: Path) -> None:
    for name, content in (("t.xlsx", template_workbook()), ("t.csv", template_csv())):
        path = tmp_path / name
        path.write_bytes(content)
        [(header, row)] = list(read_rows(path))
        assert not header.unknown
        assert isinstance(reader().read(header, row), Wanted)
    sheets = openpyxl.load_workbook(io.BytesIO(template_workbook())).sheetnames
    assert sheets == ["设备", "说明"]


def test_cells_beyond_z_are_named_as_a_spreadsheet_does() -> None:
    header = Header({"name": ("名称", 27), "id": ("编号", 0)}, ())
    assert (header.cell("name", 7), header.cell("id", 7), header.cell("lon", 7)) == ("AB7", "A7", "")


def test_any_texts_give_a_row_or_errors() -> None:
    names: dict[str, Any] = {
        name: (name, place) for place, name in enumerate(("id", "name", "lon", "lat", "interval_seconds"))
    }
    for text in ("", "\x00", "1e999", "NaN", "９９", "-", "𝟙", "a" * 5000):
        assert reader().read(Header(names, ()), Row("", 2, dict.fromkeys(names, text)))
