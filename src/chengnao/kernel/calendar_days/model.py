"""One day that the city has settled itself."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class CalendarDay:
    day: date
    working: bool
    note: str
    """Why, and by which document."""
