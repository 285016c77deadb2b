"""Upkeep and credentials of a device over HTTP."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.web import Id, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.sensing.devices.model import Device
from chengnao.sensing.devices.service import require_device
from chengnao.sensing.devices.upkeep import service
from chengnao.sensing.devices.upkeep.model import Work
from chengnao.sensing.devices.upkeep.repository import UpkeepRepository

router = APIRouter(tags=["devices"])

DeviceId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("device.read"))]
Writer = Annotated[Principal, Depends(require("device.write"))]


class UpkeepIn(BaseModel):
    """`person` did it; left out: whoever writes it down. `at` left out: now."""

    kind: Work
    at: AwareDatetime | None = None
    person: Annotated[str, Field(max_length=100)] = ""
    note: Annotated[str, Field(max_length=2000)] = ""
    next_due: date | None = None


class UpkeepOut(BaseModel):
    id: str
    at: datetime
    kind: Work
    note: str
    person: str
    next_due: date | None
    recorded_at: datetime
    recorded_by: str


class CredentialOut(BaseModel):
    id: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None


class NewCredential(CredentialOut):
    """`username` is the device's id; `secret` is the password over MQTT and CoAP, the bearer token over HTTP, and is
    told this once."""

    username: str
    secret: str


@router.get("/devices/{device_id}/upkeep")
async def list_upkeep(
    device_id: DeviceId, principal: Reader, scope: ScopeDep, uow: UowDep, page: PageDep
) -> PageOf[UpkeepOut]:
    """What was done to the device, the newest first."""
    device = await require_device(uow, scope, device_id)
    found = await UpkeepRepository(uow.session).entries(device.id, page)
    return PageOf.of(found, [UpkeepOut(**asdict(entry)) for entry in found.items])


@router.post("/devices/{device_id}/upkeep", status_code=201)
async def note_upkeep(
    device_id: DeviceId, body: UpkeepIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> UpkeepOut:
    device = await _own(uow, scope, device_id, request, principal)
    person, at = body.person.strip() or principal.name, body.at or uow.clock.now()
    entry = await service.note_upkeep(uow, principal, device, body.kind, at, person, body.note, body.next_due)
    await record_act(uow, principal, "device.upkeep", device=device.id, kind=str(body.kind))
    await uow.commit()
    return UpkeepOut(**asdict(entry))


@router.get("/devices/{device_id}/credentials")
async def list_credentials(
    device_id: DeviceId, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> list[CredentialOut]:
    device = await _own(uow, scope, device_id, request, principal)
    found = await UpkeepRepository(uow.session).credentials(device.id)
    return [CredentialOut(**asdict(each)) for each in found]


@router.post("/devices/{device_id}/credentials", status_code=201)
async def make_credential(
    device_id: DeviceId, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> NewCredential:
    """A secret with which the device may send its own readings; it is told this once."""
    device = await _own(uow, scope, device_id, request, principal)
    credential, secret = await service.make_credential(uow, principal, device)
    await record_act(uow, principal, "device.credential", device=device.id, credential=credential.id)
    await uow.commit()
    return NewCredential(**asdict(credential), username=device.id, secret=secret)


@router.delete("/devices/{device_id}/credentials/{credential_id}", status_code=204)
async def revoke_credential(
    device_id: DeviceId, credential_id: Id, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> None:
    device = await _own(uow, scope, device_id, request, principal)
    await service.revoke_credential(uow, device, credential_id)
    await record_act(uow, principal, "device.credential.revoke", device=device.id, credential=credential_id)
    await uow.commit()


async def _own(uow: UnitOfWork, scope: Scope, device_id: str, request: Request, principal: Principal) -> Device:
    """The device, where the principal may write it."""
    device = await require_device(uow, scope, device_id)
    await check(request, principal, "device.write", device.division_code, device.unit_id)
    return device
