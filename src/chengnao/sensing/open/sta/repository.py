"""Entities out of the registry: one statement for a set, and one for the nested sets of a whole page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import text

from chengnao.kernel.access.model import Scope
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.repository import Repository
from chengnao.sensing.devices.model import device_classes
from chengnao.sensing.open.sta.kinds import NAVIGATION, OF_A_DEVICE, PLACED, Kind
from chengnao.sensing.open.sta.options import Options
from chengnao.sensing.open.sta.sql import Emitter, Sql, Type

LONGEST_MS = 20_000
"""No question to the registry runs longer."""

_METRICS_OF_D = """
    SELECT c.metric FROM catalogue c WHERE c.class_code = d.class_code
    UNION SELECT own.value ->> 'metric' FROM jsonb_each(d.points) own WHERE own.value ->> 'metric' IS NOT NULL"""

_WITH = """
WITH catalogue AS MATERIALIZED (
    SELECT * FROM json_to_recordset(CAST(:catalogue AS json)) AS c(class_code text, metric text, unit text)
), s AS MATERIALIZED (
    SELECT * FROM json_to_recordset(CAST(:classes AS json)) AS s(id text, name text, description text)
), p AS MATERIALIZED (
    SELECT * FROM json_to_recordset(CAST(:properties AS json)) AS p(id text, name text, description text)
)"""

_DEVICE_COLUMNS = (
    "d.id, d.name, d.class_code, d.division_code, d.unit_id, d.protocol, d.address, d.lon, d.lat, d.place_ok,"
    " d.interval_seconds, d.life, d.updated_at"
)
_HERE = "d.place_ok"

_DEVICE_PROPERTIES: Mapping[str, tuple[str, Type]] = {
    "class_code": ("d.class_code", "text"),
    "division_code": ("d.division_code", "text"),
    "unit_id": ("d.unit_id", "text"),
    "protocol": ("d.protocol", "text"),
    "address": ("d.address", "text"),
    "interval_seconds": ("d.interval_seconds", "num"),
    "life": ("d.life", "text"),
}
_CLASS_NAME = "(SELECT s.name FROM s WHERE s.id = d.class_code)"


class Row(NamedTuple):
    """One entity as it stands in the registry; what does not belong to its kind is left empty."""

    id: str
    name: str = ""
    class_code: str = ""
    division_code: str = ""
    unit_id: str | None = None
    protocol: str = ""
    address: str | None = None
    lon: float | None = None
    lat: float | None = None
    place_ok: bool = False
    interval_seconds: int = 0
    life: str = ""
    updated_at: datetime | None = None
    metric: str = ""


@dataclass(frozen=True)
class Narrowed:
    """What a path has settled already."""

    device: str | None = None
    metric: str | None = None
    class_code: str | None = None

    def conditions(self, kind: Kind, parameters: dict[str, Any]) -> list[str]:
        found = []
        columns = {"device": "d.id", "metric": "m.metric", "class_code": "d.class_code"}
        if kind is Kind.SENSORS:
            columns = {"class_code": "s.id"}
        elif kind is Kind.OBSERVED_PROPERTIES:
            columns = {"metric": "p.id"}
        elif kind is not Kind.DATASTREAMS:
            del columns["metric"]
        for name, column in columns.items():
            value = getattr(self, name)
            if value is not None:
                parameters[f"only_{name}"] = value
                found.append(f"{column} = :only_{name}")
        return found


@dataclass
class Found:
    """A part of a set, whether there is more, and how long the whole is where that was asked for."""

    rows: list[Row] = field(default_factory=list)
    more: bool = False
    count: int | None = None


class ThingRepository(Repository):
    async def part_of(self, kind: Kind, scope: Scope, options: Options, narrowed: Narrowed, now: datetime) -> Found:
        """One page of a set."""
        statement = _Statement(kind, scope, options, narrowed, now)
        count = None
        await self._bound()
        if options.count:
            count = await self.session.scalar(text(statement.sql("count(*)")), statement.parameters)
        if options.top == 0:
            return Found([], False, count)
        tail = f" ORDER BY {statement.order()} LIMIT :limit OFFSET :offset"
        parameters = statement.parameters | {"limit": options.top + 1, "offset": options.skip}
        result = await self.session.execute(text(statement.sql(statement.columns) + tail), parameters)
        rows = [Row(**row._mapping) for row in result]
        return Found(rows[: options.top], len(rows) > options.top, count)

    async def datastreams_of(
        self, scope: Scope, options: Options, devices: Sequence[str], now: datetime
    ) -> dict[str, Found]:
        """The datastreams of each of these devices, each with its own page, in one statement."""
        statement = _Statement(Kind.DATASTREAMS, scope, options, Narrowed(), now)
        statement.conditions.append("d.id = ANY(:devices)")
        inner = statement.sql(
            f"{statement.columns}, row_number() OVER (PARTITION BY d.id ORDER BY {statement.order()}) AS place,"
            " count(*) OVER (PARTITION BY d.id) AS total",
            head="",
        )
        outer = f"{_WITH} SELECT * FROM ({inner}) q WHERE place > :low AND place <= :high + 1 ORDER BY id, place"  # noqa: S608 - constants
        parameters = statement.parameters | {
            "devices": list(devices),
            "low": options.skip,
            "high": options.skip + options.top,
        }
        await self._bound()
        found: dict[str, Found] = {device: Found([], False, 0 if options.count else None) for device in devices}
        for each in await self.session.execute(text(outer), parameters):
            values = dict(each._mapping)
            place, total = values.pop("place"), values.pop("total")
            part = found[values["id"]]
            part.count = total if options.count else None
            if place > options.skip + options.top:
                part.more = True
            else:
                part.rows.append(Row(**values))
        return found

    async def devices(self, scope: Scope, ids: Sequence[str]) -> dict[str, Row]:
        """These devices, as far as they are in the scope."""
        parameters: dict[str, Any] = {"ids": list(ids)}
        where = " AND ".join(["d.id = ANY(:ids)", *_inside(scope, parameters)])
        found = await self.session.execute(
            text(f"SELECT {_DEVICE_COLUMNS} FROM devices d WHERE {where}"),  # noqa: S608 - constants
            parameters,
        )
        return {row.id: Row(**row._mapping) for row in found}

    async def _bound(self) -> None:
        await self.session.execute(text(f"SET LOCAL statement_timeout = {LONGEST_MS}"))


class _Statement:
    """The parts of one statement over one kind."""

    def __init__(self, kind: Kind, scope: Scope, options: Options, narrowed: Narrowed, now: datetime) -> None:
        self.kind = kind
        self.options = options
        self.emitter = Emitter("pg", self._resolve, now)
        self.parameters = self.emitter.parameters
        self.parameters |= _catalogue()
        self.conditions = narrowed.conditions(kind, self.parameters)
        if kind in OF_A_DEVICE:
            self.conditions += _inside(scope, self.parameters)
        if kind in PLACED:
            self.conditions.append(_HERE)
        if options.filter is not None:
            self.conditions.append(self.emitter.condition(options.filter))

    @property
    def columns(self) -> str:
        if self.kind in OF_A_DEVICE:
            return _DEVICE_COLUMNS + (", m.metric" if self.kind is Kind.DATASTREAMS else "")
        alias = "s" if self.kind is Kind.SENSORS else "p"
        return f"{alias}.id, {alias}.name"

    def sql(self, columns: str, head: str = _WITH) -> str:
        where = " AND ".join(self.conditions) or "true"
        return f"{head} SELECT {columns} FROM {self._source()} WHERE {where}"  # noqa: S608 - values are bound

    def _source(self) -> str:
        if self.kind is Kind.SENSORS:
            return "s"
        if self.kind is Kind.OBSERVED_PROPERTIES:
            return "p"
        if self.kind is Kind.DATASTREAMS:
            return f"devices d JOIN LATERAL ({_METRICS_OF_D}) m ON true"
        return "devices d"

    def order(self) -> str:
        wanted = [
            f"{self.emitter.expression(node)} {'DESC NULLS LAST' if falling else 'ASC NULLS FIRST'}"
            for node, falling in self.options.orderby
        ]
        if self.kind in OF_A_DEVICE:
            wanted.append("d.id")
            return ", ".join([*wanted, "m.metric"] if self.kind is Kind.DATASTREAMS else wanted)
        return ", ".join([*wanted, "s.id" if self.kind is Kind.SENSORS else "p.id"])

    def _resolve(self, parts: tuple[str, ...]) -> Sql:
        return self._of(self.kind, parts)

    def _of(self, kind: Kind, parts: tuple[str, ...]) -> Sql:
        way = NAVIGATION[kind].get(parts[0])
        if way is None or len(parts) == 1:
            return self._property(kind, parts)
        if kind in {Kind.SENSORS, Kind.OBSERVED_PROPERTIES} or way.kind is Kind.OBSERVATIONS:
            raise _no_property(kind, parts)
        inner = self._of(way.kind, parts[1:])
        if way.kind is Kind.DATASTREAMS:
            many = f"EXISTS (SELECT 1 FROM ({_METRICS_OF_D}) m WHERE {{}})"  # noqa: S608 - constants
            return inner._replace(wrap=many)
        if way.kind in PLACED:
            return inner._replace(wrap=f"({_HERE} AND {inner.wrap or '{}'})")
        return inner

    def _property(self, kind: Kind, parts: tuple[str, ...]) -> Sql:
        name = parts[0].removeprefix("@iot.")
        known: Mapping[str, tuple[str, Type]] = {}
        match kind:
            case Kind.THINGS:
                known = {"id": ("d.id", "text"), "name": ("d.name", "text"), "description": (_CLASS_NAME, "text")}
                if name == "properties" and len(parts) == 2:
                    name, parts, known = parts[1], parts[1:], _DEVICE_PROPERTIES
            case Kind.LOCATIONS | Kind.FEATURES:
                geo = "location" if kind is Kind.LOCATIONS else "feature"
                known = {"id": ("d.id", "text"), "name": ("d.name", "text"), geo: ("", "geo")}
                known = {**known, "description": ("d.name", "text")}
            case Kind.HISTORICAL_LOCATIONS:
                known = {"id": ("d.id", "text"), "time": ("d.updated_at", "time")}
            case Kind.DATASTREAMS:
                label = "(d.name || ' ' || (SELECT p.name FROM p WHERE p.id = m.metric))"
                unit = "(SELECT c.unit FROM catalogue c WHERE c.class_code = d.class_code AND c.metric = m.metric)"
                known = {"id": ("(d.id || '.' || m.metric)", "text"), "name": (label, "text")}
                known = {**known, "description": (label, "text"), "observedArea": ("", "geo")}
                if name == "unitOfMeasurement" and len(parts) == 2:
                    name, parts = parts[1], parts[1:]
                    known = {"symbol": (unit, "text"), "name": (unit, "text"), "definition": (unit, "text")}
            case Kind.SENSORS:
                known = _looked_up("s", "d.class_code", own=self.kind is kind)
            case Kind.OBSERVED_PROPERTIES:
                known = _looked_up("p", "m.metric", own=self.kind is kind)
        if name not in known or len(parts) != 1:
            raise _no_property(kind, parts)
        return Sql(*known[name])


def _looked_up(alias: str, key: str, *, own: bool) -> Mapping[str, tuple[str, Type]]:
    """The columns of a small table, its own or found by a key of the row at hand."""
    if own:
        return {name: (f"{alias}.{name}", "text") for name in ("id", "name", "description")}
    found: dict[str, tuple[str, Type]] = {
        name: (f"(SELECT {alias}.{name} FROM {alias} WHERE {alias}.id = {key})", "text")  # noqa: S608 - constants
        for name in ("name", "description")
    }
    return {"id": (key, "text"), **found}


def _no_property(kind: Kind, parts: tuple[str, ...]) -> Invalid:
    return Invalid("sta_property", field="$filter", kind=str(kind), name="/".join(parts)[:80])


def _inside(scope: Scope, parameters: dict[str, Any]) -> list[str]:
    """The second wall, as `Scope.where` draws it."""
    found = []
    if scope.division_code != CITY:
        parameters["scope_division"] = scope.division_code
        found.append("starts_with(d.division_code, :scope_division)")
    if scope.unit_id is not None:
        parameters["scope_unit"] = scope.unit_id
        found.append("d.unit_id = :scope_unit")
    return found


@cache
def property_names() -> Mapping[str, tuple[str, str, str]]:
    """Name, English name and unit of each metric, those of the first class that has it."""
    found: dict[str, tuple[str, str, str]] = {}
    for kind in device_classes().values():
        for metric in kind.metrics.values():
            found.setdefault(metric.code, (metric.name_zh, metric.name_en, metric.unit))
    return found


@cache
def _catalogue() -> Mapping[str, str]:
    kinds = device_classes().values()
    metrics = [{"class_code": k.code, "metric": m.code, "unit": m.unit} for k in kinds for m in k.metrics.values()]
    classes = [{"id": k.code, "name": k.name_zh, "description": k.name_en} for k in kinds]
    properties = [{"id": code, "name": zh, "description": en} for code, (zh, en, _) in property_names().items()]
    return {
        "catalogue": json.dumps(metrics),
        "classes": json.dumps(classes),
        "properties": json.dumps(properties),
    }
