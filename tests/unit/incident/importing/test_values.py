from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.incident.importing.values import (
    EARLIEST,
    Unreadable,
    parse_degrees,
    parse_moment,
    parse_pair,
)
from chengnao.kernel.clock import CST
from chengnao.kernel.tabular.cells import cell_text


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("2026-11-25 08:30:05", "2026-11-25T08:30:05"),
        ("2026/11/25 8:30", "2026-11-25T08:30:00"),
        ("2026.11.25 8:30", "2026-11-25T08:30:00"),
        ("2026年11月25日8时30分", "2026-11-25T08:30:00"),
        ("2026年11月25日 8点", "2026-11-25T08:00:00"),
        ("２０２６－１１－２５　０８：３０", "2026-11-25T08:30:00"),
        ("2026/11/25 下午 3:05:09", "2026-11-25T15:05:09"),
        ("2026/11/25 上午 12:05", "2026-11-25T00:05:00"),
        ("20261125083005", "2026-11-25T08:30:05"),
        ("46351.35417824074", "2026-11-25T08:30:01"),
        ("2023-12-10T12:00:00.000", "2023-12-10T12:00:00"),
        ("06/23/2016 10:17:56 PM", "2016-06-23T22:17:56"),
        ("06/07/2016 12:17:56 AM", "2016-06-07T00:17:56"),
        ("23/06/2016", "2016-06-23T00:00:00"),
        ("1764030605000", "2025-11-25T08:30:05"),
    ],
)
def test_a_time_without_a_zone_is_chongqings(text: str, local: str) -> None:
    assert parse_moment(text).at == datetime.fromisoformat(local).replace(tzinfo=CST)


@pytest.mark.parametrize("text", ["2026-11-25T00:30:00Z", "2026-11-25T08:30:00+08:00", "2026-11-24 19:30:00-0500"])
def test_a_zone_that_is_given_counts(text: str) -> None:
    assert parse_moment(text).at == datetime(2026, 11, 25, 0, 30, tzinfo=UTC)


def test_a_day_alone_lasts_until_its_last_second() -> None:
    moment = parse_moment("2026-11-25")
    assert moment.day_only
    assert (moment.end - moment.at).total_seconds() == 86399
    assert not parse_moment("2026-11-25 00:00").day_only


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("昨天", "import_date_invalid"),
        ("2026-02-30", "import_date_invalid"),
        ("2026-11-25 25:00", "import_date_invalid"),
        ("2026-11/25", "import_date_invalid"),
        ("0.5", "import_date_invalid"),
        ("03/04/2019", "import_date_ambiguous"),
        ("1900-01-01", "import_date_out_of_range"),
        ("9999-12-31", "import_date_out_of_range"),
        ("253402271999000", "import_date_out_of_range"),
    ],
)
def test_what_is_no_time_says_why(text: str, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_moment(text)
    assert caught.value.code == code


@given(st.datetimes(EARLIEST.replace(tzinfo=None), datetime(2099, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_time_that_is_written_is_read_again(at: datetime) -> None:
    at = at.replace(microsecond=0)
    for text in (
        at.isoformat(),
        at.astimezone(CST).strftime("%Y年%m月%d日 %H时%M分%S秒"),
        str(int(at.timestamp() * 1000)),
    ):
        if text.isdigit() and not 1e11 <= int(text) < 4.2e12:
            continue
        assert parse_moment(text).at == at


@given(st.text())
def test_no_text_does_more_than_be_unreadable(text: str) -> None:
    for parse in (parse_moment, parse_degrees, parse_pair):
        with suppress(Unreadable):
            parse(text)


@pytest.mark.parametrize(
    ("text", "degrees"),
    [
        ("106.5516", 106.5516),
        ("E106.5516", 106.5516),
        ("东经106°33′5.76″", 106.5516),
        ("106度33分", 106.55),
        ("-73.852", -73.852),
        ("73.852W", -73.852),
    ],
)
def test_degrees_in_the_ways_they_are_written(text: str, degrees: float) -> None:
    assert parse_degrees(text) == pytest.approx(degrees)


@pytest.mark.parametrize("text", ["106.55,29.56", "29.56, 106.55", "(106.55；29.56)", "POINT (106.55 29.56)"])
def test_a_pair_in_either_order_is_the_same_place(text: str) -> None:
    assert parse_pair(text) == (106.55, 29.56)


def test_a_cell_reads_as_it_shows() -> None:
    assert [cell_text(each) for each in (13812345678.0, 0.5, True, None, " a\x00\nb ", 5)] == [
        "13812345678", "0.5", "TRUE", "", "a\nb", "5",
    ]  # fmt: skip
