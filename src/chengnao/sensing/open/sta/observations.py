"""Observations out of the readings store: one statement for a set, and one for those of a whole page of datastreams."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chengnao.kernel.errors import Invalid
from chengnao.sensing.open.sta.grammar import Name, Node
from chengnao.sensing.open.sta.options import Options
from chengnao.sensing.open.sta.sql import Emitter, Sql
from chengnao.sensing.readings.schema import DATABASE
from chengnao.sensing.readings.store import ReadingsStore

Stream = tuple[str, str]
"""A device and a metric."""

_COLUMNS = "device, metric, time, value, quality, received_at"
_FROM = f"FROM {DATABASE}.readings FINAL"
_TIMES = frozenset({"phenomenonTime", "resultTime"})


@dataclass(frozen=True)
class Observed:
    """One reading."""

    device: str
    metric: str
    time: datetime
    value: float
    quality: str
    received_at: datetime

    @property
    def milliseconds(self) -> int:
        return round(self.time.timestamp() * 1000)


@dataclass
class Read:
    """A part of a set of observations."""

    rows: list[Observed] = field(default_factory=list)
    more: bool = False
    count: int | None = None


@dataclass(frozen=True)
class Wanted:
    """Whose readings: of these devices, perhaps of one metric, of these streams, or at one moment; None: of all."""

    devices: Sequence[str] | None = None
    metric: str | None = None
    streams: Sequence[Stream] | None = None
    milliseconds: int | None = None


async def read_page(store: ReadingsStore, wanted: Wanted, options: Options, now: datetime) -> Read:
    """One page of the readings that are wanted."""
    emitter, where = _where(wanted, options, now)
    count = None
    if options.count:
        table = await store.select(f"SELECT count() {_FROM} WHERE {where}", emitter.parameters)
        count = int(table.column(0)[0].as_py())
    if options.top == 0:
        return Read([], False, count)
    order = _order(emitter, options)
    sql = f"SELECT {_COLUMNS} {_FROM} WHERE {where} ORDER BY {order} LIMIT {options.top + 1} OFFSET {options.skip}"
    rows = _rows(await store.select(sql, emitter.parameters))
    return Read(rows[: options.top], len(rows) > options.top, count)


async def read_of_each(
    store: ReadingsStore, streams: Sequence[Stream], options: Options, now: datetime
) -> dict[Stream, Read]:
    """A page of the readings of each of these datastreams, all at once.

    The newest alone of each come from the table of latest values, without touching history.
    """
    found: dict[Stream, Read] = {stream: Read([], False, 0 if options.count else None) for stream in streams}
    if not streams or (options.top == 0 and not options.count):
        return found
    if _newest_alone(options):
        for row in _rows(await store.latest(sorted({device for device, _ in streams}))):
            if (row.device, row.metric) in found:
                found[row.device, row.metric].rows.append(row)
        return found
    wanted = Wanted(streams=streams)
    emitter, where = _where(wanted, options, now)
    if options.count:
        sql = f"SELECT device, metric, count() AS total {_FROM} WHERE {where} GROUP BY device, metric"
        for each in (await store.select(sql, emitter.parameters)).to_pylist():
            found[each["device"], each["metric"]].count = int(each["total"])
    if options.top == 0:
        return found
    order = _order(emitter, options)
    limit = f"LIMIT {options.top + 1} OFFSET {options.skip} BY device, metric"
    sql = f"SELECT {_COLUMNS} {_FROM} WHERE {where} ORDER BY device, metric, {order} {limit}"
    for row in _rows(await store.select(sql, emitter.parameters)):
        part = found[row.device, row.metric]
        if len(part.rows) < options.top:
            part.rows.append(row)
        else:
            part.more = True
    return found


def _newest_alone(options: Options) -> bool:
    order = options.orderby[:1]
    newest = bool(order) and order[0][1] and isinstance(order[0][0], Name) and order[0][0].parts[0] in _TIMES
    plain = options.filter is None and not options.count and options.skip == 0
    return newest and plain and options.top == 1 and len(options.orderby) == 1


def _where(wanted: Wanted, options: Options, now: datetime) -> tuple[Emitter, str]:
    emitter = Emitter("ch", _resolve, now)
    parameters: dict[str, Any] = emitter.parameters
    conditions = []
    if wanted.streams is not None:
        parameters["devices"] = sorted({device for device, _ in wanted.streams})
        parameters["streams"] = [f"{device}.{metric}" for device, metric in wanted.streams]
        conditions.append("device IN {devices:Array(String)}")
        conditions.append("concat(device, '.', metric) IN {streams:Array(String)}")
    if wanted.devices is not None:
        parameters["devices"] = list(wanted.devices)
        conditions.append("device IN {devices:Array(String)}")
    if wanted.metric is not None:
        parameters["metric"] = wanted.metric
        conditions.append("metric = {metric:String}")
    if wanted.milliseconds is not None:
        parameters["moment"] = wanted.milliseconds
        conditions.append("time = fromUnixTimestamp64Milli({moment:Int64}, 'UTC')")
    if options.filter is not None:
        conditions.append(emitter.condition(options.filter))
    return emitter, " AND ".join(conditions) or "1"


def _order(emitter: Emitter, options: Options) -> str:
    """By default in the order in which readings lie, which costs nothing."""
    wanted = [f"{emitter.expression(node)} {'DESC' if falling else 'ASC'}" for node, falling in options.orderby]
    return ", ".join([*wanted, "device", "metric", "time"])


def _resolve(parts: tuple[str, ...]) -> Sql:
    match parts:
        case ("result",):
            return Sql("value", "num")
        case ("phenomenonTime" | "resultTime",):
            return Sql("time", "time")
        case ("resultQuality",):
            return Sql("toString(quality)", "text")
        case ("parameters", "receivedAt"):
            return Sql("received_at", "time")
        case ("id" | "@iot.id",):
            return Sql("concat(device, '.', metric, '@', toString(toUnixTimestamp64Milli(time)))", "text")
    raise Invalid("sta_property", field="$filter", kind="Observations", name="/".join(parts)[:80])


def _rows(table: Any) -> list[Observed]:
    return [
        Observed(
            each["device"],
            each["metric"],
            each["time"].astimezone(UTC),
            each["value"],
            each["quality"],
            each["received_at"].astimezone(UTC),
        )
        for each in table.to_pylist()
    ]


def names_in(node: Node | None) -> set[str]:
    """The first parts of all names in an expression."""
    if node is None:
        return set()
    if isinstance(node, Name):
        return {node.parts[0]}
    children = [getattr(node, name, None) for name in ("left", "right", "operand")]
    found = set().union(*(names_in(each) for each in children if each is not None))
    return found.union(*(names_in(each) for each in getattr(node, "arguments", ())))
