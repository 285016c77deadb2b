"""Times in what people say, counted from when it was received."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.incident.classification.times import times_in
from chengnao.kernel.clock import CST

AT = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)  # Wednesday, 14:00 in Chongqing


def local(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=CST)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("昨天晚上8点水管爆了", local(11, 24, 20)),
        ("今天凌晨两点还在施工", local(11, 25, 2)),
        ("昨天夜里两点多还在吵", local(11, 24, 2)),
        ("11月20号到22号一直停电", local(11, 20)),
        ("上周五下午三点断水", local(11, 20, 15)),
        ("2026-11-23 18:30 打过电话", local(11, 23, 18, 30)),
        ("已经三天没水了", local(11, 22, 14)),
        ("刚才有人掉进江里", local(11, 25, 13)),
    ],
)
def test_the_beginning(text: str, start: datetime) -> None:
    assert times_in(text, AT)[0].start == start


@pytest.mark.parametrize(
    "text",
    [
        "解放碑民权路28号门口",
        "1号楼3单元1503",
        "电话 10012345678",
        "坐871路要等好久",
        "三天两头停水",
        "晚上太吵",
        "一点都不好",
        "路灯坏了",
        "",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert times_in(text, AT) == ()


def test_a_habit_comes_back() -> None:
    (found,) = times_in("每天凌晨一点多放音响", AT)
    assert found.recurring


def test_several_in_the_order_of_the_text() -> None:
    found = times_in("前天报修，昨天来人看了，今天上午十点又坏了", AT)
    assert [each.words for each in found] == ["前天", "昨天", "今天上午十点"]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="昨前今明天上下周五月日号点半多年一二三十0123456789从到了每个的是路楼", max_size=30))
def test_no_text_is_too_strange(text: str) -> None:
    for found in times_in(text, AT):
        if found.start and found.end:
            assert found.start.tzinfo is not None
            assert found.end - found.start > -timedelta(days=800)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    times_in("每天凌晨一点多，昨天也是", AT)
    assert capfd.readouterr() == ("", "")
