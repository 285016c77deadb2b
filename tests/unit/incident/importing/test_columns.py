import pytest

from chengnao.incident.importing.columns import (
    Columns,
    category_of,
    channel_of,
    field_of,
    fields,
    find_header,
    require_columns,
    status_of,
)
from chengnao.incident.importing.model import Status
from chengnao.kernel.errors import Invalid


def test_every_name_means_its_own_field() -> None:
    for each in fields().values():
        for rank, name in enumerate(each.names):
            assert field_of(name) == (each.field, rank)
        assert field_of(each.zh) is not None


@pytest.mark.parametrize(
    "header", ["诉求内容（必填）", "* 诉求内容：", "诉求 内容", "【诉求内容】", "Complaint_Type", "COMPLAINT TYPE"]
)
def test_remarks_case_and_punctuation_do_not_matter(header: str) -> None:
    known = field_of(header)
    # A name that is all bracket stays a name.
    assert known is not None
    assert known[0] == ("category" if header[0].upper() == "C" else "content")


def test_of_two_columns_for_one_field_the_more_telling_is_used_and_the_other_reported() -> None:
    columns = Columns.of(["类型", "内容", "诉求内容", "备注"])
    report = columns.report("表1", 3)
    assert report.columns == {"类型": "category", "诉求内容": "content"}
    assert report.unused == {"内容": "诉求内容"}
    assert report.unknown == ["备注"]


def test_one_header_over_two_columns_joins_words_alone() -> None:
    columns = Columns.of(["地址", "地址", "诉求内容", "来电时间", "来电时间"])
    assert columns.by_field["address"] == [0, 1]
    assert columns.by_field["created"] == [3]
    assert columns.unused == {4: 3}


def test_the_header_is_the_row_that_names_most() -> None:
    rows = [["热线工单"], ["制表时间", "2026"], ["工单号", "内容", "地址"], ["1", "路灯", "民权路"]]
    assert find_header(rows) == 2
    assert find_header([["1", "路灯坏了", "民权路"]]) is None


def test_a_missing_column_names_what_was_found_what_is_expected_and_what_was_nearly_right() -> None:
    columns = Columns.of(["工单号", "诉求内荣", "地址"])
    with pytest.raises(Invalid) as caught:
        require_columns(columns, "一月", 3)
    text = caught.value.text("zh")
    assert "“一月”第 3 行" in text
    assert "工单号、诉求内荣、地址" in text
    assert "“诉求内荣”是否应为“诉求内容”" in text
    assert "Is '诉求内荣' meant to be '诉求内容'?" in caught.value.text("en")


def test_words_of_states_and_channels() -> None:
    assert status_of("Closed (Duplicate)") is Status.DUPLICATE
    assert status_of("已办结") is Status.CLOSED
    assert status_of("不予受理") is Status.DISMISSED
    assert status_of("月球") is None
    assert channel_of("12345热线") == "hotline"
    assert channel_of("网格员") == "patrol"


def test_a_category_by_code_name_or_the_end_of_a_path() -> None:
    assert category_of("street_light") == category_of("路灯故障") == category_of("公用设施/路灯故障") == "street_light"
    assert category_of("SW-Rat Rubout") is None
