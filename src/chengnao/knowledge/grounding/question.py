"""What a question asks for: a kind of answer, and the words that an answer must be about."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from chengnao.knowledge.grounding.facts import DURATIONS, amounts, bodies
from chengnao.knowledge.text import plain

Rarity = Callable[[str], float]
"""How much a pair of characters tells: high where few passages have it."""

_COUNTED = re.compile(r"(?:几|多少)(?:个|钱|元)?1?(只|人|名|次|辆|台|户|级|岁|条|倍)")
_PEOPLE = {"名": "人"}
_ALONE = 0.4
"""What a character counts that the text has, but not beside its neighbour."""
_SEGMENT = re.compile(r"[\u3400-\u9fff]+|[a-z0-9.%]+")


@dataclass(frozen=True)
class Question:
    """`kinds`: of answers that would do; none where any may. `segments`: stretches of its telling words."""

    text: str
    kinds: tuple[str, ...]
    segments: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Question":
        flat = plain(text)
        asking = _asking()
        kinds = tuple(kind for kind, pattern in asking.kinds.items() if pattern.search(flat))
        return cls(text, kinds, tuple(_SEGMENT.findall(asking.fillers.sub(" ", flat))))

    def gives(self, text: str) -> bool:
        """Whether a text holds an answer of a kind that is asked for."""
        wanted = [kind for kind in self.kinds if kind != "whether"]
        return not wanted or any(_gives(kind, text, self.text) for kind in wanted)


_SIZES = {"%", "分贝", "米", "厘米", "毫米", "公里", "吨", "平方米", "立方米", "度", "公斤", "克", "升", "级", "倍"}


def _gives(kind: str, text: str, question: str) -> bool:
    found = amounts(text)
    units = {each.unit for each in found}
    match kind:
        case "phone":
            return re.search(r"\d{5,}|1\d{4}", plain(text)) is not None
        case "clock":
            return "clock" in units
        case "date":
            return "date" in units or any(each.unit in ("月", "年") for each in found)
        case "duration":
            return not units.isdisjoint(DURATIONS)
        case "money":
            return "元" in units or re.search(r"免收|免费|不收取|警告|移送", text) is not None
        case "count":
            counted = _COUNTED.search(plain(question))
            return bool(found) if counted is None else (_PEOPLE.get(counted[1], counted[1]) in units)
        case "measure":
            return not units.isdisjoint(_SIZES | DURATIONS | {"元", "人", "次", "个"})
        case "body":
            return bool(bodies(text)) or re.search(r"承担|负责|第一责任人|单位|部门|机关|局", text) is not None
    return True


@dataclass(frozen=True)
class _Asking:
    kinds: dict[str, re.Pattern[str]]
    fillers: re.Pattern[str]


@cache
def _asking() -> _Asking:
    given = yaml.safe_load((files("chengnao.knowledge") / "grounding" / "asking.yaml").read_text("utf-8"))
    kinds = {kind: re.compile("|".join(patterns)) for kind, patterns in given["kinds"].items()}
    return _Asking(kinds, re.compile("|".join(given["fillers"])))


@cache
def _words() -> dict[str, tuple[str, ...]]:
    """Words of everyday language with those that official texts use for them, and the other way round."""
    groups: list[list[str]] = yaml.safe_load((files("chengnao.knowledge") / "words.yaml").read_text("utf-8"))
    known: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for word in group:
            known[word] = tuple(dict.fromkeys((*known.get(word, ()), *(each for each in group if each != word))))
    return known


def coverage(question: Question, text: str, rarity: Rarity) -> float:
    """How much of what the question is about stands in the text, 0 to 1; rare words count more."""
    flat = plain(text)
    total = seen = 0.0
    for segment in question.segments:
        weights, marks = _marked(segment, flat, rarity)
        total += sum(weights)
        seen += sum(weight * mark for weight, mark in zip(weights, marks, strict=True))
    return seen / total if total else 0.0


def _marked(segment: str, flat: str, rarity: Rarity) -> tuple[list[float], list[float]]:
    """For each character what it counts, and how far the text has it: in a pair, in a known other word, or alone."""
    if segment[0] < "\u3400" or len(segment) == 1:
        weight, found = rarity(segment), _has(segment, flat)
        return [weight / 2 if len(segment) == 1 else weight], [float(found)]
    weights = [0.0] * len(segment)
    marks = [_ALONE if each in flat else 0.0 for each in segment]
    for place in range(len(segment) - 1):
        pair = segment[place : place + 2]
        weight = rarity(pair)
        weights[place] = max(weights[place], weight)
        weights[place + 1] = max(weights[place + 1], weight)
        if pair in flat:
            marks[place] = marks[place + 1] = 1.0
    for word, place in _known_words(segment):
        if _has(word, flat):
            for at in range(place, place + len(word)):
                marks[at] = 1.0
    return weights, marks


def _known_words(segment: str) -> Iterable[tuple[str, int]]:
    known = _words()
    for start in range(len(segment)):
        for length in range(1, min(7, len(segment) - start) + 1):
            if segment[start : start + length] in known:
                yield segment[start : start + length], start


def _has(word: str, flat: str) -> bool:
    return word in flat or any(other in flat for other in _words().get(word, ()))
