"""Texts for people, Chinese first.

A module keeps its texts in a `messages.yaml` beside its code, `code: {zh: ..., en: ...}`; all of them form one
table. Placeholders are those of `str.format`.
"""

from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Literal

import yaml

Language = Literal["zh", "en"]


class _Missing(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "?"


def message(code: str, language: Language = "zh", /, **params: Any) -> str:
    """The text for `code`; the code itself where no text is known, so that an error is never hidden."""
    texts = message_table().get(code)
    if texts is None:
        shown = ", ".join(f"{key}={value}" for key, value in params.items())
        return f"{code} ({shown})" if shown else code
    return texts[language].format_map(_Missing(params))


@cache
def message_table() -> dict[str, dict[Language, str]]:
    """All texts of all modules; a code given twice or without one of the languages raises ValueError."""
    table: dict[str, dict[Language, str]] = {}
    for source in _message_files(files("chengnao")):
        for code, texts in (yaml.safe_load(source.read_text("utf-8")) or {}).items():
            if code in table:
                raise ValueError(f"{source}: message {code} is defined twice")
            if not {"zh", "en"} <= set(texts):
                raise ValueError(f"{source}: message {code} needs zh and en")
            table[code] = texts
    return table


def _message_files(folder: Traversable) -> list[Traversable]:
    found: list[Traversable] = []
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir() and entry.name not in ("static", "__pycache__"):
            found += _message_files(entry)
        elif entry.name == "messages.yaml":
            found.append(entry)
    return found
