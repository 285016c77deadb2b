"""SQL over the upkeep log and the devices' secrets. Who may see a device may see what belongs to it."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository
from chengnao.sensing.devices.upkeep.model import Credential, Upkeep, Work
from chengnao.sensing.devices.upkeep.tables import CredentialRow, UpkeepRow


class UpkeepRepository(Repository):
    async def add(self, entry: Upkeep) -> None:
        await self.session.execute(insert(UpkeepRow).values(**asdict(entry)))

    async def entries(self, device_id: str, request: PageRequest) -> Page[Upkeep]:
        """What was done to the device, the newest first."""
        query = select(UpkeepRow).where(UpkeepRow.device_id == device_id)
        page = await self.page(query.order_by(UpkeepRow.at.desc(), UpkeepRow.id.desc()), request)
        return page.map(_entry)

    async def newest(self, device_id: str) -> Upkeep | None:
        return next(iter((await self.entries(device_id, PageRequest(1, 1))).items), None)

    async def add_credential(self, credential: Credential, digest: str) -> None:
        await self.session.execute(insert(CredentialRow).values(**asdict(credential), digest=digest))

    async def credentials(self, device_id: str) -> list[Credential]:
        """All secrets that the device ever had, the newest first."""
        query = select(CredentialRow).where(CredentialRow.device_id == device_id).order_by(CredentialRow.id.desc())
        return [_credential(row) for row in await self.session.scalars(query)]

    async def revoke(self, device_id: str, credential_id: str, at: datetime) -> bool:
        """False where the device has no such secret that is in force."""
        held = (
            CredentialRow.id == credential_id,
            CredentialRow.device_id == device_id,
            CredentialRow.revoked_at.is_(None),
        )
        ended = update(CredentialRow).where(*held).values(revoked_at=at).returning(CredentialRow.id)
        return (await self.session.scalar(ended)) is not None

    async def owner_of(self, digest: str) -> str | None:
        """The device whose secret in force has this digest."""
        held = CredentialRow.digest == digest, CredentialRow.revoked_at.is_(None)
        return await self.session.scalar(select(CredentialRow.device_id).where(*held))


def _entry(row: Any) -> Upkeep:
    own = {name: getattr(row, name) for name in Upkeep.__dataclass_fields__}
    return Upkeep(**own | {"kind": Work(row.kind)})


def _credential(row: Any) -> Credential:
    return Credential(row.id, row.device_id, row.created_at, row.created_by, row.revoked_at)
