"""Rules, warnings and faults as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from chengnao.kernel.errors import Invalid
from chengnao.kernel.vocabulary import Level


class Direction(StrEnum):
    """Which side of the threshold is the bad one."""

    ABOVE = "above"
    BELOW = "below"

    @property
    def sign(self) -> int:
        """A factor that turns "worse" into "greater"."""
        return 1 if self is Direction.ABOVE else -1

    @property
    def zh(self) -> str:
        return "高于" if self is Direction.ABOVE else "低于"


class Phase(StrEnum):
    """Where one rule stands for one device."""

    NORMAL = "normal"
    PENDING = "pending"
    """Beyond a threshold, but not yet for long enough."""
    OPEN = "open"
    CLEARING = "clearing"
    """Back inside, but not yet for long enough."""


class WarningState(StrEnum):
    OPEN = "open"
    CLEARED = "cleared"


class FaultKind(StrEnum):
    STUCK = "stuck"
    MISSING = "missing"


@dataclass(frozen=True)
class ThresholdRule:
    """When the values of a metric become a warning, for all devices of a class or for one device.

    A value at the threshold counts as beyond it. A level that is on goes off only once the value is back by more
    than `hysteresis`. Both need `duration_seconds` of the readings' own time.
    """

    id: str
    device_class: str | None
    device_id: str | None
    metric: str
    direction: Direction
    levels: Mapping[Level, float]
    duration_seconds: float
    hysteresis: float
    category: str
    source: str
    division_code: str
    unit_id: str | None
    opens_incident_at: Level = Level.YELLOW
    enabled: bool = True
    revision: int = 1

    def __post_init__(self) -> None:
        if (self.device_class is None) == (self.device_id is None):
            raise Invalid("threshold_target", field="device_class", value=self.device_class)
        if not self.levels:
            raise Invalid("threshold_levels_empty", field="levels", value={})
        if self.duration_seconds < 0 or self.hysteresis < 0:
            raise Invalid(
                "threshold_negative",
                field="duration_seconds" if self.duration_seconds < 0 else "hysteresis",
                value=min(self.duration_seconds, self.hysteresis),
            )
        ordered = [self.direction.sign * self.levels[level] for level in sorted(self.levels)]
        if any(graver <= milder for graver, milder in pairwise(ordered)):
            raise Invalid("threshold_levels_order", field="levels", value=dict(self.levels))


@dataclass(frozen=True, slots=True)
class LevelMark:
    """One level of one rule for one device: whether it is on, and since when the value says the opposite."""

    on: bool = False
    since: int | None = None
    """Milliseconds since the epoch, in the readings' time."""


@dataclass(frozen=True, slots=True)
class SeriesState:
    """Everything that must survive a restart about one rule for one device."""

    rule_id: str
    device_id: str
    revision: int
    last_time: int
    marks: Mapping[Level, LevelMark]

    @property
    def level(self) -> Level | None:
        """The gravest level that is on."""
        return min((level for level, mark in self.marks.items() if mark.on), default=None)

    @property
    def phase(self) -> Phase:
        on = [mark for mark in self.marks.values() if mark.on]
        if not on:
            return Phase.PENDING if any(mark.since is not None for mark in self.marks.values()) else Phase.NORMAL
        return Phase.CLEARING if all(mark.since is not None for mark in on) else Phase.OPEN


@dataclass(frozen=True, slots=True)
class Step:
    """A change that one reading made: the state after it, and the level before it."""

    state: SeriesState
    before: Level | None
    value: float


@dataclass(frozen=True, slots=True)
class FaultStep:
    """A device fault that began or ended. `metric` is empty where the whole device is meant; `value`: at which it is
    stuck."""

    device_id: str
    metric: str
    kind: FaultKind
    opened: bool
    since: int
    value: float | None = None


@dataclass(frozen=True)
class WarningChange:
    """One entry in the record of a warning: level 0 means that it cleared."""

    seq: int
    at: datetime
    level: int
    value: float | None
    reason: str


@dataclass(frozen=True)
class DeviceWarning:
    """A warning about one metric of one device, as it stands."""

    id: str
    rule_id: str
    device_id: str
    device_name: str
    title: str
    metric: str
    unit: str
    direction: Direction
    category: str
    level: Level
    peak_level: Level
    opens_incident_at: Level
    state: WarningState
    value: float
    threshold: float
    opened_at: datetime
    updated_at: datetime
    cleared_at: datetime | None
    division_code: str
    unit_id: str | None
    lon: float | None
    lat: float | None
    incident_id: str | None = None


@dataclass(frozen=True)
class DeviceFacts:
    """What a warning tells of its device."""

    id: str
    name: str
    division_code: str
    unit_id: str | None
    lon: float | None
    lat: float | None
    metric_names: Mapping[str, str]
    metric_units: Mapping[str, str]


def title_of(device: DeviceFacts, rule: ThresholdRule, level: Level, value: float) -> str:
    """One line for people: what, how much, and which bound it broke."""
    name, unit = device.metric_names.get(rule.metric, rule.metric), device.metric_units.get(rule.metric, "")
    bound = f"{rule.direction.zh}{level.zh}阈值 {rule.levels[level]:g} {unit}".rstrip()
    return f"{device.name} {name} {value:.4g} {unit}".rstrip() + f"，{bound}"
