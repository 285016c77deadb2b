"""An entry of the upkeep log; a device's secret."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Work(StrEnum):
    """What was done to a device."""

    INSTALLED = "installed"
    INSPECTED = "inspected"
    CALIBRATED = "calibrated"
    CLEANED = "cleaned"
    REPAIRED = "repaired"
    REPLACED = "replaced"
    REMOVED = "removed"


@dataclass(frozen=True)
class Upkeep:
    """Who did what to a device, when, and when it is due again. `recorded_by` wrote it down."""

    id: str
    device_id: str
    at: datetime
    kind: Work
    note: str
    person: str
    next_due: date | None
    recorded_at: datetime
    recorded_by: str


@dataclass(frozen=True)
class Credential:
    """A secret of one device; the secret itself is not kept."""

    id: str
    device_id: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
