"""From a text to everything that was understood of it: rules come first, then the classifier, in doubt nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from chengnao.incident.catalogue import categories
from chengnao.incident.classification.grades import grade_of, grade_of_nothing
from chengnao.incident.classification.labels import label_name, suggested_by_words
from chengnao.incident.classification.matters import matters_in
from chengnao.incident.classification.model import (
    NO_MATTER,
    Alternative,
    CategoryRule,
    Classification,
    PlaceCandidate,
    Reason,
    Understanding,
    clear_place,
    deciding_rule,
)
from chengnao.incident.classification.parties import parties_in
from chengnao.incident.classification.places import Gazetteer, divisions_in, roads_in
from chengnao.incident.classification.times import times_in
from chengnao.kernel.organisation.model import Division

if TYPE_CHECKING:
    from chengnao.incident.classification.classifier import Classifier

Decision = tuple[str | None, float, tuple[Alternative, ...], Reason]


def understand(
    text: str,
    at: datetime,
    divisions: Sequence[Division],
    classifier: "Classifier | None" = None,
    rules: Sequence[CategoryRule] = (),
) -> Understanding:
    """What the text says, received at `at`; without a classifier only rules decide, and words suggest."""
    return understand_all([(text, at)], divisions, classifier, rules)[0]


def understand_all(
    texts: Sequence[tuple[str, datetime]],
    divisions: Sequence[Division],
    classifier: "Classifier | None" = None,
    rules: Sequence[CategoryRule] = (),
) -> list[Understanding]:
    """The same for many texts, faster than one by one."""
    gazetteer = Gazetteer.of(divisions)

    def decide(parts: Sequence[str], places: Sequence[str | None]) -> list[Decision]:
        guesses: Sequence[Classification | None] = classifier.classify(parts) if classifier else [None] * len(parts)
        return [_decide(*each) for each in zip(parts, places, [rules] * len(parts), guesses, strict=True)]

    places = [divisions_in(text, gazetteer) for text, _ in texts]
    decisions = decide([text for text, _ in texts], [clear_place(found) for found in places])
    return [
        _understanding(text, at, decision, found, gazetteer, decide)
        for (text, at), decision, found in zip(texts, decisions, places, strict=True)
    ]


def _understanding(
    text: str,
    at: datetime,
    decision: Decision,
    places: tuple[PlaceCandidate, ...],
    gazetteer: Gazetteer,
    decide: Callable[[Sequence[str], Sequence[str | None]], list[Decision]],
) -> Understanding:
    category, confidence, alternatives, reason = decision
    grade, grade_reasons = grade_of(text, categories().get(category or ""))
    if category == NO_MATTER:
        if grade > 1:
            grade, grade_reasons = grade_of_nothing()
        else:
            # Never let a plea for help pass for a greeting.
            category = None
            reason = Reason(
                "像是没有事项，但等级规则发现险情，请人工判断", "seems empty, yet a grade rule found danger"
            )
    here = clear_place(places)
    return Understanding(
        category=category,
        confidence=confidence,
        abstained=category is None,
        alternatives=alternatives,
        category_reasons=(reason,),
        grade=grade,
        grade_reasons=grade_reasons,
        divisions=places,
        roads=roads_in(text, gazetteer),
        times=times_in(text, at),
        parties=parties_in(text),
        matters=matters_in(text, lambda parts: [each[:2] for each in decide(parts, [here] * len(parts))]),
    )


def _decide(text: str, here: str | None, rules: Sequence[CategoryRule], guess: Classification | None) -> Decision:
    decided = deciding_rule(rules, text, here)
    if decided is not None:
        rule, words = decided
        shown = "、".join(words)
        reason = Reason(f"关键词规则：{shown}", f"keyword rule: {', '.join(words)}")
        return rule.category, 1.0, (Alternative(rule.category, 1.0),), reason
    if guess is None:
        suggested = tuple(Alternative(code, 0.0) for code in suggested_by_words(text))
        return None, 0.0, suggested, Reason("没有分类模型；按词语提出候选", "no classifier: candidates by their words")
    name = label_name(guess.best)
    if guess.abstained:
        reason = Reason(f"把握不够（{name} {guess.confidence:.0%}），请人工选择", f"not sure enough ({guess.best})")
    else:
        reason = Reason(f"分类模型：{name}，把握 {guess.confidence:.0%}", f"classifier: {guess.best}")
    return guess.category, guess.confidence, guess.alternatives, reason
