"""Evaluation indicators: counts, and rates between counts, defined as data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.incident.model import Tally


@dataclass(frozen=True)
class Count:
    """Something that is counted, and in which sense."""

    key: str
    name: str
    name_en: str
    text: str
    text_en: str


@dataclass(frozen=True)
class Rate:
    """One count divided by another."""

    key: str
    name: str
    name_en: str
    numerator: Count
    denominator: Count


@dataclass(frozen=True)
class Indicators:
    counts: tuple[Count, ...]
    rates: tuple[Rate, ...]


@cache
def indicators() -> Indicators:
    """The indicators as the data file defines them; raises KeyError where a rate names an unknown count."""
    raw: dict[str, Any] = yaml.safe_load((files("chengnao.supervision") / "indicators.yaml").read_text("utf-8"))
    counts = {
        each["key"]: Count(each["key"], each["name"]["zh"], each["name"]["en"], each["text"]["zh"], each["text"]["en"])
        for each in raw["counts"]
    }
    rates = tuple(
        Rate(
            each["key"],
            each["name"]["zh"],
            each["name"]["en"],
            counts[each["numerator"]],
            counts[each["denominator"]],
        )
        for each in raw["rates"]
    )
    return Indicators(tuple(counts.values()), rates)


def evaluate(tally: Tally) -> Mapping[str, int | float | None]:
    """All counts and rates of a group; a rate over nothing is None, not 0 and not 1."""
    values: dict[str, int] = {key: value for key, value in asdict(tally).items() if key != "dismissed"}
    values["closable"] = tally.opened - tally.dismissed
    rates = {
        rate.key: round(values[rate.numerator.key] / values[rate.denominator.key], 4)
        if values[rate.denominator.key]
        else None
        for rate in indicators().rates
    }
    return {**values, **rates}
