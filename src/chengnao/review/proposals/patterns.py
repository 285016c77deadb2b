"""Which returns show that the responsibilities name the wrong unit. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chengnao.incident.case_repository import Returned

RETURNED_AT = 3
"""So many cases returned by a unit are a pattern..."""
WITHIN = timedelta(days=30)
"""...where they came back within so long..."""


@dataclass(frozen=True)
class Pattern:
    """A unit gives cases back, and another one handles most of them in the end."""

    cases: int
    reasons: Mapping[str, int]
    handled_by: str
    handled: int
    """How many of the cases that unit has handled."""


def pattern_of(cases: Sequence[Returned], unit_id: str) -> Pattern | None:
    """The pattern in the cases that the unit returned; None where there are too few or no other handles most."""
    handlers = Counter(case.handled_by for case in cases if case.handled_by not in (None, unit_id))
    if len(cases) < RETURNED_AT or not handlers:
        return None
    best, handled = min(handlers.items(), key=lambda pair: (-pair[1], pair[0] or ""))
    if best is None or handled * 2 <= len(cases):
        return None
    return Pattern(len(cases), Counter(case.code for case in cases), best, handled)
