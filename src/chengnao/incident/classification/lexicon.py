"""The word lists of `lexicon.yaml`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def lexicon() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load((files(__package__) / "lexicon.yaml").read_text("utf-8"))
    return found
