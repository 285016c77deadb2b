"""Weeks, and the page that a letter becomes."""

from datetime import UTC, datetime, timedelta

import pytest

from chengnao.incident.duty_measures import LetterCase, Part
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.supervision.duty.model import duty_rules, lasting
from chengnao.supervision.letters.model import PARTS, Letter, read_week
from chengnao.supervision.letters.printed import page

NOW = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


def test_a_week_begins_on_monday_in_chongqing() -> None:
    since, until = datetime(2026, 11, 23, tzinfo=CST), datetime(2026, 11, 30, tzinfo=CST)
    assert read_week(None, NOW) == read_week("2026-W48", NOW) == ("2026-W48", since, until)
    # 00:30 on Monday in Chongqing is still Sunday in UTC.
    assert read_week(None, datetime(2026, 11, 29, 16, 30, tzinfo=UTC))[0] == "2026-W49"
    # The last days of a year may belong to the first week of the next.
    assert read_week(None, datetime(2025, 12, 30, tzinfo=UTC))[0] == "2026-W01"
    assert read_week("2020-W53", NOW)[1] == datetime(2020, 12, 28, tzinfo=CST)


@pytest.mark.parametrize("text", ["", "2026", "2026-48", "2026-W00", "2026-W54", "2025-W53", "2026-W1", "1999-W01"])
def test_no_week(text: str) -> None:
    with pytest.raises(Invalid) as error:
        read_week(text, NOW)
    assert "2026-W48" in error.value.text("en")


def test_a_week_to_come() -> None:
    with pytest.raises(Invalid, match="has not begun"):
        read_week("2026-W49", NOW)


def letter(unit: str | None, **cases: list[LetterCase]) -> Letter:
    units = {each.unit_id for found in cases.values() for each in found}
    return Letter(
        week="2026-W47",
        since=datetime(2026, 11, 16, tzinfo=CST),
        until=datetime(2026, 11, 23, tzinfo=CST),
        over=True,
        division="渝中区",
        unit=unit,
        units=tuple(
            (name, {part: tuple(each for each in cases.get(part, []) if each.unit_id == name) for part in PARTS})
            for name in sorted(units)
        ),
        answer_by=NOW + timedelta(days=3),
        issued=NOW,
    )


def case(unit: str, number: str, title: str = "路灯不亮", remark: str = "") -> LetterCase:
    return LetterCase(unit, "id", number, title, 3, NOW, NOW + timedelta(hours=1), None, remark)


def test_a_page_lists_the_cases_behind_each_number_and_nothing_from_outside() -> None:
    late = [case("城管局", f"CQ-{number}") for number in range(3)]
    shown = page(letter(None, handle_late=late, overdue=late[:1], urged=[case("住建委", "CQ-9", remark="催办")]))
    assert "2026 年 11 月 16 日至2026 年 11 月 22 日" in shown
    assert "渝中区各有关单位" in shown
    assert "超时 3 件次，周末超期未结 1 件" in shown
    assert "办理超时 3 件" in shown
    assert [shown.count(f"CQ-{number}</td>") for number in (0, 1, 2, 9)] == [2, 1, 1, 1]
    assert "2026 年 11 月 28 日前书面反馈" in shown
    assert not any(outside in shown for outside in ("http", "src=", "url(", "@import", "<script"))


def test_what_people_wrote_is_no_markup() -> None:
    evil = "<script>alert('$sender')</script>&"
    shown = page(letter(evil, returned=[case(evil, evil, evil, evil)]))
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") >= 5


def test_a_quiet_week_is_told_too() -> None:
    assert "没有派发、到期、退单或催办的事项" in page(letter("城管局"))


def test_every_number_and_grade_has_its_rule() -> None:
    assert set(PARTS) == set(Part)
    rules = duty_rules()
    assert set(rules.answer_within) == {1, 2, 3, 4}


def test_lengths_of_time_in_words() -> None:
    shown = [lasting(timedelta(minutes=each)) for each in (-5, 3, 61, 60 * 25 + 10)]
    assert shown == ["0 分钟", "3 分钟", "1 小时 1 分钟", "1 天 1 小时"]
