"""Several matters in one text: where it may be cut, and whether the parts are matters of their own."""

import re
from collections.abc import Callable, Sequence

from chengnao.incident.classification.model import NO_MATTER, Matter

Categorise = Callable[[Sequence[str]], Sequence[tuple[str | None, float]]]
"""For each text its category, None in doubt, and the confidence."""

_JOINED = re.compile(
    r"(?:[，。；,;\s]|^)(?:另外|还有(?:就是|一个事情|一件事)?|再(?:一个|就是|者)|顺便(?:说|反映)?(?:一(?:下|哈))?|其次|此外|同时"
    r"|二是|三是|一是|第[二三]|而且|结果|不光|[2-4][、.．])[，,：:]?"
)
_SENTENCE = re.compile(r"[。；！？;!?\n]+")
_SHORTEST = 6
_SURE = 0.8
"""A new sentence alone is a weak sign: its category must be sure."""


def matters_in(text: str, categorise: Categorise) -> tuple[Matter, ...]:
    """The matters of the text where there are two or more of different categories; nothing otherwise."""
    parts = [(part, joined) for part, joined in _parts(text) if len(part) >= _SHORTEST]
    if len(parts) < 2:
        return ()
    answers = categorise([part for part, _ in parts])
    matters: list[Matter] = []
    for (part, joined), (category, confidence) in zip(parts, answers, strict=True):
        known = category is not None and category != NO_MATTER
        new = known and (joined or confidence >= _SURE) and all(each.category != category for each in matters)
        if new or not matters:
            matters.append(Matter(part, category if known else None, confidence))
        else:
            last = matters[-1]
            # What follows explains the matter before it, or names it where that could not be told.
            better = known and last.category is None
            matters[-1] = Matter(
                f"{last.text}。{part}", category if better else last.category, confidence if better else last.confidence
            )
    told = [each for each in matters if each.category is not None]
    return tuple(told) if len(told) > 1 else ()


def _parts(text: str) -> list[tuple[str, bool]]:
    """The pieces of the text, and whether a word such as 另外 opened each."""
    found = []
    for number, joined in enumerate(_JOINED.split(text)):
        for place, sentence in enumerate(_SENTENCE.split(joined)):
            if sentence.strip(" ，,。"):
                found.append((sentence.strip(" ，,。"), number > 0 and place == 0))
    return found
