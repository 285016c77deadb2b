"""Which unit the responsibilities choose: by nearness, hours, season, load and roster."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.incident.dispatch.model import (
    ANY,
    Responsibility,
    Standing,
    check_bounds,
    choose,
    require_return_reason,
    return_reasons,
)
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid

NOON = datetime(2026, 7, 15, 12, 0, tzinfo=CST)
NIGHT = datetime(2026, 1, 15, 23, 30, tzinfo=CST)


def row(unit: str, *, hours: str = "", months: str = "", deputy: str | None = None, division: str = "500103",
        category: str = "noise") -> Responsibility:  # fmt: skip
    return Responsibility(division, category, unit, deputy, hours, months)


def chosen(
    rows: list[Responsibility], at: datetime = NOON, returned: dict[str, str] | None = None, **units: Standing
) -> tuple[str, str] | None:
    names = {each for one in rows for each in (one.unit_id, one.deputy_unit_id) if each}
    standing = {name: units.get(name, Standing(name)) for name in names}
    choice = choose(rows, standing, at, "渝中区“噪声扰民”", returned or {})
    return None if choice is None else (choice.unit_id, "；".join(choice.reasons))


def test_the_first_division_decides_and_a_bounded_row_goes_before_an_unbounded() -> None:
    rows = [row("day"), row("night", hours="22:00-06:00"), row("city", division="500000")]
    assert chosen(rows, NOON) == ("day", "责任清单：渝中区“噪声扰民”由day负责")
    assert chosen(rows, NIGHT) == ("night", "责任清单：渝中区“噪声扰民”（22:00-06:00 时段）由night负责")
    assert chosen([row("summer", months="6-9"), row("city", division="500000")], NIGHT) == (
        "city",
        "责任清单：渝中区“噪声扰民”由city负责",
    )
    assert chosen([row("winter", months="11-2")], NIGHT) is not None
    assert chosen([row("winter", months="11-2")], NOON) is None
    assert chosen([]) is None


@pytest.mark.parametrize(
    ("unit", "deputy", "expected", "says"),
    [
        (Standing("u", 5, 5), Standing("d"), "d", "在办 5 件，已满，由替补d承办"),
        (Standing("u", 5, 5), Standing("d", 9, 9), "u", "替补d在办 9 件，已满，仍派u"),
        (Standing("u", keeps_roster=True), Standing("d"), "d", "当前无人值班，由替补d承办"),
        (Standing("u", keeps_roster=True, on_duty=("张三",)), Standing("d"), "u", "当班：张三"),
        (Standing("u", 4, 5), Standing("d"), "u", "由u负责"),
        (Standing("u", 9, 5), None, "u", "已满，无替补"),
        (Standing("u", keeps_roster=True), None, "u", "当前无人值班，无替补"),
    ],
)
def test_a_deputy_stands_in(unit: Standing, deputy: Standing | None, expected: str, says: str) -> None:
    others = {"d": deputy} if deputy else {}
    found = chosen([row("u", deputy="d" if deputy else None)], NOON, None, u=unit, **others)
    assert found is not None
    assert found[0] == expected
    assert says in found[1]


@pytest.mark.parametrize(
    ("deputy", "returned", "expected", "says"),
    [
        ("d", {"u": "非本单位职责"}, "d", "u已退回本件（非本单位职责），由替补d承办"),
        ("d", {"u": "非本单位职责", "d": "不在辖区"}, "u", "替补d已退回本件（不在辖区），仍派u"),
        (None, {"u": "非本单位职责"}, "u", "u已退回本件（非本单位职责），无替补"),
        ("d", {"d": "不在辖区"}, "u", "由u负责"),
    ],
)
def test_a_unit_that_gave_the_incident_back_is_passed_over(
    deputy: str | None, returned: dict[str, str], expected: str, says: str
) -> None:
    found = chosen([row("u", deputy=deputy)], NOON, returned)
    assert found is not None
    assert found[0] == expected
    assert says in found[1]


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_hours_and_their_complement_share_the_day(begin: int, end: int, minute: int) -> None:
    if begin == end:
        return
    one, other = (f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in ((begin, end), (end, begin)))
    check_bounds(one, "")
    at = NOON.replace(hour=0) + timedelta(minutes=minute)
    assert row("u", hours=one).in_force(at.astimezone(UTC)) is not row("u", hours=other).in_force(at)


@pytest.mark.parametrize(
    ("hours", "months", "field"),
    [
        ("8-18", "", "hours"),
        ("24:00-06:00", "", "hours"),
        ("", "0-3", "months"),
        ("", "6-13", "months"),
        ("", "x", "months"),
    ],
)  # fmt: skip
def test_bounds_that_are_none_are_named(hours: str, months: str, field: str) -> None:
    with pytest.raises(Invalid) as error:
        check_bounds(hours, months)
    assert error.value.params["field"] == field


def test_reasons_for_a_return_come_from_the_list() -> None:
    assert require_return_reason("territory").wrong_unit
    assert not return_reasons()["unclear"].wrong_unit
    with pytest.raises(Invalid, match="territory"):
        require_return_reason("because")


def test_a_row_for_all_categories_is_a_row_like_others() -> None:
    assert chosen([row("centre", category=ANY)]) is not None
