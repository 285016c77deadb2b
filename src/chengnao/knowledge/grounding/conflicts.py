"""Two texts in force that say different amounts of one thing."""

from collections.abc import Sequence

from chengnao.knowledge.grounding.extract import Candidate
from chengnao.knowledge.grounding.facts import amounts
from chengnao.knowledge.grounding.model import Conflict
from chengnao.knowledge.text import plain, query_terms

_ALIKE = 0.5
"""Of the shorter sentence's words, so many stand in the other one too."""


def conflicts(best: Candidate, others: Sequence[Candidate]) -> tuple[Conflict, ...]:
    """The sentences of other documents that speak of what the best one speaks of and give another amount."""
    ours = _by_unit(best.sentence)
    found: dict[str, Conflict] = {}
    for other in others:
        if other.hit.source.id == best.hit.source.id or other.hit.source.id in found:
            continue
        theirs = _by_unit(other.sentence)
        units = [unit for unit in ours.keys() & theirs.keys() if ours[unit].isdisjoint(theirs[unit])]
        if units and _alike(best.sentence, other.sentence) >= _ALIKE:
            shown = (_shown(ours[units[0]], units[0]), _shown(theirs[units[0]], units[0]))
            found[other.hit.source.id] = Conflict(best.citation, other.citation, shown)
    return tuple(found.values())


def _by_unit(sentence: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for amount in amounts(sentence):
        if amount.unit and amount.value != "every":
            found.setdefault(amount.unit, set()).add(amount.value)
    return found


def _alike(first: str, second: str) -> float:
    one, two = (_words(each) for each in (first, second))
    return len(one & two) / (min(len(one), len(two)) or 1)


def _words(sentence: str) -> set[str]:
    numbers = {amount.value for amount in amounts(sentence)}
    return {each for each in query_terms(plain(sentence)) if each not in numbers and not each[0].isdigit()}


def _shown(values: set[str], unit: str) -> str:
    name = "" if unit in ("clock", "date") else unit
    return "、".join(f"{value}{name}" for value in sorted(values))
