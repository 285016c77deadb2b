"""All devices of a scope at once, for a gateway that keeps them by itself."""

from sqlalchemy import String, func, select

from chengnao.kernel.access.model import Scope
from chengnao.kernel.repository import Repository
from chengnao.sensing.devices.model import Device
from chengnao.sensing.devices.repository import device_of
from chengnao.sensing.devices.tables import DeviceRow

_PART = 5_000


class SnapshotRepository(Repository):
    async def mark(self, scope: Scope) -> str:
        """Another text whenever anything of a device of the scope was written, also what a gateway has no use for."""
        query = select(func.count(), func.max(DeviceRow.updated_at)).where(scope.where(DeviceRow))
        count, newest = (await self.session.execute(query)).one()
        return f"{count}-{newest.timestamp() if newest else 0:.6f}"

    async def content(self, scope: Scope) -> str:
        """Another text whenever a gateway would serve the devices of the scope otherwise; reads all of them."""
        served = (
            DeviceRow.id,
            DeviceRow.class_code,
            DeviceRow.division_code,
            DeviceRow.unit_id,
            DeviceRow.protocol,
            DeviceRow.address,
            DeviceRow.settings.cast(String),
            DeviceRow.points.cast(String),
            DeviceRow.life,
        )
        every = func.sum(func.hashtextextended(func.concat_ws("|", *(func.coalesce(each, "-") for each in served)), 0))
        return str(await self.session.scalar(select(every).where(scope.where(DeviceRow))) or 0)

    async def all(self, scope: Scope) -> list[Device]:
        devices: list[Device] = []
        while True:
            query = select(*DeviceRow.__table__.c).where(scope.where(DeviceRow)).order_by(DeviceRow.id).limit(_PART)
            if devices:
                query = query.where(DeviceRow.id > devices[-1].id)
            rows = (await self.session.execute(query)).all()
            devices += [device_of(row) for row in rows]
            if len(rows) < _PART:
                return devices
