"""The stays of an incident in its states, folded from its timeline. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chengnao.incident.model import TRANSITIONS, Action, State, TimelineEntry
from chengnao.incident.rulebook import STEP_OF, Step


@dataclass(frozen=True)
class Stay:
    """From the entry into a state to the way out of it."""

    state: State
    since: datetime
    due_at: datetime | None
    seq: int
    """Of the entry that began it."""
    category: str
    grade: int
    unit_id: str | None
    """Who held the incident."""
    begun_by: str
    until: datetime | None = None
    """None while it lasts."""
    ended_by: str | None = None

    @property
    def step(self) -> Step | None:
        """The step whose time limit runs meanwhile."""
        return STEP_OF.get(self.state)

    def late_seconds(self, now: datetime) -> float:
        """By how much it went over its time; 0 where it did not."""
        if self.due_at is None:
            return 0.0
        return max(0.0, ((self.until or now) - self.due_at).total_seconds())


def stays(entries: Sequence[TimelineEntry]) -> list[Stay]:
    """All stays in their order; the last one lasts, where the state is not final."""
    found: list[Stay] = []
    category, grade, unit_id = "", 0, None
    for entry in entries:
        category = entry.data.get("category", category)
        grade = entry.data.get("grade", grade)
        if not _moves(entry):
            continue
        unit_id = entry.data.get("unit_id")
        if found:
            found[-1] = replace(found[-1], until=entry.at, ended_by=entry.action)
        if not entry.to_state.final:
            due = entry.data.get("due_at")
            found.append(
                Stay(
                    state=entry.to_state,
                    since=entry.at,
                    due_at=datetime.fromisoformat(due) if due else None,
                    seq=entry.seq,
                    category=category,
                    grade=grade,
                    unit_id=unit_id,
                    begun_by=entry.action,
                )
            )
    return found


def _moves(entry: TimelineEntry) -> bool:
    if entry.from_state is not entry.to_state:
        return True
    row = TRANSITIONS.get((entry.to_state, Action(entry.action)))
    return row is not None and row.renews
