"""What people do to devices: the upkeep log, and the secrets that devices show. Nothing here commits."""

from datetime import UTC, date, datetime

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import digest
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.ids import new_id, new_secret
from chengnao.sensing.devices.model import Device, Life
from chengnao.sensing.devices.repository import DeviceRepository
from chengnao.sensing.devices.upkeep.model import Credential, Upkeep, Work
from chengnao.sensing.devices.upkeep.repository import UpkeepRepository

PREFIX = "cnd_"


async def note_upkeep(
    uow: UnitOfWork,
    principal: Principal,
    device: Device,
    kind: Work,
    at: datetime,
    person: str,
    note: str = "",
    next_due: date | None = None,
) -> Upkeep:
    """Write down what was done; the newest entry says when the device is due. Raises Invalid for work of tomorrow."""
    now = uow.clock.now()
    if at > now:
        raise Invalid(
            "invalid_value",
            field="at",
            value=at.isoformat(),
            reason_zh="维护时间不能晚于现在",
            reason_en="what was done cannot lie ahead",
        )
    if next_due is not None and next_due <= at.date():
        raise Invalid(
            "invalid_value",
            field="next_due",
            value=next_due.isoformat(),
            reason_zh="下次维护日期应晚于本次",
            reason_en="it is due again after it was done",
        )
    entry = Upkeep(new_id(), device.id, at, kind, note.strip(), person.strip(), next_due, now, principal.name)
    repository = UpkeepRepository(uow.session)
    await repository.add(entry)
    newest = await repository.newest(device.id)
    await DeviceRepository(uow.session).change(device.id, {"upkeep_due": newest.next_due if newest else None})
    return entry


async def make_credential(uow: UnitOfWork, principal: Principal, device: Device) -> tuple[Credential, str]:
    """A new secret of the device, which is told once; those made before go on until they are revoked."""
    if device.life is Life.RETIRED:
        raise Invalid(
            "invalid_value",
            field="device_id",
            value=device.id,
            reason_zh="已报废的设备不能再发放凭据",
            reason_en="a retired device gets no credential",
        )
    secret = f"{PREFIX}{new_secret()}"
    credential = Credential(new_id(), device.id, datetime.now(UTC), principal.name, None)
    await UpkeepRepository(uow.session).add_credential(credential, digest(secret))
    return credential, secret


async def revoke_credential(uow: UnitOfWork, device: Device, credential_id: str) -> None:
    """End the secret at once for whoever asks the database; gateways follow within 10 seconds. Raises NotFound."""
    if not await UpkeepRepository(uow.session).revoke(device.id, credential_id, datetime.now(UTC)):
        raise NotFound("not_found", kind="设备凭据 device credential", id=credential_id)


async def device_of_secret(uow: UnitOfWork, secret: str) -> Device | None:
    """The device that the secret belongs to; None where it is wrong or revoked, or the device is retired."""
    if not secret.startswith(PREFIX):
        return None
    device_id = await UpkeepRepository(uow.session).owner_of(digest(secret))
    device = None if device_id is None else await DeviceRepository(uow.session).device(Scope(), device_id)
    return None if device is None or device.life is Life.RETIRED else device
