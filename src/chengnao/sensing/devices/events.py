"""What happened in the registry of devices."""

from dataclasses import dataclass

from chengnao.kernel.events import DomainEvent, domain_event


@dataclass(frozen=True, kw_only=True)
class DeviceEvent(DomainEvent):
    """`subject` is the device."""

    name: str
    class_code: str


@domain_event("device.registered")
@dataclass(frozen=True, kw_only=True)
class DeviceRegistered(DeviceEvent):
    pass


@domain_event("device.changed")
@dataclass(frozen=True, kw_only=True)
class DeviceChanged(DeviceEvent):
    fields: list[str]
