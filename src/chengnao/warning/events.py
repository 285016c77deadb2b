"""What happened to warnings and to devices. Times are ISO 8601, UTC; level 1 is the gravest."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@dataclass(frozen=True, kw_only=True)
class WarningEvent(DomainEvent):
    """`subject` is the warning. Carries all that a reader needs to act without asking back."""

    device_id: str
    device_name: str
    metric: str
    category: str
    title: str
    level: int
    opens_incident_at: int
    value: float
    at: str
    lon: float | None
    lat: float | None


@domain_event("warning.opened")
@dataclass(frozen=True, kw_only=True)
class WarningOpened(WarningEvent):
    pass


@domain_event("warning.changed")
@dataclass(frozen=True, kw_only=True)
class WarningChanged(WarningEvent):
    previous_level: int


@domain_event("warning.cleared")
@dataclass(frozen=True, kw_only=True)
class WarningCleared(WarningEvent):
    reason: str


@dataclass(frozen=True, kw_only=True)
class DeviceFaultEvent(DomainEvent):
    """`subject` is the device; `metric` is empty where the whole device is meant."""

    device_name: str
    metric: str
    kind: str
    at: str


@domain_event("device.fault_opened")
@dataclass(frozen=True, kw_only=True)
class DeviceFaultOpened(DeviceFaultEvent):
    pass


@domain_event("device.fault_cleared")
@dataclass(frozen=True, kw_only=True)
class DeviceFaultCleared(DeviceFaultEvent):
    pass
