"""Bodies, several matters, and rules of words."""

from collections.abc import Sequence

import pytest

from chengnao.incident.classification.labels import category_hints, suggested_by_words
from chengnao.incident.classification.matters import matters_in
from chengnao.incident.classification.model import NO_MATTER, CategoryRule, deciding_rule
from chengnao.incident.classification.parties import parties_in

from . import refused


@pytest.mark.parametrize(
    ("text", "parties"),
    [
        ("投诉金色物业服务有限公司乱收费", [("金色物业服务有限公司", "property")]),
        ("第一实验小学食堂吃出虫，物业也不管", [("第一实验小学", "school"), ("物业", "property")]),
        ("自来水公司说不归他们", [("自来水公司", "utility")]),
        ("张伟昨天打我，李婆婆看到了", []),
    ],
)
def test_bodies_and_never_persons(text: str, parties: list[tuple[str, str]]) -> None:
    assert [(each.name, each.kind) for each in parties_in(text)] == parties


def by_word(texts: Sequence[str]) -> list[tuple[str | None, float]]:
    answers: list[tuple[str | None, float]] = []
    for text in texts:
        code = next((code for word, code in {"路灯": "street_light", "垃圾": "rubbish"}.items() if word in text), None)
        answers.append((code, 0.7 if code else 0.1) if "谢谢" not in text else (NO_MATTER, 0.99))
    return answers


def test_two_matters_are_offered_apart() -> None:
    found = matters_in("楼下垃圾几天没人收，脏得很；另外巷子里路灯不亮，请来修。谢谢你们辛苦了", by_word)
    assert [(each.category, each.text.split("，")[0]) for each in found] == [
        ("rubbish", "楼下垃圾几天没人收"),
        ("street_light", "巷子里路灯不亮"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "路灯坏了，另外那边的路灯也不亮",
        "路灯坏了。请尽快来修。谢谢大家",
        "路灯坏了",
        "路灯杆上挂着垃圾袋。垃圾没人收",
        "",
    ],
)
def test_one_matter_is_not_cut(text: str) -> None:
    assert matters_in(text, by_word) == ()


def rule(rule_id: str, *words: str, division: str | None = None, both: tuple[str, ...] = ()) -> CategoryRule:
    return CategoryRule(rule_id, "noise", both, words, division)


def test_a_rule_needs_all_of_some_and_one_of_others() -> None:
    both = rule("a", "喇叭", "音响", both=("广场",))
    assert both.matches("广场上的喇叭") == ("广场", "喇叭")
    assert both.matches("广场上很热闹") == ()
    assert both.matches("路边的喇叭") == ()
    assert rule("b", both=("KTV",)).matches("楼下ktv太吵") == ("KTV",)


def test_the_nearest_rule_decides_and_then_the_longest_words() -> None:
    rules = [rule("city", "喇叭"), rule("long", "高音喇叭"), rule("here", "喇叭", division="500103")]
    assert [found[0].id for found in [deciding_rule(rules, "高音喇叭", "500103003")] if found] == ["here"]
    assert [found[0].id for found in [deciding_rule(rules, "高音喇叭", "500108")] if found] == ["long"]
    assert [found[0].id for found in [deciding_rule(rules, "高音喇叭", None)] if found] == ["long"]
    assert deciding_rule(rules, "安静", "500103") is None


@pytest.mark.parametrize("words", [(), ("",), (" ",)])
def test_a_rule_without_words_is_refused(words: tuple[str, ...]) -> None:
    with refused("category_rule_no_words"):
        rule("a", *words)


def test_words_suggest_where_nothing_is_learnt() -> None:
    assert suggested_by_words("小区电梯困人了")[0] == "lift_trapped"
    assert suggested_by_words("嗯") == []
    assert all(hint.text for hint in category_hints())
