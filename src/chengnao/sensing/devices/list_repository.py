"""SQL behind lists, tallies and maps of devices. Whatever a city holds, an answer reads a bounded number of rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, String, and_, case, func, literal, literal_column, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from chengnao.kernel.access.model import Scope
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains
from chengnao.sensing.devices.model import Device, Life, Status, search_keys
from chengnao.sensing.devices.repository import device_of
from chengnao.sensing.devices.tables import DeviceRow, PresenceRow, SearchRow

COUNTED = 10_000
"""Lists are counted up to this; of longer ones it is said that there are more."""

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

_FAULTY: ColumnElement[bool] = DeviceRow.faults != literal_column("'[]'::jsonb")


@dataclass(frozen=True)
class DeviceFilter:
    """What a list of devices is narrowed by; `upkeep_until`: those whose upkeep is due by that day."""

    words: str = ""
    class_code: str = ""
    division: str = ""
    status: Status | None = None
    life: Life | None = None
    upkeep_until: date | None = None


@dataclass(frozen=True)
class DevicePage(Page[Device]):
    """Part of a list in order of ids; `more`: the whole is longer than `total`, which is then COUNTED."""

    more: bool = False


@dataclass(frozen=True)
class Cluster:
    """Devices that lie in one cell of the map's grid, at their mean place."""

    lon: float
    lat: float
    count: int
    faulty: int


@dataclass(frozen=True)
class Tally:
    """How many devices there are of one class."""

    class_code: str
    count: int
    faulty: int
    offline: int
    lives: dict[Life, int]


@dataclass(frozen=True)
class Cell:
    """Devices of one division in one cell of the whole map's grid: their number and the sums of their places."""

    division_code: str
    count: int
    faulty: int
    lon: float
    lat: float


class DeviceLists(Repository):
    async def devices(
        self, scope: Scope, wanted: DeviceFilter, request: PageRequest, after: str | None = None
    ) -> DevicePage:
        """A part of the list; `after` an id is as fast at the end of the list as at its beginning."""
        rare = await self._are_rare(wanted.words)
        conditions = [scope.where(DeviceRow), *_conditions(wanted, by_keys=rare)]
        hits = select(DeviceRow.id).where(*conditions).limit(COUNTED + 1).cte("hits").prefix_with("MATERIALIZED")
        first = select(hits.c.id).order_by(hits.c.id)
        if after is not None:
            first = first.where(hits.c.id > after)
        first = first.offset(0 if after is not None else request.offset).limit(request.size)
        found = await self.session.execute(
            select(select(func.count()).select_from(hits).scalar_subquery(), func.array(first.scalar_subquery()))
        )
        count, ids = found.one()
        if count <= COUNTED:
            return DevicePage(await self._in_order(ids), count, request.page, request.size)
        # So many match that few are passed over in order of ids, unless those of a division stand close together; then
        # the index of divisions finds them, which an order by an expression leaves to it.
        narrow = bool(wanted.division) or scope.division_code != CITY
        order = DeviceRow.id.concat("") if narrow else DeviceRow.id
        conditions = [scope.where(DeviceRow), *_conditions(wanted, by_keys=False)]
        query = select(DeviceRow.id).where(*conditions).order_by(order).limit(request.size)
        query = query.offset(request.offset) if after is None else query.where(DeviceRow.id > after)
        ids = list(await self.session.scalars(query))
        return DevicePage(await self._in_order(ids), COUNTED, request.page, request.size, more=True)

    async def _are_rare(self, words: str) -> bool:
        """Whether so few devices hold the words' pairs that it pays to look them up first."""
        some = select(SearchRow.device_id).where(_holds(words)).limit(2 * COUNTED + 1).subquery()
        if len(words) < 2:
            return False
        return (await self.session.scalar(select(func.count()).select_from(some)) or 0) <= 2 * COUNTED

    async def _in_order(self, ids: Sequence[str]) -> list[Device]:
        query = select(DeviceRow).where(DeviceRow.id.in_(ids)).order_by(DeviceRow.id)
        return [device_of(row) for row in await self.session.scalars(query)]

    async def count(self, scope: Scope) -> int:
        return (
            await self.session.scalar(select(func.count()).select_from(DeviceRow).where(scope.where(DeviceRow)))
        ) or 0

    async def online(self, scope: Scope) -> int:
        """How many are heard and have no fault."""
        silent = PresenceRow.device_id == DeviceRow.id, ~PresenceRow.online
        out = select(func.count()).select_from(DeviceRow).where(scope.where(DeviceRow), _FAULTY)
        offline = select(func.count()).select_from(DeviceRow).join(PresenceRow, and_(*silent))
        offline = offline.where(scope.where(DeviceRow), ~_FAULTY)
        counts = [await self.session.scalar(query) or 0 for query in (out, offline)]
        return await self.count(scope) - sum(counts)

    async def tallies(self, scope: Scope, division: str = "") -> list[Tally]:
        """How many devices there are by class, how many of them are out of order or silent, and their lives."""
        within = and_(scope.where(DeviceRow), *_conditions(DeviceFilter(division=division)))
        lives = (
            select(DeviceRow.class_code, DeviceRow.life, func.count())
            .where(within)
            .group_by(DeviceRow.class_code, DeviceRow.life)
        )
        by_class: dict[str, dict[Life, int]] = {}
        for code, life, count in await self.session.execute(lives):
            by_class.setdefault(code, {})[Life(life)] = count
        counted = select(DeviceRow.class_code, func.count()).where(within).group_by(DeviceRow.class_code)
        faulty = {row[0]: row[1] for row in await self.session.execute(counted.where(_FAULTY))}
        silent = counted.join(PresenceRow, PresenceRow.device_id == DeviceRow.id).where(~PresenceRow.online, ~_FAULTY)
        offline = {row[0]: row[1] for row in await self.session.execute(silent)}
        return [
            Tally(code, sum(lives.values()), faulty.get(code, 0), offline.get(code, 0), lives)
            for code, lives in sorted(by_class.items())
        ]

    async def count_in(self, scope: Scope, box: Box, most: int) -> int:
        """How many devices lie in the box, counted up to `most`."""
        some = select(literal(1)).select_from(DeviceRow).where(scope.where(DeviceRow), _inside(box)).limit(most)
        return (await self.session.scalar(select(func.count()).select_from(some.subquery()))) or 0

    async def all_in(self, scope: Scope, box: Box) -> list[Device]:
        query = select(DeviceRow).where(scope.where(DeviceRow), _inside(box)).order_by(DeviceRow.id)
        return [device_of(row) for row in await self.session.scalars(query)]

    async def clusters_in(self, scope: Scope, box: Box, cell: float) -> list[Cluster]:
        """One cluster for each cell of `cell` degrees that holds a device."""
        column_no, row_no = func.floor(DeviceRow.lon / cell), func.floor(DeviceRow.lat / cell)
        query = (
            select(func.avg(DeviceRow.lon), func.avg(DeviceRow.lat), func.count(), _faulty_ones())
            .where(scope.where(DeviceRow), _inside(box))
            .group_by(column_no, row_no)
            .order_by(column_no, row_no)
        )
        return [Cluster(*row) for row in (await self.session.execute(query)).all()]

    async def cells(self, cell: float) -> list[Cell]:
        """All devices of the city in cells of `cell` degrees, by division."""
        column_no, row_no = func.floor(DeviceRow.lon / cell), func.floor(DeviceRow.lat / cell)
        query = (
            select(
                DeviceRow.division_code,
                func.count(),
                _faulty_ones(),
                func.sum(DeviceRow.lon),
                func.sum(DeviceRow.lat),
            )
            .where(DeviceRow.place_ok)
            .group_by(column_no, row_no, DeviceRow.division_code)
        )
        return [
            Cell(division, count, faulty, lon or 0.0, lat or 0.0)
            for division, count, faulty, lon, lat in await self.session.execute(query)
        ]

    async def last_change(self) -> datetime | None:
        return await self.session.scalar(select(func.max(DeviceRow.updated_at)))


def _faulty_ones() -> ColumnElement[int]:
    return func.sum(case((_FAULTY, 1), else_=0))


def _inside(box: Box) -> ColumnElement[bool]:
    west, south, east, north = box
    return and_(DeviceRow.place_ok, DeviceRow.lon.between(west, east), DeviceRow.lat.between(south, north))


def _conditions(wanted: DeviceFilter, *, by_keys: bool = True) -> list[ColumnElement[bool]]:
    """`by_keys`: words are looked up in the index of pairs first, which is slower where very many match."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.words:
        conditions += _named(wanted.words, by_keys=by_keys)
    if wanted.class_code:
        conditions.append(DeviceRow.class_code == wanted.class_code)
    if wanted.division:
        conditions.append(DeviceRow.division_code.startswith(wanted.division, autoescape=True))
    if wanted.life is not None:
        conditions.append(DeviceRow.life == wanted.life.value)
    if wanted.upkeep_until is not None:
        conditions += [DeviceRow.upkeep_due <= wanted.upkeep_until, DeviceRow.life != Life.RETIRED.value]
    if wanted.status is not None:
        conditions.append(_status(wanted.status))
    return conditions


def _named(words: str, *, by_keys: bool) -> list[ColumnElement[bool]]:
    columns = (DeviceRow.id, DeviceRow.name, DeviceRow.address, DeviceRow.serial)
    found = [or_(*(contains(each, words) for each in columns))]
    if by_keys and len(words) > 1:
        found.append(DeviceRow.id.in_(select(SearchRow.device_id).where(_holds(words))))
    return found


def _holds(words: str) -> ColumnElement[bool]:
    return SearchRow.keys.contains(literal(search_keys(words), ARRAY(String)))


def _status(status: Status) -> ColumnElement[bool]:
    if status is Status.FAULTY:
        return _FAULTY
    heard = select(PresenceRow.device_id).where(
        PresenceRow.device_id == DeviceRow.id, PresenceRow.online.is_(status is Status.ONLINE)
    )
    return and_(~_FAULTY, heard.exists())
