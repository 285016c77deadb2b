"""Devices of an area, page after page, with as little of each as a map needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, select

from chengnao.kernel.access.model import Scope
from chengnao.kernel.repository import Repository
from chengnao.sensing.devices.model import Life
from chengnao.sensing.devices.tables import DeviceRow

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


@dataclass(frozen=True)
class Area:
    """Which devices: those in a division, in a box, of a class; what is left empty narrows nothing."""

    division: str = ""
    box: Box | None = None
    class_code: str = ""


class Placed(NamedTuple):
    """A device and where it stands."""

    id: str
    name: str
    class_code: str
    division_code: str
    lon: float | None
    lat: float | None


class AreaRepository(Repository):
    async def devices(self, scope: Scope, area: Area, after: str, limit: int) -> list[Placed]:
        """The first `limit` of them whose ids follow `after`, in order of ids."""
        row = DeviceRow
        columns = (row.id, row.name, row.class_code, row.division_code, row.lon, row.lat, row.place_ok)
        query = select(*columns).where(*_inside(scope, area), row.id > after).order_by(row.id).limit(limit)
        found = await self.session.execute(query)
        return [
            Placed(each.id, each.name, each.class_code, each.division_code, each.lon, each.lat)
            if each.place_ok
            else Placed(each.id, each.name, each.class_code, each.division_code, None, None)
            for each in found
        ]

    async def ids(self, scope: Scope, area: Area, after: str, limit: int, among: Sequence[str] = ()) -> list[str]:
        """Like `devices`, only the ids; `among`: no others than these."""
        query = select(DeviceRow.id).where(*_inside(scope, area), DeviceRow.id > after)
        if among:
            query = query.where(DeviceRow.id.in_(among))
        return list(await self.session.scalars(query.order_by(DeviceRow.id).limit(limit)))


def _inside(scope: Scope, area: Area) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [scope.where(DeviceRow), DeviceRow.life != Life.RETIRED.value]
    if area.division:
        # As a range, which the index on the codes serves.
        last = area.division[:-1] + chr(ord(area.division[-1]) + 1)
        conditions += [DeviceRow.division_code >= area.division, DeviceRow.division_code < last]
    if area.box is not None:
        west, south, east, north = area.box
        conditions += [
            DeviceRow.place_ok.is_(True),
            DeviceRow.lon.between(west, east),
            DeviceRow.lat.between(south, north),
        ]
    if area.class_code:
        conditions.append(DeviceRow.class_code == area.class_code)
    return conditions
