"""A merge on record, and what is needed to take it apart. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import TypeAdapter

from chengnao.incident.merging.model import Reason
from chengnao.incident.model import Incident, Task

_INCIDENT = TypeAdapter(Incident)
_TASKS = TypeAdapter(list[Task])


class MergeKind(StrEnum):
    INCIDENT = "incident"
    """An incident became part of another."""
    REPORT = "report"
    """A report joined an open incident and opened none of its own."""


@dataclass(frozen=True)
class Kept:
    """An incident as it was before it was merged, and what went along with it, by id."""

    incident: Incident | None = None
    tasks: Sequence[Task] = ()
    reports: frozenset[str] = frozenset()
    warnings: frozenset[str] = frozenset()
    photos: frozenset[str] = frozenset()
    merged: frozenset[str] = frozenset()
    """Incidents that had been merged into it before."""

    def without(self, gone: "Kept", incident_id: str | None) -> "Kept":
        """What is left after a part that came along was taken out and lives by itself again."""
        return replace(
            self,
            reports=self.reports - gone.reports,
            warnings=self.warnings - gone.warnings,
            photos=self.photos - gone.photos,
            merged=self.merged - {incident_id} - gone.merged,
        )

    def to_data(self) -> dict[str, Any]:
        return {
            "incident": _INCIDENT.dump_python(self.incident, mode="json") if self.incident else None,
            "tasks": _TASKS.dump_python(list(self.tasks), mode="json"),
            "reports": sorted(self.reports),
            "warnings": sorted(self.warnings),
            "photos": sorted(self.photos),
            "merged": sorted(self.merged),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            incident=_INCIDENT.validate_python(data["incident"]) if data["incident"] else None,
            tasks=tuple(_TASKS.validate_python(data["tasks"])),
            **{name: frozenset(data[name]) for name in ("reports", "warnings", "photos", "merged")},
        )


@dataclass(frozen=True)
class Merge:
    """What became one with what, by whom, when and why."""

    id: str
    kind: MergeKind
    incident_id: str | None
    """The incident that was merged; None where it was a report alone."""
    report_id: str | None
    into_id: str
    by: str
    by_name: str
    at: datetime
    reason: str = ""
    probability: float | None = None
    """As it was scored; None where there was nothing to score."""
    reasons: Sequence[Reason] = ()
    kept: Kept = field(default_factory=Kept)
    undone_at: datetime | None = None
    undone_by_name: str | None = None


def as_before(now: Incident, kept: Incident) -> Incident:
    """The incident as it was kept, with a new stay in the state it had then: the timeline has grown meanwhile."""
    version = now.version + 1
    return replace(kept, version=version, entry=version, urged=now.urged)


def returning(wanted: Collection[str], there: Collection[str]) -> frozenset[str]:
    """What goes back: what came along and is still there."""
    return frozenset(wanted) & frozenset(there)
