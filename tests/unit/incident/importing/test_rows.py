from datetime import UTC, datetime
from typing import Any

import pytest

from chengnao.incident.importing.columns import Columns
from chengnao.incident.importing.model import BadRow, Crs, Mode, Odd, ReportRow, Spot, Status
from chengnao.incident.importing.rows import RawRow, RowParser
from chengnao.kernel.places import Gcj02Place, Place

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


def parse(crs: Crs = Crs.WGS84, mode: Mode = Mode.AUTO, covered: Any = None, **cells: str) -> ReportRow | BadRow:
    parser = RowParser(Columns.of(list(cells)), NOW, crs, mode)
    return parser.parse(RawRow(Spot("f.csv", "", 7), list(cells.values()), covered or {}))


def good(**cells: Any) -> ReportRow:
    row = parse(**cells)
    assert isinstance(row, ReportRow), row
    return row


def bad(**cells: Any) -> list[tuple[str, str, str]]:
    row = parse(**cells)
    assert isinstance(row, BadRow), row
    assert "f.csv" in row.errors[0].to_dict().values()
    return [(each.code, each.column, each.value) for each in row.errors]


def test_a_whole_row_is_understood() -> None:
    row = good(
        工单号="CQ1", 诉求内容="解放碑路灯不亮", 类别="路灯故障", 来源="12345",
        来电时间="2026-11-20 09:00", 办结时间="2026-11-21 09:00", 截止时间="2026-11-22",
        状态="已办结", 地址="民权路 1 号", 经度="106.5735", 纬度="29.5568",
        姓名="张三", 联系电话="13812345678",
        承办单位="城管局", 办理结果="已修复",
    )  # fmt: skip
    assert (row.external_id, row.category, row.channel, row.status) == ("CQ1", "street_light", "hotline", Status.CLOSED)
    assert row.created_at == datetime(2026, 11, 20, 1, tzinfo=UTC)
    assert row.due_at == datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)
    assert row.division_code == "500103"
    assert (row.name, row.phone, row.unit, row.result) == ("张三", "13812345678", "城管局", "已修复")
    assert row.odd == ()
    assert row.ended


def test_everything_wrong_with_a_row_is_named() -> None:
    assert bad(诉求内容="", 来电时间="昨天", 经度="东边", 纬度="29.5") == [
        ("import_content_missing", "诉求内容", ""),
        ("import_number_invalid", "经度", "东边"),
        ("import_date_invalid", "来电时间", "昨天"),
    ]


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"诉求内容": "a", "经度": "206", "纬度": "29"}, "import_place_invalid"),
        ({"诉求内容": "a", "区划代码": "5001"}, "import_division_code_invalid"),
        ({"诉求内容": "乱\ufffd码"}, "import_text_damaged"),
        ({"诉求内容": "长" * 10_001}, "import_text_too_long"),
        ({"诉求内容": "诉求内容", "类别": "类别"}, "import_row_is_header"),
        ({"诉求内容": "a", "状态": "已办结", "来电时间": "", "办结时间": "2026-11-01"}, "import_created_missing"),
        ({"诉求内容": "a", "状态": "已办结", "来电时间": "2026-11-01", "办结时间": ""}, "import_closed_missing"),
    ],
)
def test_bad_values_stop_the_row(cells: dict[str, str], code: str) -> None:
    assert [each[0] for each in bad(**cells)] == [code]


def test_a_row_under_a_merged_content_says_which_row_holds_it() -> None:
    row = parse(covered={0: 5}, 诉求内容="", 类别="路灯故障")
    assert isinstance(row, BadRow)
    assert "第 5 行合并" in row.errors[0].text("zh")


@pytest.mark.parametrize(
    ("cells", "odd"),
    [
        ({"类别": "路灯故障", "诉求内容": ""}, Odd.NO_CONTENT),
        ({"诉求内容": "a", "类别": ""}, Odd.NO_CATEGORY),
        ({"诉求内容": "a", "来电时间": ""}, Odd.NO_CREATED),
        ({"诉求内容": "a", "类别": "月球"}, Odd.CATEGORY_UNKNOWN),
        ({"诉求内容": "a", "状态": "漂着"}, Odd.STATUS_UNKNOWN),
        ({"诉求内容": "a", "来源": "心电感应"}, Odd.CHANNEL_UNKNOWN),
        ({"诉求内容": "a", "联系电话": "打不通"}, Odd.PHONE_UNREADABLE),
        ({"诉求内容": "a", "经度": "106.5"}, Odd.HALF_PLACE),
        ({"诉求内容": "a", "经度": "29.5568", "纬度": "106.5735"}, Odd.SWAPPED),
        ({"诉求内容": "a", "经度": "-73.9", "纬度": "40.7"}, Odd.OUTSIDE_CHINA),
        ({"诉求内容": "a", "经度": "104.07", "纬度": "30.67"}, Odd.OUTSIDE_CITY),
        ({"诉求内容": "a", "经度": "0", "纬度": "0"}, Odd.NO_PLACE),
        ({"诉求内容": "a", "来电时间": "2027-01-01"}, Odd.FUTURE_DATE),
        ({"诉求内容": "a", "来电时间": "2026-11-02", "办结时间": "2026-11-01"}, Odd.CLOSED_BEFORE_CREATED),
        ({"诉求内容": "a", "来电时间": "2026-11-02", "截止时间": "2026-11-01"}, Odd.DUE_BEFORE_CREATED),
        (
            {"诉求内容": "a", "来电时间": "2026-11-02", "办结时间": "2026-11-03", "状态": "办理中"},
            Odd.OPEN_WITH_CLOSED_DATE,
        ),
    ],
)
def test_oddities_are_flagged_and_stop_nothing(cells: dict[str, str], odd: Odd) -> None:
    assert odd in good(**cells).odd


def test_a_case_closed_on_the_day_it_came_is_not_closed_before_it_came() -> None:
    row = good(诉求内容="a", 来电时间="2026-11-02 15:00", 办结时间="2026-11-02")
    assert row.closed_at == row.created_at
    assert Odd.CLOSED_BEFORE_CREATED not in row.odd


def test_coordinates_of_map_services_are_converted() -> None:
    there = Place(106.5735, 29.5568)
    shifted = Gcj02Place.from_wgs84(there)
    row = good(crs=Crs.GCJ02, 诉求内容="a", 经度=str(shifted.lon), 纬度=str(shifted.lat))
    assert row.place is not None
    assert row.place.distance_m(there) < 1
    assert there.distance_m(Place(shifted.lon, shifted.lat)) > 100


def test_a_finished_case_needs_its_beginning_only_where_times_are_kept() -> None:
    assert isinstance(parse(诉求内容="a", 状态="已办结", mode=Mode.NEW), ReportRow)
    assert isinstance(parse(诉求内容="a", 状态="已办结"), BadRow)


def test_more_cells_than_columns_are_an_error() -> None:
    parser = RowParser(Columns.of(["诉求内容", "地址"]), NOW)
    row = parser.parse(RawRow(Spot("f.csv", "", 2), ["路灯", "不亮", "民权路"], {}))
    assert isinstance(row, BadRow)
    assert row.errors[0].code == "import_cells_too_many"
    assert row.cells == {"诉求内容": "路灯", "地址": "不亮", "#3": "民权路"}
