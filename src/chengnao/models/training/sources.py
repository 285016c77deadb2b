"""Sources of training data that modules offer, such as the city's own closed cases.

The entry points `chengnao.training_data` name `module:SOURCE`. What a source gives goes the same way as a file: each
row is checked and masked.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where rows come from, beside files."""

    name: str
    zh: str
    en: str
    columns: Sequence[str]
    """What its rows hold."""
    action: str
    """The Cedar action that whoever takes them must be allowed, beside `training.write`."""
    rows: Callable[[UnitOfWork, Scope, datetime, datetime, int], Awaitable[list[dict[str, Any]]]]
    """At most so many rows of a period, of what the scope may see, the newest first."""


@cache
def sources() -> dict[str, Source]:
    """All sources by name; one that cannot be loaded is left out, and the log says why."""
    found: dict[str, Source] = {}
    for point in entry_points(group="chengnao.training_data"):
        try:
            source: Source = point.load()
        except Exception:
            log.exception("the source of training data %s is left out", point.value)
            continue
        found.setdefault(source.name, source)
    return dict(sorted(found.items()))


def require_source(name: str) -> Source:
    """The source; raises Invalid for a name that nobody offers."""
    found = sources().get(name)
    if found is None:
        raise Invalid("training_source_unknown", field="source", value=name, known=", ".join(sources()))
    return found
