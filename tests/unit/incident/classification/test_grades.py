"""The grade by written rules: what happened counts, what is denied or feared does not, and the reason is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chengnao.incident.catalogue import categories, category
from chengnao.incident.classification.grades import grade_of, grade_rules


@pytest.mark.parametrize(
    ("text", "code", "grade"),
    [
        ("骑车的人在没盖的井口摔伤了", "manhole", 1),
        ("路灯杆倒下来，砸伤一位老人", "street_light", 1),
        ("电梯停在半空，有人被困", "lift_fault", 1),
        ("楼道里闻到很浓的燃气味", "property_service", 1),
        ("堡坎垮塌了，石头滚到院坝", "retaining_wall", 1),
        ("有人踩到积水触电了", "waterlogging", 1),
        ("井盖破了，旁边就是幼儿园", "manhole", 2),
        ("树倒了，道路中断", "fallen_tree", 2),
        ("停水三天，家里有病人做透析", "water_outage", 2),
        ("There is a gas leak in our hall", "odor", 1),
        ("台阶一直没人修摔伤了人", "steps", 1),
        ("可能是线路短路起火了", "power_facility", 1),
        ("墙倒下来导致一人骨折", "retaining_wall", 1),
    ],
)
def test_a_rule_makes_it_graver_and_says_why(text: str, code: str, grade: int) -> None:
    found, reasons = grade_of(text, category(code))
    assert found == grade
    assert len(reasons) == 2
    assert str(grade) in reasons[1].zh
    assert str(grade) in reasons[1].en


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("路灯杆倒了，没有人受伤", "street_light"),
        ("幸好没人受伤", "manhole"),
        ("未造成人员受伤", "road_damage"),
        ("电梯坏了，里面没有人被困", "lift_fault"),
        ("没有闻到燃气味，只是打不燃火", "gas_supply"),
        ("电箱门开着，怕触电", "power_facility"),
        ("堡坎有垮塌风险", "retaining_wall"),
        ("差点砸伤人", "manhole"),
        ("容易引起火灾", "ebike_charging"),
        ("存在火灾隐患", "fire_hazard"),
        ("nobody was injured", "street_light"),
        ("单位不认工伤，去年受伤到现在没赔", "labour_dispute"),
    ],
)
def test_what_is_denied_feared_or_another_matter_keeps_the_default(text: str, code: str) -> None:
    found, reasons = grade_of(text, category(code))
    assert found == category(code).grade
    assert len(reasons) == 1


def test_a_denial_ends_with_its_clause() -> None:
    assert grade_of("没有人管，老人摔伤了", category("steps"))[0] == 1


def test_steps_up_do_not_add_up() -> None:
    text = "井盖没了，左边是小学，右边是医院，车辆无法通行"
    assert grade_of(text, category("manhole"))[0] == 2


def test_an_unknown_category_begins_at_the_lowest_grade_but_danger_still_counts() -> None:
    assert grade_of("请问怎么办", None)[0] == 4
    assert grade_of("起火了快来人", None)[0] == 1


@given(st.text(max_size=200), st.sampled_from(sorted(categories())))
def test_never_milder_than_the_category_and_always_with_a_reason(text: str, code: str) -> None:
    grade, reasons = grade_of(text, category(code))
    assert 1 <= grade <= category(code).grade
    assert reasons


def test_every_exception_and_source_exists() -> None:
    sources = {each.source for each in categories().values()}
    for rule in grade_rules():
        assert rule.excepted <= set(categories())
        assert all(any(source.startswith(prefix) for source in sources) for prefix in rule.sources)
