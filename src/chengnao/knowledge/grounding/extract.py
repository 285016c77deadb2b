"""Answers without a model: the sentences that answer best, and whether they answer at all."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chengnao.knowledge.grounding.model import Citation
from chengnao.knowledge.grounding.question import Question, Rarity, coverage
from chengnao.knowledge.model import Hit
from chengnao.knowledge.text import sentences

LOOKED_AT = 8
"""Passages from the top that may answer."""
_WEIGHTS = {"bias": -6.8, "coverage": 0.9, "lead": 2.2, "sentence": 2.4, "gives": 2.4, "nearness": 1.2}
"""How sure an answer is: fitted by logistic regression on evals/development.yaml (`benchmarks/knowledge.py
--only fit`), the bias moved so that an answer begins at 0.5."""
ANSWERS = 0.5
_SHORTEST = 4


@dataclass(frozen=True)
class Candidate:
    """A sentence that may answer. `features` tell why, `confidence` how likely it does."""

    hit: Hit
    before: str
    """The sentence before it in its passage: often it says of what this one speaks."""
    sentence: str
    features: dict[str, float]

    @property
    def confidence(self) -> float:
        total = _WEIGHTS["bias"] + sum(_WEIGHTS[name] * value for name, value in self.features.items())
        return 1 / (1 + math.exp(-total))

    @property
    def citation(self) -> Citation:
        return Citation(self.hit, self.sentence)


def candidates(question: Question, hits: Sequence[Hit], rarity: Rarity) -> list[Candidate]:
    """The sentences of the best passages, the surest answer first. Passages that speak to machines are left out."""
    looked_at = [hit for hit in hits if not hit.passage.suspect][:LOOKED_AT]
    if not looked_at:
        return []
    usual = sorted(hit.cosine for hit in hits)[len(hits) // 2]
    found = []
    for hit in looked_at:
        before = ""
        for sentence in sentences(hit.passage.text):
            if len(sentence) >= _SHORTEST:
                found.append(
                    Candidate(hit, before, sentence, _features(question, hit, before, sentence, usual, rarity))
                )
            before = sentence
    return sorted(found, key=lambda each: -each.confidence)


def _features(
    question: Question, hit: Hit, before: str, sentence: str, usual: float, rarity: Rarity
) -> dict[str, float]:
    around = "\n".join((hit.source.about.title, *hit.passage.path[-1:], hit.passage.text))
    return {
        "coverage": coverage(question, around, rarity),
        "lead": coverage(question, f"{before}\n{sentence}", rarity),
        "sentence": coverage(question, sentence, rarity),
        "gives": 1.0 if question.gives(sentence) else 0.0,
        "nearness": max(-1.0, min(2.0, (hit.cosine - usual) / 0.02)),
    }
