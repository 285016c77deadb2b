"""Evaluation indicators as data: counts, rates between counts, and times between moments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from chengnao.incident.measures import Anchor, Spread, Subject
from chengnao.kernel.errors import Invalid

Better = Literal["higher", "lower"]
Part = Literal["numerator", "denominator", "missed"]


@dataclass(frozen=True)
class Count:
    """Something that is counted, and in which sense."""

    key: str
    subject: Subject
    anchor: Anchor
    name: str
    name_en: str
    text: str
    text_en: str
    better: Better | None = None
    unit: str = "count"


@dataclass(frozen=True)
class Rate:
    """One count divided by another, of which it is a part."""

    key: str
    name: str
    name_en: str
    numerator: Count
    denominator: Count
    better: Better
    exclusions: str
    exclusions_en: str
    follows: str = ""
    """The practice that the definition follows."""
    follows_en: str = ""
    unit: str = "%"

    @property
    def subject(self) -> Subject:
        return self.numerator.subject

    @property
    def anchor(self) -> Anchor:
        return self.numerator.anchor


@dataclass(frozen=True)
class Time:
    """From one moment to another: median, nine in ten, and how many were odd."""

    key: str
    subject: Subject
    anchor: Anchor
    name: str
    name_en: str
    text: str
    text_en: str
    better: Better = "lower"
    unit: str = "s"


Indicator = Count | Rate | Time


@dataclass(frozen=True)
class Plan:
    """Indicators that one pass over one table answers."""

    subject: Subject
    anchor: Anchor
    counts: tuple[str, ...]
    times: tuple[str, ...]


@dataclass(frozen=True)
class Indicators:
    counts: tuple[Count, ...]
    rates: tuple[Rate, ...]
    times: tuple[Time, ...]

    @property
    def all(self) -> tuple[Indicator, ...]:
        return (*self.counts, *self.rates, *self.times)

    def get(self, key: str) -> Indicator:
        """The indicator; raises Invalid where there is none of that key."""
        for each in self.all:
            if each.key == key:
                return each
        raise Invalid("indicator_unknown", field="indicator", value=key, known="、".join(each.key for each in self.all))

    def plans(self) -> list[Plan]:
        """All counts and times, those of one subject and anchor together."""
        found: dict[tuple[Subject, Anchor], tuple[list[str], list[str]]] = {}
        for count in self.counts:
            found.setdefault((count.subject, count.anchor), ([], []))[0].append(count.key)
        for time in self.times:
            found.setdefault((time.subject, time.anchor), ([], []))[1].append(time.key)
        return [Plan(*key, tuple(counts), tuple(times)) for key, (counts, times) in found.items()]


@cache
def indicators() -> Indicators:
    """The indicators as the data file defines them."""
    return read_indicators((files("chengnao.supervision.evaluation") / "indicators.yaml").read_text("utf-8"))


def read_indicators(text: str) -> Indicators:
    """Raises KeyError where a rate names an unknown count, ValueError where its two counts cannot be divided."""
    raw: dict[str, Any] = yaml.safe_load(text)
    counts = {
        each["key"]: Count(**_head(each), **_both("text", each["text"]), better=each.get("better"))
        for each in raw["counts"]
    }
    rates = []
    for each in raw["rates"]:
        above, below = counts[each["numerator"]], counts[each["denominator"]]
        if (above.subject, above.anchor) != (below.subject, below.anchor):
            raise ValueError(f"{each['key']}: {above.key} and {below.key} do not count the same in the same period")
        rates.append(
            Rate(
                key=each["key"],
                **_both("name", each["name"]),
                numerator=above,
                denominator=below,
                better=each["better"],
                **_both("exclusions", each["exclusions"]),
                **_both("follows", each.get("follows", {"zh": "", "en": ""})),
            )
        )
    times = tuple(Time(**_head(each), **_both("text", each["text"])) for each in raw["times"])
    return Indicators(tuple(counts.values()), tuple(rates), times)


def _head(raw: Mapping[str, Any]) -> dict[str, Any]:
    place = {"subject": Subject(raw["subject"]), "anchor": Anchor(raw["anchor"])}
    return {"key": raw["key"], **place, **_both("name", raw["name"])}


def _both(name: str, texts: Mapping[str, str]) -> dict[str, Any]:
    return {name: texts["zh"], f"{name}_en": texts["en"]}


@dataclass(frozen=True)
class Group:
    """One row of an evaluation; `key` is empty for what no unit holds."""

    key: str
    name: str
    counts: dict[str, int] = field(default_factory=dict)
    times: dict[str, Spread] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing was counted and nothing measured."""
        return not any(self.counts.values()) and not any(each.count or each.odd for each in self.times.values())

    def value(self, indicator: Indicator) -> int | float | None:
        """The figure: a count, a rate (None over nothing), or a median in seconds (None of nothing)."""
        match indicator:
            case Count():
                return self.counts.get(indicator.key, 0)
            case Rate():
                below = self.counts.get(indicator.denominator.key, 0)
                return round(self.counts.get(indicator.numerator.key, 0) / below, 4) if below else None
            case Time():
                return self.spread(indicator).median

    def spread(self, time: Time) -> Spread:
        """How long that took; of nothing where there was none."""
        return self.times.get(time.key, Spread())


@dataclass(frozen=True)
class Evaluation:
    groups: list[Group]
    total: Group


def shown(indicator: Indicator, value: int | float | None) -> str:
    """The figure as people read it: `97.5%`, `3`, `2 小时 5 分`; a dash for what is unknown."""
    if value is None:
        return "—"
    match indicator:
        case Count():
            return str(value)
        case Rate():
            return f"{value * 100:.1f}".removesuffix(".0") + "%"
        case Time():
            return duration(float(value))


def duration(seconds: float) -> str:
    """Seconds in the two largest units that they fill."""
    if seconds < 60:
        return f"{seconds:.0f} 秒"
    minutes = int(timedelta(seconds=seconds) / timedelta(minutes=1))
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "天"), (hours, "小时"), (minutes, "分")]
    while parts[0][0] == 0:
        parts = parts[1:]
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count)
