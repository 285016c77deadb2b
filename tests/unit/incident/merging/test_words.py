"""What a report says, read before it is compared."""

import pytest

from chengnao.incident.merging.words import is_chinese, matter_of, named_places, ngrams, shared_name


@pytest.mark.parametrize(
    ("text", "address", "names", "numbers"),
    [
        ("青竹路12号门口的路灯不亮", "", {"青竹路"}, {"12号"}),
        ("解放西路二十一号门口", "", {"放西路"}, {"21号"}),
        ("翠湖小区三栋停水", "江北区翠湖小区3号楼", {"翠湖小区"}, {"3栋"}),
        ("at 12 Baker Street the street lamp is out", "", {"baker street"}, {"12"}),
        ("", "EAST  180 STREET", {"180 street"}, set()),
        ("", "CARPENTER AVE", {"carpenter avenue"}, set()),
        ("", "BROADWAY", {"broadway"}, set()),
        ("这条路上全是水，马路中间也是", "", set(), set()),
        ("我们小区停电了", "", set(), set()),
        ("", "", set(), set()),
    ],
)
def test_named_places(text: str, address: str, names: set[str], numbers: set[str]) -> None:
    found = named_places(text, address)
    assert set(found.names) == names
    assert set().union(*found.numbers.values()) == numbers


def test_a_shared_name_is_told_as_people_write_it() -> None:
    one, other = named_places("我家住在学田湾正街旁边", ""), named_places("渝中区学田湾正街8号", "")
    assert shared_name(one, other) == "学田湾正街"
    assert shared_name(one, named_places("青竹路", "")) is None


def test_the_matter_is_left_when_place_and_politeness_are_gone() -> None:
    assert matter_of("您好，我要反映一下，青竹路12号路灯不亮，请尽快处理，谢谢") == "路灯不亮"
    assert matter_of("Hello, I would like to report: pothole on Baker Street. Thanks") == "pothole"
    assert matter_of("谢谢") == ""


def test_ngrams_do_not_care_for_width_case_or_order() -> None:
    assert ngrams(matter_of("ＬＥＤ灯不亮")) == ngrams(matter_of("led灯不亮"))
    assert ngrams("") == {}


def test_script() -> None:
    assert is_chinese("KTV 吵到凌晨")
    assert not is_chinese("Street light out")
