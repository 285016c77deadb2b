"""The one entry: rules before the classifier, danger never dismissed, and all of it without a classifier too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.incident.classification.classifier import Classifier
from chengnao.incident.classification.cli import packaged_divisions
from chengnao.incident.classification.model import NO_MATTER, Alternative, CategoryRule, Classification, Understanding
from chengnao.incident.classification.understanding import understand, understand_all

AT = datetime(2026, 11, 25, 6, 0, tzinfo=UTC)
DIVISIONS = packaged_divisions()


@dataclass
class Always:
    """Says one label with one confidence; sure from 0.6 on."""

    label: str
    confidence: float

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        sure = self.label if self.confidence >= 0.6 else None
        return [
            Classification(sure, self.label, self.confidence, (Alternative(self.label, self.confidence),))
            for _ in texts
        ]


def said(text: str, label: str = "street_light", confidence: float = 0.9, *rules: CategoryRule) -> Understanding:
    return understand(text, AT, DIVISIONS, cast(Classifier, Always(label, confidence)), rules)


def test_everything_of_one_text() -> None:
    found = said("昨天晚上8点，渝中区解放碑街道民权路28号的路灯杆倒了，砸伤一个人，物业不管")
    assert (found.category, found.grade, found.division_code) == ("street_light", 1, "500103003")
    assert [(road.name, road.number) for road in found.roads] == [("民权路", "28号")]
    assert [time.words for time in found.times] == ["昨天晚上8点"]
    assert [party.name for party in found.parties] == ["物业"]
    assert "90%" in found.category_reasons[0].zh


def test_rules_come_before_the_classifier_and_say_so() -> None:
    rule = CategoryRule("r", "noise", (), ("坝坝舞",))
    found = said("坝坝舞那点路灯太亮", "street_light", 0.9, rule)
    assert (found.category, found.confidence) == ("noise", 1.0)
    assert "关键词规则" in found.category_reasons[0].zh
    assert "坝坝舞" in found.category_reasons[0].zh


def test_a_rule_of_a_district_holds_only_there() -> None:
    rule = CategoryRule("r", "noise", (), ("喇叭",), "500103")
    assert said("渝中区的喇叭", "dog", 0.9, rule).category == "noise"
    assert said("南岸区的喇叭", "dog", 0.9, rule).category == "dog"
    assert said("这里的喇叭", "dog", 0.9, rule).category == "dog"


def test_in_doubt_a_person_chooses() -> None:
    found = said("那个东西坏了", confidence=0.4)
    assert (found.category, found.abstained, found.grade) == (None, True, 4)
    assert found.alternatives[0].label == "street_light"


def test_no_matter_at_all() -> None:
    found = said("谢谢你们", NO_MATTER, 0.95)
    assert (found.category, found.abstained, found.grade) == (NO_MATTER, False, 4)


def test_a_plea_for_help_never_passes_for_a_greeting() -> None:
    found = said("你好，家里起火了", NO_MATTER, 0.99)
    assert (found.category, found.abstained, found.grade) == (None, True, 1)


def test_without_a_classifier_words_suggest() -> None:
    found = understand("电梯困人了，快来", AT, DIVISIONS)
    assert found.abstained
    assert found.alternatives[0].label == "lift_trapped"
    assert found.grade == 1


@pytest.mark.parametrize("label", ["DSNY", "42"])
def test_labels_that_are_no_categories_of_ours(label: str) -> None:
    found = said("something", label)
    assert (found.category, found.grade) == (label, 4)


def test_many_at_once_say_the_same_as_one_by_one() -> None:
    texts = ["渝中区路灯坏了", "昨天停电", "", "谢谢"]
    classifier = cast(Classifier, Always("street_light", 0.7))
    together = understand_all([(text, AT) for text in texts], DIVISIONS, classifier)
    assert together == [understand(text, AT, DIVISIONS, classifier) for text in texts]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=120))
def test_any_text_is_understood_somehow(text: str) -> None:
    found = said(text)
    assert 1 <= found.grade <= 4
    assert found.category_reasons
    assert len(found.matters) != 1
