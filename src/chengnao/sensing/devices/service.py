"""Registering and changing devices, and the faults that stand on them. Nothing here commits."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Invalid, NotFound
from chengnao.kernel.organisation.service import require_division, require_unit
from chengnao.sensing.devices.checking import check_points, check_settings
from chengnao.sensing.devices.events import DeviceChanged, DeviceRegistered
from chengnao.sensing.devices.model import LIVES, Device, Fault, Life, check_device_id, device_class
from chengnao.sensing.devices.repository import DeviceRepository, fault_values


async def register(uow: UnitOfWork, device: Device) -> Device:
    """Add a device; raises Invalid for a value that cannot be, Conflict where its id or address is taken."""
    await _check(uow, device)
    if not await DeviceRepository(uow.session).add(device):
        raise Conflict("device_taken", field="id", id=device.id, address=device.address or device.id)
    uow.publish(
        DeviceRegistered(
            subject=device.id,
            division_code=device.division_code,
            unit_id=device.unit_id,
            name=device.name,
            class_code=device.class_code,
        )
    )
    return device


async def put_all(uow: UnitOfWork, devices: Sequence[Device]) -> None:
    """Add many devices or bring them to the given state, without events: for a city's first filling."""
    for device in devices:
        check_device_id(device.id)
        device_class(device.class_code)
    if devices:
        await DeviceRepository(uow.session).put(devices)


async def change(uow: UnitOfWork, scope: Scope, device_id: str, changes: Mapping[str, Any]) -> Device:
    """Set the given attributes; raises NotFound outside the scope, Conflict where the new address is taken."""
    repository = DeviceRepository(uow.session)
    before = await repository.device(scope, device_id, lock=True)
    if before is None:
        raise device_not_found(device_id)
    if before.life is Life.RETIRED:
        raise Conflict("device_life", field="life", id=device_id, life=str(before.life), wanted=str(before.life))
    after = replace(before, **changes)
    changed = {name: value for name, value in asdict(after).items() if value != asdict(before)[name]}
    if not changed:
        return before
    await _check(uow, after)
    if after.address is not None and await repository.address_owner(after.protocol, after.address) not in {
        None,
        device_id,
    }:
        raise Conflict("device_taken", field="address", id=device_id, address=after.address)
    await repository.change(device_id, changed)
    _tell_change(uow, after, sorted(changed))
    return after


def _tell_change(uow: UnitOfWork, device: Device, fields: list[str]) -> None:
    uow.publish(
        DeviceChanged(
            subject=device.id,
            division_code=device.division_code,
            unit_id=device.unit_id,
            name=device.name,
            class_code=device.class_code,
            fields=fields,
        )
    )


async def move(uow: UnitOfWork, scope: Scope, device_id: str, life: Life) -> Device:
    """Lead the device into the next part of its life; raises Conflict where that cannot follow.

    A device that leaves duty has no faults: nobody waits for its readings.
    """
    repository = DeviceRepository(uow.session)
    before = await repository.device(scope, device_id, lock=True)
    if before is None:
        raise device_not_found(device_id)
    if life not in LIVES[before.life]:
        raise Conflict("device_life", field="life", id=device_id, life=str(before.life), wanted=str(life))
    after = replace(before, life=life, faults=before.faults if life.on_duty else ())
    await repository.change(device_id, {"life": str(life), "faults": fault_values(after.faults)})
    _tell_change(uow, after, ["life"])
    return after


async def note_fault(
    uow: UnitOfWork, device_id: str, metric: str, kind: str, since: datetime, value: float | None = None
) -> None:
    """Let a fault stand on the device, noting at which value it is stuck; noting it again changes nothing."""
    await _change_fault(uow, device_id, metric, kind, Fault(metric, kind, since, value))


async def note_presence(uow: UnitOfWork, came: Sequence[str], went: Sequence[str]) -> None:
    """Keep which devices are heard again and which no longer are; lists are filtered by it."""
    await DeviceRepository(uow.session).note_presence(came, went)


async def clear_fault(uow: UnitOfWork, device_id: str, metric: str, kind: str) -> None:
    """Take the fault off the device, where it stands."""
    await _change_fault(uow, device_id, metric, kind, None)


async def _change_fault(uow: UnitOfWork, device_id: str, metric: str, kind: str, fault: Fault | None) -> None:
    repository = DeviceRepository(uow.session)
    device = await repository.device(Scope(), device_id, lock=True)
    if device is None:
        return
    faults = [each for each in device.faults if (each.metric, each.kind) != (metric, kind)]
    if fault is not None:
        faults.append(fault)
    await repository.change(device_id, {"faults": fault_values(faults)})


async def require_device(uow: UnitOfWork, scope: Scope, device_id: str) -> Device:
    """The device; raises NotFound where there is none in the scope."""
    device = await DeviceRepository(uow.session).device(scope, device_id)
    if device is None:
        raise device_not_found(device_id)
    return device


def device_not_found(device_id: str) -> NotFound:
    return NotFound("not_found", kind="设备 device", id=device_id)


async def _check(uow: UnitOfWork, device: Device) -> None:
    check_device_id(device.id)
    device_class(device.class_code)
    if device.interval_seconds < 1:
        raise Invalid(
            "invalid_value",
            field="interval_seconds",
            value=device.interval_seconds,
            reason_zh="上报间隔至少为 1 秒",
            reason_en="a device reports once a second at most",
        )
    check_settings(device.settings)
    check_points(device)
    await require_division(uow, device.division_code)
    if device.unit_id is not None:
        await require_unit(uow, device.unit_id)
