"""Making entities: a thing is a device that is registered, an observation a reading that a gateway takes in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.ids import new_id
from chengnao.sensing.devices.model import Device, Protocol, device_class, place_of
from chengnao.sensing.devices.service import change, register, require_device
from chengnao.sensing.open.sta.grammar import parse_time
from chengnao.sensing.open.sta.kinds import datastream_id, observation_id

MAX_ROWS = 10_000
"""Observations in one request."""

_OF_A_THING = ("class_code", "division_code", "unit_id", "protocol", "address", "interval_seconds")
Json = Mapping[str, Any]


@dataclass(frozen=True)
class NewReading:
    """One reading on its way to the gateway."""

    device: str
    metric: str
    time: datetime
    value: float

    @property
    def id(self) -> str:
        return observation_id(self.device, self.metric, round(self.time.timestamp() * 1000))

    def row(self) -> dict[str, Any]:
        return {"device": self.device, "metric": self.metric, "time": self.time.isoformat(), "value": self.value}


def device_of(body: Json) -> Device:
    """The device that a Thing describes; raises Invalid naming what is missing.

    `properties` needs `class_code` and `division_code`; `Locations` may hold one point, `Datastreams` metrics that the
    class has.
    """
    given = _object(body, "properties")
    for name in given:
        if name not in _OF_A_THING:
            raise _wrong(f"properties.{name}", given[name], "没有这个属性", f"known are {', '.join(_OF_A_THING)}")
    kind = device_class(_text(given, "class_code"))
    interval = given.get("interval_seconds", kind.interval_seconds)
    if not isinstance(interval, int) or isinstance(interval, bool) or not 1 <= interval <= 31 * 86_400:
        raise _wrong("properties.interval_seconds", interval, "应为秒数", "whole seconds are wanted")
    try:
        protocol = Protocol(given.get("protocol", Protocol.HTTP))
    except ValueError as error:
        raise _wrong(
            "properties.protocol", given.get("protocol"), "没有这种协议", "there is no such protocol"
        ) from error
    lon, lat = _place(_list(body, "Locations"))
    for datastream in _list(body, "Datastreams"):
        check_metric(kind.code, datastream)
    device_id = body.get("@iot.id") or new_id()
    if not isinstance(device_id, str):
        raise _wrong("@iot.id", device_id, "应为文字", "a text is wanted")
    return Device(
        id=device_id,
        name=_text(body, "name"),
        class_code=kind.code,
        division_code=_text(given, "division_code"),
        unit_id=given.get("unit_id"),
        protocol=protocol,
        address=given.get("address"),
        lon=lon,
        lat=lat,
        place_ok=lon is not None,
        interval_seconds=interval,
    )


def check_metric(class_code: str, datastream: Json) -> str:
    """The metric that a Datastream observes; raises Invalid where the class has none such, or in another unit."""
    observed = _object(datastream, "ObservedProperty")
    unit = _object(datastream, "unitOfMeasurement").get("symbol")
    kind = device_class(class_code)
    wanted = observed.get("@iot.id") or observed.get("name")
    for metric in kind.metrics.values():
        if wanted in {metric.code, metric.name_zh, metric.name_en} and unit in {None, metric.unit}:
            return metric.code
    known = ", ".join(f"{metric.code} [{metric.unit}]" for metric in kind.metrics.values())
    raise Invalid("sta_metric", class_code=class_code, metric=str(wanted)[:60], unit=str(unit)[:20], known=known)


async def make_thing(uow: UnitOfWork, principal: Principal, device: Device) -> Device:
    await register(uow, device)
    await record_act(uow, principal, "device.write", device=device.id, by="SensorThings")
    return device


async def make_location(uow: UnitOfWork, scope: Scope, principal: Principal, device_id: str, body: Json) -> Device:
    """Give the device the place."""
    lon, lat = _place([body])
    changes = {"lon": lon, "lat": lat, "place_ok": lon is not None}
    device = await change(uow, scope, device_id, changes)
    await record_act(uow, principal, "device.write", device=device.id, fields=["lat", "lon"], by="SensorThings")
    return device


async def find_datastream(uow: UnitOfWork, scope: Scope, device_id: str, body: Json) -> str:
    """The id of the datastream that the body describes: a device has those of its class from the beginning."""
    device = await require_device(uow, scope, device_id)
    return datastream_id(device.id, check_metric(device.class_code, body))


def linked(body: Json, name: str) -> str:
    """The id of the entity that the body links to; raises Invalid."""
    link = body.get(name)
    link = link[0] if isinstance(link, list) and len(link) == 1 else link
    found = link.get("@iot.id") if isinstance(link, Mapping) else None
    if not isinstance(found, str) or not found:
        raise _wrong(f"{name}.@iot.id", found, "应指明已有的实体", "an entity that there is must be named")
    return found


def reading_of(body: Json, datastream: str, now: datetime) -> NewReading:
    """The reading that an Observation describes; raises Invalid."""
    return _reading(datastream, body.get("phenomenonTime"), body.get("result"), now)


def readings_of_array(body: Any, now: datetime) -> list[tuple[int, NewReading | Invalid]]:
    """The readings of a data array, each with its number; what is wrong with one does not stop the others."""
    groups = body if isinstance(body, list) else [body]
    found: list[tuple[int, NewReading | Invalid]] = []
    for group in groups:
        if not isinstance(group, Mapping):
            raise _wrong("body", group, "应为数据数组", "data arrays are wanted")
        datastream = linked(group, "Datastream")
        components, rows = group.get("components"), group.get("dataArray")
        if not isinstance(components, list) or "result" not in components or not isinstance(rows, list):
            raise _wrong("components", components, "应包含 result", "it must name result, and dataArray hold the rows")
        if len(found) + len(rows) > MAX_ROWS:
            raise _wrong("dataArray", len(rows), f"一次最多 {MAX_ROWS} 行", f"{MAX_ROWS} rows at most")
        for row in rows:
            found.append((len(found), _of_row(datastream, components, row, now)))
    return found


def _of_row(datastream: str, components: Sequence[Any], row: Any, now: datetime) -> NewReading | Invalid:
    try:
        if not isinstance(row, list) or len(row) != len(components):
            raise _wrong("dataArray", row, "列数与 components 不符", "it does not fit the components")
        named = dict(zip(map(str, components), row, strict=True))
        return _reading(datastream, named.get("phenomenonTime"), named["result"], now)
    except Invalid as error:
        return error


def _reading(datastream: str, time: Any, result: Any, now: datetime) -> NewReading:
    device, dot, metric = datastream.partition(".")
    if not dot:
        raise _wrong("Datastream.@iot.id", datastream, "应为“设备.指标”", "it is DEVICE.METRIC")
    if isinstance(result, bool) or not isinstance(result, int | float):
        raise _wrong("result", result, "应为数值", "a number is wanted")
    if time is not None and (not isinstance(time, str) or "/" in time):
        raise _wrong("phenomenonTime", time, "应为一个时刻", "one moment is wanted")
    return NewReading(device, metric, now if time is None else parse_time(time), float(result))


def _place(locations: Sequence[Any]) -> tuple[float | None, float | None]:
    if not locations:
        return None, None
    location = _object(locations[0], "location") if isinstance(locations[0], Mapping) else {}
    geometry = location.get("geometry", location)
    coordinates = geometry.get("coordinates") if isinstance(geometry, Mapping) else None
    if isinstance(coordinates, list) and len(coordinates) >= 2 and geometry.get("type") == "Point":
        lon, lat, ok = place_of(coordinates[0], coordinates[1])
        if ok and len(locations) == 1:
            return lon, lat
    raise _wrong("location", coordinates, "应为一个 GeoJSON 点（WGS84）", "one point of GeoJSON (WGS84) is wanted")


def _object(body: Json, name: str) -> Json:
    found = body.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise _wrong(name, found, "应为对象", "an object is wanted")
    return found or {}


def _list(body: Json, name: str) -> Sequence[Any]:
    found = body.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise _wrong(name, found, "应为对象的数组", "an array of objects is wanted")
    return found


def _text(body: Json, name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str) or not 1 <= len(found) <= 200:
        raise _wrong(name, found, "应为 1 至 200 字的文字", "a text of 1 to 200 characters is wanted")
    return found


def _wrong(field: str, value: Any, zh: str, en: str) -> Invalid:
    return Invalid("invalid_value", field=field, value=str(value)[:80], reason_zh=zh, reason_en=en)
