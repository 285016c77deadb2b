"""The categories and time limits that stand in this module's data files."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.incident.model import Category, Limits
from chengnao.kernel.errors import Invalid
from chengnao.kernel.vocabulary import Field

_UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


@cache
def categories() -> Mapping[str, Category]:
    """All categories by code."""
    found = [Category(**entry) for entry in _load("categories.yaml")]
    for category in found:
        Field(category.field)
    return {category.code: category for category in found}


def category(code: str) -> Category:
    """The category; raises Invalid where there is none of that code."""
    found = categories().get(code)
    if found is None:
        raise Invalid("category_unknown", field="category", value=code)
    return found


@cache
def limits() -> Mapping[int, Limits]:
    """The time limits by grade."""
    return {
        grade: Limits(**{step: parse_duration(text) for step, text in steps.items()})
        for grade, steps in _load("limits.yaml").items()
    }


def parse_duration(text: str) -> timedelta:
    """A duration written as a number and one of s, min, h, d; raises ValueError for anything else."""
    number, _, unit = text.partition(" ")
    if unit not in _UNITS:
        raise ValueError(f"{text!r} is no duration; write a number and one of {', '.join(_UNITS)}")
    return timedelta(**{_UNITS[unit]: float(number)})


def _load(name: str) -> Any:
    return yaml.safe_load((files("chengnao.incident") / name).read_text("utf-8"))
