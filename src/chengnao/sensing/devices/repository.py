"""All SQL over devices."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Float,
    Select,
    String,
    and_,
    case,
    column,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains
from chengnao.sensing.devices.model import MISSED_INTERVALS, Device, Fault, Point, Protocol, Status
from chengnao.sensing.devices.tables import DeviceRow


@dataclass(frozen=True)
class DeviceFilter:
    """What a list of devices is narrowed by."""

    words: str = ""
    class_code: str = ""
    division: str = ""
    status: Status | None = None


@dataclass(frozen=True)
class Cluster:
    """Devices that lie in one cell of the map's grid, at their mean place."""

    lon: float
    lat: float
    count: int
    faulty: int


class DeviceRepository(Repository):
    async def add(self, device: Device) -> bool:
        """False where the id or the address is taken already."""
        statement = insert(DeviceRow).values(**_values(device)).on_conflict_do_nothing().returning(DeviceRow.id)
        return (await self.session.scalar(statement)) is not None

    async def put(self, devices: Sequence[Device]) -> None:
        """Add the devices, or bring those with the same id to the new state; standing faults are left alone."""
        rows = [_values(device) for device in devices]
        if not rows:
            return
        statement = insert(DeviceRow)
        fresh = {name: statement.excluded[name] for name in rows[0] if name not in {"id", "faults"}}
        await self.session.execute(
            statement.on_conflict_do_update(index_elements=["id"], set_=fresh | {"updated_at": func.clock_timestamp()}),
            rows,
        )

    async def change(self, device_id: str, values: Mapping[str, Any]) -> None:
        await self.session.execute(update(DeviceRow).where(DeviceRow.id == device_id).values(**values))

    async def device(self, scope: Scope, device_id: str, *, lock: bool = False) -> Device | None:
        query = select(DeviceRow).where(DeviceRow.id == device_id, scope.where(DeviceRow))
        row = await self.session.scalar(query.with_for_update() if lock else query)
        return None if row is None else _device(row)

    async def by_ids(self, scope: Scope, ids: Sequence[str]) -> list[Device]:
        rows = await self.session.scalars(select(DeviceRow).where(DeviceRow.id.in_(ids), scope.where(DeviceRow)))
        return [_device(row) for row in rows]

    async def address_owner(self, protocol: Protocol, address: str) -> str | None:
        """The id of the device that holds the address in this protocol."""
        held = DeviceRow.address == address, DeviceRow.protocol == protocol.value
        return await self.session.scalar(select(DeviceRow.id).where(*held))

    async def devices(
        self, scope: Scope, wanted: DeviceFilter, request: PageRequest, seen: Mapping[str, datetime], now: datetime
    ) -> Page[Device]:
        """`seen` is needed for the filter by status alone."""
        query = select(DeviceRow).where(scope.where(DeviceRow)).order_by(DeviceRow.id)
        query = _narrowed(query, wanted)
        if wanted.status is not None:
            query = query.where(_status_condition(wanted.status, seen, now))
        page = await self.page(query, request)
        return page.map(_device)

    async def changed_since(self, since: datetime | None) -> tuple[list[Device], datetime]:
        """Devices written after `since` (all for None), and the `since` to ask with next time.

        That lies before whatever is still being written: a write carries the time of its statement and is seen
        only after its commit.
        """
        horizon = await self.session.scalar(
            text(
                "SELECT least(min(xact_start), clock_timestamp()) FROM pg_stat_activity"
                " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )
        assert isinstance(horizon, datetime)
        query = select(*DeviceRow.__table__.c)
        if since is None:
            devices = await self._all(query)
        else:
            changed = await self.session.execute(query.where(DeviceRow.updated_at > since))
            devices = [_device(row) for row in changed]
        return devices, horizon - timedelta(seconds=1)

    async def _all(self, query: Select[Any]) -> list[Device]:
        """In parts: a hundred thousand rows at once would hold up everything else in the process."""
        devices: list[Device] = []
        while True:
            part = query.order_by(DeviceRow.id).limit(5_000)
            if devices:
                part = part.where(DeviceRow.id > devices[-1].id)
            rows = (await self.session.execute(part)).all()
            devices += [_device(row) for row in rows]
            if len(rows) < 5_000:
                return devices

    async def count_in(self, scope: Scope, box: tuple[float, float, float, float]) -> int:
        query = select(func.count()).select_from(DeviceRow).where(scope.where(DeviceRow), _inside(box))
        return (await self.session.scalar(query)) or 0

    async def all_in(self, scope: Scope, box: tuple[float, float, float, float]) -> list[Device]:
        query = select(DeviceRow).where(scope.where(DeviceRow), _inside(box)).order_by(DeviceRow.id)
        return [_device(row) for row in await self.session.scalars(query)]

    async def clusters_in(self, scope: Scope, box: tuple[float, float, float, float], cell: float) -> list[Cluster]:
        """One cluster for each cell of `cell` degrees that holds a device."""
        column_no, row_no = func.floor(DeviceRow.lon / cell), func.floor(DeviceRow.lat / cell)
        faulty = func.sum(case((func.jsonb_array_length(DeviceRow.faults) > 0, 1), else_=0))
        query = (
            select(func.avg(DeviceRow.lon), func.avg(DeviceRow.lat), func.count(), faulty)
            .where(scope.where(DeviceRow), _inside(box))
            .group_by(column_no, row_no)
        )
        return [Cluster(*row) for row in (await self.session.execute(query)).all()]


def _inside(box: tuple[float, float, float, float]) -> ColumnElement[bool]:
    west, south, east, north = box
    return and_(DeviceRow.place_ok, DeviceRow.lon.between(west, east), DeviceRow.lat.between(south, north))


def _narrowed(query: Select[DeviceRow], wanted: DeviceFilter) -> Select[DeviceRow]:
    if wanted.words:
        query = query.where(
            or_(
                contains(DeviceRow.id, wanted.words),
                contains(DeviceRow.name, wanted.words),
                contains(DeviceRow.address, wanted.words),
            )
        )
    if wanted.class_code:
        query = query.where(DeviceRow.class_code == wanted.class_code)
    if wanted.division:
        query = query.where(DeviceRow.division_code.startswith(wanted.division, autoescape=True))
    return query


def _status_condition(status: Status, seen: Mapping[str, datetime], now: datetime) -> ColumnElement[bool]:
    faulty = func.jsonb_array_length(DeviceRow.faults) > 0
    if status is Status.FAULTY:
        return faulty
    columns = column("device", String), column("seen", DateTime(True))
    known = func.unnest(literal(list(seen), ARRAY(String)), literal(list(seen.values()), ARRAY(DateTime(True))))
    last = known.table_valued(*columns, name="last").render_derived()
    patience = func.make_interval(0, 0, 0, 0, 0, 0, DeviceRow.interval_seconds.cast(Float) * MISSED_INTERVALS)
    alive = (
        select(text("1"))
        .select_from(last)
        .where(last.c.device == DeviceRow.id, last.c.seen >= literal(now, DateTime(True)) - patience)
        .exists()
    )
    return and_(not_(faulty), alive if status is Status.ONLINE else not_(alive))


def _values(device: Device) -> dict[str, Any]:
    return {
        "id": device.id,
        "name": device.name,
        "class_code": device.class_code,
        "division_code": device.division_code,
        "unit_id": device.unit_id,
        "protocol": str(device.protocol),
        "address": device.address,
        "lon": device.lon,
        "lat": device.lat,
        "place_ok": device.place_ok,
        "interval_seconds": device.interval_seconds,
        "faults": fault_values(device.faults),
        "settings": dict(device.settings),
        "points": {name: asdict(point) for name, point in device.points.items()},
    }


def fault_values(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    return [{"metric": fault.metric, "kind": fault.kind, "since": fault.since.isoformat()} for fault in faults]


def _device(row: Any) -> Device:
    return Device(
        id=row.id,
        name=row.name,
        class_code=row.class_code,
        division_code=row.division_code,
        unit_id=row.unit_id,
        protocol=Protocol(row.protocol),
        address=row.address,
        lon=row.lon,
        lat=row.lat,
        place_ok=row.place_ok,
        interval_seconds=row.interval_seconds,
        faults=tuple(Fault(each["metric"], each["kind"], datetime.fromisoformat(each["since"])) for each in row.faults),
        settings=row.settings,
        points={name: Point(**given) for name, given in row.points.items()},
    )
