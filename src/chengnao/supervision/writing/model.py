"""Figures in sentences, a paper made of them, and options compared by them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Better = Literal["higher", "lower", ""]
_NUMBER = re.compile(r"(?<![A-Za-z\d-])\d+(?:[,，]\d{3})*(?:\.\d+)?(?![\d-]*-\d)")
_SPELT = re.compile(r"第[一二三四五六七八九十]+|[一二三四五六七八九十]+是")


@dataclass(frozen=True)
class Figure:
    """One number of a report, perhaps beside that of the period before."""

    name: str
    value: float | None
    before: float | None = None
    unit: str = ""
    better: Better = ""

    @property
    def worse(self) -> bool:
        """Whether it went the wrong way."""
        if self.value is None or self.before is None or not self.better or self.value == self.before:
            return False
        return (self.value < self.before) == (self.better == "higher")

    @property
    def change(self) -> float:
        """How far it went, in parts of what it was; percentages in points of a hundred."""
        if self.value is None or self.before is None:
            return 0.0
        if self.unit == "%":
            return (self.value - self.before) / 100
        return (self.value - self.before) / abs(self.before) if self.before else 1.0


def said(figure: Figure) -> str:
    """The figure as a clause: `立案数 120 件，环比上升 20%`."""
    if figure.value is None:
        return f"{figure.name}暂无数据"
    text = f"{figure.name} {shown(figure.value)}{figure.unit if figure.unit == '%' else ' ' + figure.unit}".rstrip()
    if figure.before is None:
        return text
    if figure.value == figure.before:
        return f"{text}，与上期持平"
    way = "上升" if figure.value > figure.before else "下降"
    if figure.unit == "%":
        return f"{text}，环比{way} {shown(abs(figure.value - figure.before))} 个百分点"
    if not figure.before:
        return f"{text}，上期为 0"
    return f"{text}，环比{way} {shown(abs(figure.change) * 100)}%"


def shown(number: float) -> str:
    """At most one decimal, no zeros at the end."""
    return f"{round(number, 1):.1f}".removesuffix(".0")


@dataclass(frozen=True)
class Line:
    """A sentence that may be said, and the record that it comes from."""

    text: str
    kind: str = "indicator"
    id: str = ""


@dataclass(frozen=True)
class Facts:
    """What a paper may be made of."""

    title: str
    period: str
    lines: Sequence[Line]
    figures: Sequence[Figure] = ()


@dataclass(frozen=True)
class Paper:
    """A draft: title, paragraphs, and what is suggested."""

    title: str
    paragraphs: Sequence[str]
    suggestion: str


def paper_of(facts: Facts) -> Paper:
    """The draft that the facts make: the figures, what went the wrong way, then the cases; no word beyond them."""
    paragraphs = []
    if facts.figures:
        paragraphs.append(f"{facts.period}，" + "；".join(said(each) for each in facts.figures) + "。")
    worse = sorted((each for each in facts.figures if each.worse), key=lambda each: -abs(each.change))[:3]
    if worse:
        paragraphs.append("需要关注：" + "；".join(said(each) for each in worse) + "。")
    elif any(each.before is not None for each in facts.figures):
        paragraphs.append("各项指标没有变差。")
    paragraphs += [line.text for line in facts.lines]
    if worse:
        suggestion = f"建议分析“{worse[0].name}”变差的原因，明确责任单位和整改时限，下期报告改进情况。"
    elif facts.lines or facts.figures:
        suggestion = "建议保持现有做法，对清单中的事项逐件跟进。"
    else:
        suggestion = "没有可写的数据，请补充素材。"
    return Paper(facts.title, paragraphs, suggestion)


def unsupported(text: str, facts: Sequence[str]) -> list[str]:
    """Numbers of the text that stand in none of the facts: a model made them up, or reckoned them itself."""
    known = {_plain(each) for fact in facts for each in _NUMBER.findall(fact)}
    found = _NUMBER.findall(_SPELT.sub("", text))
    return list(dict.fromkeys(each for each in found if _plain(each) not in known))


def _plain(number: str) -> str:
    return f"{float(re.sub('[,，]', '', number)):g}"


@dataclass(frozen=True)
class Option:
    """One of several things that could be done, with what is known of it in figures."""

    name: str
    figures: Mapping[str, float | None]
    id: str = ""


@dataclass(frozen=True)
class Weighed:
    """`score` lies in 0..1, None where nothing is known of the option; `worse_than` names one that is better in all."""

    option: Option
    score: float | None
    worse_than: str | None


@dataclass(frozen=True)
class Comparison:
    """The options, the best first. `best` is None where the figures do not tell."""

    weighed: Sequence[Weighed]
    best: Option | None
    told_by: Sequence[str] = field(default=())
    """The figures in which the best one leads."""


def compare(options: Sequence[Option], better: Mapping[str, Better], weights: Mapping[str, float]) -> Comparison:
    """Each figure brought to 0..1 between the worst and the best option, added by weight; alike where none is given.

    A figure that an option lacks does not count for it.
    """
    names = [name for name in better if sum(each.figures.get(name) is not None for each in options) >= 2]
    scores: dict[str, float | None] = {}
    for option in options:
        total = weight = 0.0
        for name in names:
            value = option.figures.get(name)
            if value is not None:
                share = max(0.0, weights.get(name, 1.0))
                total += share * _placed(value, name, options, better[name])
                weight += share
        scores[option.name] = total / weight if weight else None
    weighed = [
        Weighed(option, _rounded(scores[option.name]), _dominated(option, options, names, better)) for option in options
    ]
    ordered = sorted(weighed, key=lambda each: -1.0 if each.score is None else -each.score - 1)
    known = [each for each in ordered if each.score is not None]
    if len(known) < 2 or known[0].score == known[1].score:
        return Comparison(ordered, None)
    best = known[0].option
    leads = [name for name in names if best.figures.get(name) is not None and _leads(best, name, options, better[name])]
    return Comparison(ordered, best, leads)


def _placed(value: float, name: str, options: Sequence[Option], better: Better) -> float:
    known = [each for option in options if (each := option.figures.get(name)) is not None]
    low, high = min(known), max(known)
    if low == high:
        return 0.5
    place = (value - low) / (high - low)
    return 1 - place if better == "lower" else place


def _leads(option: Option, name: str, options: Sequence[Option], better: Better) -> bool:
    known = [each for other in options if (each := other.figures.get(name)) is not None]
    return min(known) != max(known) and option.figures[name] == (min(known) if better == "lower" else max(known))


def _dominated(
    option: Option, options: Sequence[Option], names: Sequence[str], better: Mapping[str, Better]
) -> str | None:
    """Another option that is no worse in anything and better in something."""
    for other in options:
        if other is option or not names:
            continue
        pairs = [(option.figures.get(name), other.figures.get(name), better[name]) for name in names]
        if any(mine is None or theirs is None for mine, theirs, _ in pairs):
            continue
        signed = [
            (theirs - mine) * (-1 if way == "lower" else 1)
            for mine, theirs, way in pairs
            if mine is not None and theirs is not None
        ]
        if all(each >= 0 for each in signed) and any(each > 0 for each in signed):
            return other.name
    return None


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 3)
