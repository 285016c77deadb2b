"""The registry of devices over HTTP."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.places import Bd09Place, Gcj02Place
from chengnao.kernel.web import ContextDep, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.sensing.devices import service
from chengnao.sensing.devices.model import (
    Device,
    DeviceClass,
    Protocol,
    Status,
    device_class,
    device_classes,
    place_of,
)
from chengnao.sensing.devices.repository import DeviceFilter, DeviceRepository
from chengnao.sensing.readings.seen import LastSeenDep

router = APIRouter(tags=["devices"])

Text = Annotated[str, Field(min_length=1, max_length=200)]
Code = Annotated[str, Field(pattern=r"^(\d{6}|\d{9})$")]
Coordinate = Annotated[float | Annotated[str, Field(max_length=40)] | None, Field(union_mode="left_to_right")]
DeviceId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("device.read"))]
Writer = Annotated[Principal, Depends(require("device.write"))]
System = Literal["wgs84", "gcj02", "bd09"]

DRAWN_ONE_BY_ONE = 500
"""Up to this many devices in view are given one by one; more are given as clusters."""


class FaultOut(BaseModel):
    metric: str
    kind: str
    since: datetime


class DeviceOut(BaseModel):
    """`place_ok` false: the coordinate is kept as it was given, and is not drawn."""

    id: str
    name: str
    class_code: str
    class_name: str
    division_code: str
    division_name: str
    unit_id: str | None
    unit_name: str | None
    lon: float | None
    lat: float | None
    place_ok: bool
    protocol: Protocol
    address: str | None
    interval_seconds: int
    status: Status
    last_seen: datetime | None
    faults: list[FaultOut]


class DeviceIn(BaseModel):
    """`crs` says what `lon` and `lat` are in; `address` is the name in the protocol (HJ 212: MN)."""

    id: Text | None = None
    name: Text
    class_code: Text
    division_code: Code
    unit_id: Text | None = None
    protocol: Protocol = Protocol.HTTP
    address: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    lon: Coordinate = None
    lat: Coordinate = None
    crs: System = "wgs84"
    interval_seconds: Annotated[int, Field(ge=1, le=31 * 86_400)] | None = None


class DeviceChange(BaseModel):
    """What is left out stays as it is."""

    name: Text | None = None
    class_code: Text | None = None
    division_code: Code | None = None
    unit_id: Text | None = None
    protocol: Protocol | None = None
    address: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    lon: Coordinate = None
    lat: Coordinate = None
    crs: System = "wgs84"
    interval_seconds: Annotated[int, Field(ge=1, le=31 * 86_400)] | None = None


class MetricOut(BaseModel):
    code: str
    name: str
    name_en: str
    unit: str
    low: float
    high: float


class DeviceClassOut(BaseModel):
    code: str
    name: str
    name_en: str
    interval_seconds: int
    metrics: list[MetricOut]

    @classmethod
    def of(cls, kind: DeviceClass) -> "DeviceClassOut":
        metrics = [
            MetricOut(code=m.code, name=m.name_zh, name_en=m.name_en, unit=m.unit, low=m.low, high=m.high)
            for m in kind.metrics.values()
        ]
        return cls(
            code=kind.code,
            name=kind.name_zh,
            name_en=kind.name_en,
            interval_seconds=kind.interval_seconds,
            metrics=metrics,
        )


class ClusterOut(BaseModel):
    lon: float
    lat: float
    count: int
    worst: Status


class MapDevice(BaseModel):
    id: str
    name: str
    class_code: str
    lon: float
    lat: float
    status: Status


class DeviceMap(BaseModel):
    """Either clusters or single devices, by how many are in view."""

    clusters: list[ClusterOut]
    devices: list[MapDevice]


@router.get("/device-classes")
async def list_device_classes(principal: Reader) -> list[DeviceClassOut]:
    return [DeviceClassOut.of(kind) for kind in device_classes().values()]


@router.get("/devices")
async def list_devices(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    context: ContextDep,
    seen: LastSeenDep,
    q: Annotated[str, Query(max_length=100)] = "",
    class_code: Annotated[str, Query(max_length=64)] = "",
    status: Status | None = None,
    division: Annotated[str, Query(pattern=r"^(|\d{6}|\d{9})$")] = "",
) -> PageOf[DeviceOut]:
    wanted = DeviceFilter(q, class_code, division, status)
    now = context.clock.now()
    all_seen = await seen.all() if status in {Status.ONLINE, Status.OFFLINE} else {}
    found = await DeviceRepository(uow.session).devices(scope, wanted, page, all_seen, now)
    last = await seen.of([device.id for device in found.items])
    return PageOf(items=await _shown(uow, found.items, last, now), total=found.total, page=found.page, size=found.size)


@router.get("/devices/map")
async def map_devices(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    seen: LastSeenDep,
    bbox: Annotated[str, Query(max_length=200, description="west,south,east,north in degrees")],
    zoom: Annotated[float, Query(ge=0, le=24)] = 10,
) -> DeviceMap:
    box = _box(bbox)
    repository = DeviceRepository(uow.session)
    if await repository.count_in(scope, box) > DRAWN_ONE_BY_ONE:
        cell = 360 / 2**zoom / 8  # an eighth of a map tile
        clusters = [
            ClusterOut(lon=c.lon, lat=c.lat, count=c.count, worst=Status.FAULTY if c.faulty else Status.ONLINE)
            for c in await repository.clusters_in(scope, box, cell)
        ]
        return DeviceMap(clusters=clusters, devices=[])
    devices = await repository.all_in(scope, box)
    last, now = await seen.of([device.id for device in devices]), context.clock.now()
    drawn = [
        MapDevice(
            id=device.id,
            name=device.name,
            class_code=device.class_code,
            lon=device.lon or 0.0,
            lat=device.lat or 0.0,
            status=device.status(last.get(device.id), now),
        )
        for device in devices
    ]
    return DeviceMap(clusters=[], devices=drawn)


@router.post("/devices", status_code=201)
async def register_device(body: DeviceIn, request: Request, principal: Writer, uow: UowDep) -> DeviceOut:
    await check(request, principal, "device.write", body.division_code, body.unit_id)
    lon, lat, place_ok = _place(body.lon, body.lat, body.crs)
    kind = device_class(body.class_code)
    device = Device(
        id=body.id or new_id(),
        name=body.name,
        class_code=kind.code,
        division_code=body.division_code,
        unit_id=body.unit_id,
        protocol=body.protocol,
        address=body.address,
        lon=lon,
        lat=lat,
        place_ok=place_ok,
        interval_seconds=body.interval_seconds or kind.interval_seconds,
    )
    await service.register(uow, device)
    await uow.commit()
    return (await _shown(uow, [device], {}, uow.clock.now()))[0]


@router.get("/devices/{device_id}")
async def get_device(
    device_id: DeviceId, principal: Reader, scope: ScopeDep, uow: UowDep, seen: LastSeenDep
) -> DeviceOut:
    device = await service.require_device(uow, scope, device_id)
    return (await _shown(uow, [device], await seen.of([device.id]), uow.clock.now()))[0]


@router.patch("/devices/{device_id}")
async def change_device(
    device_id: DeviceId,
    body: DeviceChange,
    request: Request,
    principal: Writer,
    scope: ScopeDep,
    uow: UowDep,
    seen: LastSeenDep,
) -> DeviceOut:
    before = await service.require_device(uow, scope, device_id)
    changes = body.model_dump(exclude_unset=True, exclude={"crs", "lon", "lat"})
    for name in changes.keys() - {"unit_id", "address"}:
        if changes[name] is None:
            raise Invalid(
                "invalid_value", field=name, value=None, reason_zh="不能为空", reason_en="it must not be empty"
            )
    if body.model_fields_set & {"lon", "lat"}:
        changes["lon"], changes["lat"], changes["place_ok"] = _place(body.lon, body.lat, body.crs)
    for division, unit in (
        (before.division_code, before.unit_id),
        (changes.get("division_code", before.division_code), changes.get("unit_id", before.unit_id)),
    ):
        await check(request, principal, "device.write", division, unit)
    after = await service.change(uow, scope, device_id, changes)
    await uow.commit()
    return (await _shown(uow, [after], await seen.of([after.id]), uow.clock.now()))[0]


def _place(lon: object, lat: object, system: System) -> tuple[float | None, float | None, bool]:
    x, y, ok = place_of(lon, lat)
    if not ok or x is None or y is None or system == "wgs84":
        return x, y, ok
    place = (Gcj02Place if system == "gcj02" else Bd09Place)(x, y).to_wgs84()
    return place.lon, place.lat, True


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
        if all(map(isfinite, (west, south, east, north))):
            return west, south, east, north
    except ValueError:
        pass
    raise Invalid(
        "invalid_value",
        field="bbox",
        value=text,
        reason_zh="应为“西,南,东,北”四个以逗号分隔的度数",
        reason_en="it must be four numbers, west,south,east,north",
    )


async def _shown(
    uow: UnitOfWork, devices: list[Device], seen: Mapping[str, datetime], now: datetime
) -> list[DeviceOut]:
    organisation = OrganisationRepository(uow.session)
    divisions, units = await organisation.division_names(), await organisation.unit_names()
    return [_out(device, seen.get(device.id), now, divisions, units) for device in devices]


def _out(
    device: Device, seen: datetime | None, now: datetime, divisions: Mapping[str, str], units: Mapping[str, str]
) -> DeviceOut:
    kind = device_classes().get(device.class_code)
    values: dict[str, Any] = {
        name: getattr(device, name) for name in DeviceOut.model_fields if hasattr(device, name) and name != "status"
    }
    return DeviceOut(
        **values
        | {
            "class_name": kind.name_zh if kind else device.class_code,
            "division_name": divisions.get(device.division_code, device.division_code),
            "unit_name": units.get(device.unit_id) if device.unit_id else None,
            "status": device.status(seen, now),
            "last_seen": seen,
            "faults": [FaultOut(metric=f.metric, kind=f.kind, since=f.since) for f in device.faults],
        }
    )
