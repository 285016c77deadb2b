"""The time limits in force: the platform's defaults, what the city has set instead, and the working calendar."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Self, get_args

from chengnao.incident.catalogue import default_limits
from chengnao.incident.model import State
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.calendar import Amount, WorkingCalendar
from chengnao.kernel.calendar_days.service import load_calendar
from chengnao.kernel.database import UnitOfWork

Step = Literal["dispatch", "accept", "handle", "verify", "close", "settle", "request", "whole"]
STEPS: tuple[Step, ...] = get_args(Step)

ANY = "*"
"""Stands for every category that has no limit of its own."""

STEP_OF: Mapping[State, Step] = {
    State.NEW: "dispatch",
    State.RETURNED: "dispatch",
    State.DISPATCHED: "accept",
    State.ACCEPTED: "handle",
    State.DISPUTED: "settle",
    State.HANDLED: "verify",
    State.VERIFIED: "close",
}
"""Whose limit bounds a stay in the state; nothing bounds one in any other."""


@dataclass(frozen=True)
class Rulebook:
    """Answers when something is due."""

    calendar: WorkingCalendar
    own: Mapping[tuple[str, int, str], Amount] = field(default_factory=dict)
    """What the city has set, by category (or ANY), grade and step."""

    @classmethod
    async def load(cls, uow: UnitOfWork) -> Self:
        return cls(await load_calendar(uow), await IncidentRepository(uow.session).own_limits())

    def limit(self, category: str, grade: int, step: Step) -> Amount:
        """The limit of the category, else the city's for all, else the platform's."""
        for key in ((category, grade, step), (ANY, grade, step)):
            if key in self.own:
                return self.own[key]
        return default_limits()[grade][step]

    def due(self, category: str, grade: int, step: Step, since: datetime) -> datetime:
        """The end of the step's time that begins at `since`."""
        return self.calendar.after(since, self.limit(category, grade, step))

    def state_due(self, category: str, grade: int, state: State, since: datetime) -> datetime | None:
        """The end of a stay in the state; None where nothing limits it."""
        step = STEP_OF.get(state)
        return None if step is None else self.due(category, grade, step, since)

    def left(self, category: str, grade: int, now: datetime, due: datetime) -> float:
        """The seconds left for handling, counted as its limit runs: in working or in natural time."""
        if self.limit(category, grade, "handle").working:
            return self.calendar.working_seconds(now, due)
        return max(0.0, (due - now).total_seconds())

    def resumed(self, category: str, grade: int, now: datetime, left: float) -> datetime:
        """When handling is due that has so many seconds left."""
        if self.limit(category, grade, "handle").working:
            return self.calendar.add_working_seconds(now, left)
        return now + timedelta(seconds=left)
