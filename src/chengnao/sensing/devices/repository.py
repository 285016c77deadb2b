"""All SQL over devices as such; lists and maps stand in `list_repository.py`, upkeep in `upkeep_repository.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import String

from chengnao.kernel.access.model import Scope
from chengnao.kernel.repository import Repository, batched
from chengnao.sensing.devices.model import Device, Fault, Life, Point, Protocol, search_keys
from chengnao.sensing.devices.tables import DeviceRow, PresenceRow, SearchRow

_SEARCHED = {"name", "address", "serial"}


class DeviceRepository(Repository):
    async def add(self, device: Device) -> bool:
        """False where the id or the address is taken already."""
        statement = insert(DeviceRow).values(**_values(device)).on_conflict_do_nothing().returning(DeviceRow.id)
        added = (await self.session.scalar(statement)) is not None
        if added:
            await self._put_beside([device])
        return added

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
        await self._put_beside(devices)

    async def _put_beside(self, devices: Sequence[Device]) -> None:
        """What is kept beside the devices: whether each is heard, and what each is found by."""
        present = [{"device_id": device.id, "online": False} for device in devices]
        await self.session.execute(insert(PresenceRow).on_conflict_do_nothing(), present)
        found = insert(SearchRow)
        await self.session.execute(
            found.on_conflict_do_update(index_elements=["device_id"], set_={"keys": found.excluded["keys"]}),
            [
                {"device_id": each.id, "keys": search_keys(each.id, each.name, each.address, each.serial)}
                for each in devices
            ],
        )

    async def change(self, device_id: str, values: Mapping[str, Any]) -> None:
        await self.session.execute(update(DeviceRow).where(DeviceRow.id == device_id).values(**values))
        if _SEARCHED & values.keys():
            device = await self.device(Scope(), device_id)
            if device is not None:
                await self._put_beside([device])

    async def device(self, scope: Scope, device_id: str, *, lock: bool = False) -> Device | None:
        query = select(DeviceRow).where(DeviceRow.id == device_id, scope.where(DeviceRow))
        row = await self.session.scalar(
            query.with_for_update() if lock else query, execution_options={"populate_existing": True}
        )
        return None if row is None else device_of(row)

    async def by_ids(self, scope: Scope, ids: Sequence[str], *, lock: bool = False) -> list[Device]:
        query = select(DeviceRow).where(DeviceRow.id.in_(ids), scope.where(DeviceRow))
        rows = await self.session.scalars(query.order_by(DeviceRow.id).with_for_update() if lock else query)
        return [device_of(row) for row in rows]

    async def by_addresses(self, addresses: Sequence[tuple[Protocol, str]]) -> list[Device]:
        """Those that hold one of the addresses."""
        wanted = [(protocol.value, address) for protocol, address in addresses]
        held = tuple_(DeviceRow.protocol, DeviceRow.address).in_(wanted), DeviceRow.life != Life.RETIRED.value
        return [device_of(row) for row in await self.session.scalars(select(DeviceRow).where(*held))]

    async def address_owner(self, protocol: Protocol, address: str) -> str | None:
        """The id of the device that holds the address in this protocol; what is retired holds none."""
        held = DeviceRow.address == address, DeviceRow.protocol == protocol.value, DeviceRow.life != Life.RETIRED.value
        return await self.session.scalar(select(DeviceRow.id).where(*held))

    async def changed_since(self, since: datetime) -> tuple[list[Device], datetime]:
        """Devices written after `since`, and the `since` to ask with next time; `RosterRepository` reads all."""
        horizon = await self.horizon()
        changed = await self.session.execute(select(*DeviceRow.__table__.c).where(DeviceRow.updated_at > since))
        return [device_of(row) for row in changed], horizon

    async def horizon(self) -> datetime:
        """What is read from now on holds all that was written before this moment.

        It lies before whatever is still being written: a write carries the time of its statement and is seen only
        after its commit.
        """
        horizon = await self.session.scalar(
            text(
                "SELECT least(min(xact_start), clock_timestamp()) FROM pg_stat_activity"
                " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
        )
        assert isinstance(horizon, datetime)
        return horizon - timedelta(seconds=1)

    async def online(self) -> list[str]:
        """The ids of all devices that are heard, as of the last look."""
        return list(await self.session.scalars(select(PresenceRow.device_id).where(PresenceRow.online)))

    async def note_presence(self, online: Sequence[str], offline: Sequence[str]) -> None:
        """Keep that these devices are heard from now on, and those no longer."""
        for ids, state in ((online, True), (offline, False)):
            for part in batched(sorted(ids), 20_000):
                known = func.unnest(literal(list(part), ARRAY(String))).column_valued("known")
                named = PresenceRow.device_id.in_(select(known))
                await self.session.execute(update(PresenceRow).where(named).values(online=state))


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
        "life": str(device.life),
        "owner": device.owner,
        "vendor": device.vendor,
        "model": device.model,
        "serial": device.serial,
        "upkeep_due": device.upkeep_due,
    }


def fault_values(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    return [
        {"metric": fault.metric, "kind": fault.kind, "since": fault.since.isoformat()}
        | ({} if fault.value is None else {"value": fault.value})
        for fault in faults
    ]


def device_of(row: Any) -> Device:
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
        faults=tuple(
            Fault(each["metric"], each["kind"], datetime.fromisoformat(each["since"]), each.get("value"))
            for each in row.faults
        ),
        settings=row.settings,
        points={name: Point(**given) for name, given in row.points.items()},
        life=Life(row.life),
        owner=row.owner,
        vendor=row.vendor,
        model=row.model,
        serial=row.serial,
        upkeep_due=row.upkeep_due,
    )
