"""The categories and time limits that stand in this module's data files."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.incident.model import Category
from chengnao.kernel.calendar import Amount, parse_amount
from chengnao.kernel.errors import Invalid
from chengnao.kernel.vocabulary import Field


@cache
def categories() -> Mapping[str, Category]:
    """All categories by code."""
    found = [Category(**entry | {"words": tuple(entry.get("words", ()))}) for entry in _load("categories.yaml")]
    for category in found:
        Field(category.field)
    return {category.code: category for category in found}


def category(code: str) -> Category:
    """The category; raises Invalid where there is none of that code."""
    found = categories().get(code)
    if found is None:
        raise Invalid("category_unknown", field="category", value=code)
    return found


def category_name(code: str) -> str:
    """The name, or the code itself where the category is gone."""
    known = categories().get(code)
    return known.name if known else code


@cache
def default_limits() -> Mapping[int, Mapping[str, Amount]]:
    """The platform's own time limits, by grade and step."""
    return {
        grade: {step: parse_amount(text) for step, text in steps.items()}
        for grade, steps in _load("limits.yaml").items()
    }


def _load(name: str) -> Any:
    return yaml.safe_load((files("chengnao.incident") / name).read_text("utf-8"))
