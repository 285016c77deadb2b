"""Rows of a file become devices, batch by batch. The same file again changes nothing."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.organisation.service import every_division, today
from chengnao.sensing.devices.importing.model import CellError, Counts, DeviceImport, Header, Row, Wanted, WrongCell
from chengnao.sensing.devices.importing.rows import Known, RowReader, cell_error
from chengnao.sensing.devices.model import LIVES, Device, Life, Protocol, device_class
from chengnao.sensing.devices.repository import DeviceRepository

Address = tuple[Protocol, str]


class Taking:
    """One file on its way in: what was read of it so far."""

    def __init__(self, job: DeviceImport, known: Known) -> None:
        self.job = job
        self._reader = RowReader(known)
        self._seen: dict[tuple[str, str | Address], int] = {}
        """In which row each id and each address stood first."""
        self.errors = job.errors

    @classmethod
    async def of(cls, uow: UnitOfWork, job: DeviceImport) -> "Taking":
        units = await OrganisationRepository(uow.session).unit_names()
        return cls(job, Known.of(await every_division(uow), units, job.scope, job.crs, today(uow)))

    def read(self, header: Header, row: Row) -> Wanted | list[CellError]:
        """What the row says, or what is wrong with it, by itself or beside the rows before it."""
        read = self._reader.read(header, row)
        if isinstance(read, list):
            return read
        keys = (("id", read.values.get("id")), ("address", _address(read)))
        for name, key in keys:
            first = self._seen.setdefault((name, key), row.number) if key is not None else row.number
            if first != row.number:
                return [cell_error(header, row, name, WrongCell("device_import_twice", first=first))]
        return read

    async def take(self, uow: UnitOfWork, rows: Sequence[tuple[Header, Row]], counts: Counts) -> list[CellError]:
        """Take the rows in, or only look where the import is a trial; adds to the counts. Does not commit."""
        errors: list[CellError] = []
        good: list[tuple[Header, Wanted]] = []
        for header, row in rows:
            read = self.read(header, row)
            if isinstance(read, Wanted):
                good.append((header, read))
            else:
                errors += read
                counts.rejected += 1
        holders = await self._holders(uow, [wanted for _, wanted in good])
        put: list[Device] = []
        for header, wanted in good:
            try:
                device = self._device(wanted, *holders)
            except Invalid as error:
                errors.append(cell_error(header, wanted.row, str(error.params["at"]), error))
                counts.rejected += 1
                continue
            if device is None:
                counts.unchanged += 1
                continue
            put.append(device)
            if device.id in holders[0]:
                counts.changed += 1
            else:
                counts.added += 1
        if put and not self.job.dry_run:
            await DeviceRepository(uow.session).put(put)
        return errors

    async def _holders(
        self, uow: UnitOfWork, wanted: Sequence[Wanted]
    ) -> tuple[dict[str, Device], dict[Address, Device]]:
        """The devices that have the ids or the addresses already."""
        repository = DeviceRepository(uow.session)
        ids = [each.values["id"] for each in wanted if "id" in each.values]
        addresses = [address for each in wanted if (address := _address(each)) is not None]
        found = await repository.by_ids(Scope(), ids, lock=True) if ids else []
        held = await repository.by_addresses(addresses) if addresses else []
        by_address = {(each.protocol, each.address): each for each in held if each.address is not None}
        return {each.id: each for each in [*held, *found]}, by_address

    def _device(self, wanted: Wanted, by_id: dict[str, Device], by_address: dict[Address, Device]) -> Device | None:
        """The device as the row wants it; None where it is so already. Raises Invalid, `at` names the field."""
        values, address = dict(wanted.values), _address(wanted)
        holder = by_address.get(address) if address is not None else None
        before = by_id.get(values["id"]) if "id" in values else holder
        if holder is not None and before is not None and holder.id != before.id:
            raise WrongCell("device_import_taken", at="address", holder=holder.id)
        if before is None:
            if holder is not None:
                raise WrongCell("device_import_taken", at="address", holder=holder.id)
            return _new(values)
        if not _inside(self.job.scope, before):
            raise WrongCell("device_import_taken", at="id" if "id" in values else "address", holder=before.id)
        changes = wanted.onto(before)
        if not changes:
            return None
        life = changes.get("life", before.life)
        if before.life is Life.RETIRED or (life is not before.life and life not in LIVES[before.life]):
            raise WrongCell("device_import_life_change", at="life", life=str(before.life), wanted=str(life))
        return replace(before, **changes)


def _address(wanted: Wanted) -> Address | None:
    if "address" not in wanted.values:
        return None
    return wanted.values.get("protocol", Protocol.HTTP), wanted.values["address"]


def _new(values: dict[str, Any]) -> Device:
    kind = device_class(values["class_code"])
    default: dict[str, Any] = {
        "id": values.get("id") or new_id(),
        "unit_id": None,
        "protocol": Protocol.HTTP,
        "address": None,
        "lon": None,
        "lat": None,
        "place_ok": False,
        "interval_seconds": kind.interval_seconds,
    }
    return Device(**default | values)


def _inside(scope: Scope, device: Device) -> bool:
    own = scope.division_code == CITY or device.division_code.startswith(scope.division_code)
    return own and (scope.unit_id is None or device.unit_id == scope.unit_id)
