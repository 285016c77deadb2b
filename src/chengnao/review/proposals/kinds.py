"""What each kind of proposal can do, and which one serves which change."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from chengnao.incident.model import Incident
from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.review.proposals.changes import Change
from chengnao.review.proposals.model import Case, Measure, Span, Target, Thing
from chengnao.sensing.readings.store import ReadingsStore

C_contra = TypeVar("C_contra", bound=Change, contravariant=True)

MOST_CASES = 5_000
"""So many cases a replay looks at; of more it takes the newest, and says so."""


async def _silent(done: int, total: int) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Tools:
    """What a replay may use beside the database."""

    store: ReadingsStore | None = None
    """Where it is missing, nothing can be replayed on readings."""
    progress: Callable[[int, int], Awaitable[None]] = _silent


@dataclass(frozen=True)
class Outcome:
    """What a replay came to."""

    cases: Sequence[Case]
    counts: Mapping[str, int]
    total: int
    looked_at: int
    detail: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()


def case_of(incident: Incident, outcome: str, at: datetime, detail: Mapping[str, Any]) -> Case:
    """The incident as a case of a replay."""
    return Case(
        outcome=outcome,
        at=at,
        division_code=incident.division_code,
        unit_id=incident.unit_id,
        incident_id=incident.id,
        title=incident.title,
        detail={**detail, "number": incident.number},
    )


class Kind(Protocol[C_contra]):
    """One kind of change."""

    action: str
    """The right that is needed, beside that to decide, where the thing holds."""

    async def target(self, uow: UnitOfWork, change: C_contra) -> Target:
        """What the change is about; raises Invalid or NotFound where it cannot be made."""

    async def current(self, uow: UnitOfWork, change: C_contra) -> Thing:
        """The thing as it is now."""

    async def replay(self, uow: UnitOfWork, change: C_contra, span: Span, tools: Tools) -> Outcome:
        """What would have been different in the period."""

    async def apply(self, uow: UnitOfWork, actor: Principal, change: C_contra) -> None:
        """Make the change, by the use cases of the module that owns the thing."""

    async def restore(self, uow: UnitOfWork, actor: Principal, change: C_contra, before: Thing) -> None:
        """Bring back what was before the change."""

    async def measures(self, uow: UnitOfWork, change: C_contra, span: Span) -> list[Measure]:
        """What the change is meant to better, as it really was in the period."""
