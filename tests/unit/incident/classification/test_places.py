"""Divisions, roads and house numbers in what people say."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.incident.classification.cli import packaged_divisions
from chengnao.incident.classification.model import clear_place
from chengnao.incident.classification.places import Gazetteer, divisions_in, roads_in
from chengnao.kernel.organisation.model import Division
from chengnao.kernel.vocabulary import Tier

CHONGQING = Gazetteer.of(packaged_divisions())


def division(code: str, name: str, tier: Tier, parent: str | None, kind: str = "", **more: object) -> Division:
    values = {
        "valid_from": date(2000, 1, 1),
        "valid_to": None,
        "successor_codes": (),
        "label_lon": None,
        "label_lat": None,
        "zone": "",
    }
    return Division(code=code, name=name, tier=tier, kind=kind, parent_code=parent, **(values | more))  # type: ignore[arg-type]


def first(text: str) -> str | None:
    found = divisions_in(text, CHONGQING)
    return found[0].full_name if found else None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("渝中区解放碑街道民权路的井盖坏了", "渝中区解放碑街道"),
        ("解放碑这边井盖坏了", "渝中区解放碑街道"),
        ("观音桥建新北路一直在挖", "两江新区观音桥街道"),
        ("南岸区的路灯不亮", "南岸区"),
        ("住在万州，家里停水", "万州区"),
        ("渝中区南坪西路的水果摊", "渝中区"),
        ("沙坪坝这边堵车", "沙坪坝区"),
        ("沙坪坝区沙坪坝街道堵车", "沙坪坝区沙坪坝街道"),
        ("路灯坏了没人修", None),
        ("祝大家健康长寿", None),
        ("太平盛世，人和政通", None),
    ],
)
def test_the_division_that_is_named(text: str, name: str | None) -> None:
    assert first(text) == name


def test_a_name_of_two_districts_leaves_a_choice() -> None:
    found = divisions_in("人和街道的路灯坏了", CHONGQING)
    assert {each.full_name for each in found} == {"两江新区人和街道", "云阳县人和街道"}
    assert clear_place(found) is None


def test_the_district_settles_it() -> None:
    assert clear_place(divisions_in("云阳县人和街道的路灯坏了", CHONGQING)) == first_code("云阳县人和街道")


def first_code(name: str) -> str:
    return divisions_in(name, CHONGQING)[0].code


def test_a_division_that_was_replaced_stands_for_those_that_replaced_it() -> None:
    assert first("江北区有人占道经营") == "两江新区"
    assert {each.name for each in divisions_in("渝北区有人占道经营", CHONGQING)} == {"两江新区", "北碚区"}


def test_street_before_town_of_the_same_name() -> None:
    gazetteer = Gazetteer.of(
        [
            division("500000", "重庆市", Tier.CITY, None),
            division("500108", "南岸区", Tier.DISTRICT, "500000"),
            division("500108003", "南坪街道", Tier.STREET, "500108", "街道"),
            division("500108100", "南坪镇", Tier.STREET, "500108", "镇"),
        ]
    )
    found = divisions_in("南坪步行街噪音大", gazetteer)
    assert [each.name for each in found] == ["南坪街道", "南坪镇"]
    assert clear_place(found) == "500108003"


@pytest.mark.parametrize(
    ("text", "roads"),
    [
        ("在解放碑民权路28号门口", [("民权路", "28号")]),
        ("南坪西路的井盖", [("南坪西路", "")]),
        ("人和大道15-3号附2号", [("人和大道", "15-3号附2号")]),
        ("大学城南路太黑", [("大学城南路", "")]),
        ("金竹苑3栋停电", [("金竹苑", "3栋")]),
        ("我们小区门口那条马路烂了，人行道也是", []),
        ("老板跑路了，走路都不安全，公路边边", []),
        ("老旧小区改造", []),
    ],
)
def test_roads_and_numbers(text: str, roads: list[tuple[str, str]]) -> None:
    assert [(road.name, road.number) for road in roads_in(text, CHONGQING)] == roads


@settings(max_examples=200)
@given(st.text(alphabet="渝中区解放碑街道民权路号人和大南坪西在的0123456789，", max_size=40))
def test_whatever_is_said_the_answer_is_ordered_and_from_the_text(text: str) -> None:
    found = divisions_in(text, CHONGQING)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert all(each.words in text for each in found)
    assert all(road.name in text for road in roads_in(text, CHONGQING))


def test_without_divisions_nothing_is_found() -> None:
    assert divisions_in("渝中区", Gazetteer.of([])) == ()
