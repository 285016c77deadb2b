"""The registry of devices over HTTP."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from math import isfinite
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal, Resource
from chengnao.kernel.access.service import record_act
from chengnao.kernel.errors import Invalid
from chengnao.kernel.ids import new_id
from chengnao.kernel.places import Bd09Place, Gcj02Place
from chengnao.kernel.web import ContextDep, PageDep, ScopeDep, UowDep, check, require
from chengnao.sensing.devices import service
from chengnao.sensing.devices.grid import GRID_CELL, GridDep
from chengnao.sensing.devices.list_repository import DeviceFilter, DeviceLists
from chengnao.sensing.devices.model import (
    Device,
    Life,
    Point,
    Status,
    device_class,
    device_classes,
    place_of,
)
from chengnao.sensing.devices.views import (
    ClusterOut,
    DeviceChange,
    DeviceClassOut,
    DeviceDetail,
    DeviceIn,
    DeviceListOut,
    DeviceMap,
    GroupOut,
    MapDevice,
    PointIn,
    System,
    shown,
    shown_whole,
)
from chengnao.sensing.readings.seen import LastSeenDep

router = APIRouter(tags=["devices"])

DeviceId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("device.read"))]
Writer = Annotated[Principal, Depends(require("device.write"))]

DRAWN_ONE_BY_ONE = 500
"""Up to this many devices in view are given one by one; more are given as clusters."""
GATHERED_AT_ONCE = 20_000
"""Up to this many devices in view are gathered into clusters when they are asked for."""


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
    life: Life | None = None,
    upkeep_until: date | None = None,
    after: Annotated[str | None, Query(max_length=64, description="the `after` of the part before")] = None,
) -> DeviceListOut:
    """Devices in order of ids. They are counted up to 10,000; a part that lies further on is asked for by `after`."""
    wanted = DeviceFilter(q.strip(), class_code, division, status, life, upkeep_until)
    found = await DeviceLists(uow.session).devices(scope, wanted, page, after)
    items = await shown(uow, found.items, await seen.of([device.id for device in found.items]), context.clock.now())
    last = found.items[-1].id if len(found.items) == found.size else None
    return DeviceListOut(items=items, total=found.total, page=found.page, size=found.size, more=found.more, after=last)


@router.get("/device-groups")
async def group_devices(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    division: Annotated[str, Query(pattern=r"^(|\d{6}|\d{9})$")] = "",
) -> list[GroupOut]:
    """How many devices there are of each class, and how they are."""
    kinds = device_classes()
    return [
        GroupOut(
            class_name=kinds[each.class_code].name_zh if each.class_code in kinds else each.class_code,
            class_name_en=kinds[each.class_code].name_en if each.class_code in kinds else each.class_code,
            **asdict(each),
        )
        for each in await DeviceLists(uow.session).tallies(scope, division)
    ]


@router.get("/devices/map")
async def map_devices(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    seen: LastSeenDep,
    grid: GridDep,
    bbox: Annotated[str, Query(max_length=200, description="west,south,east,north in degrees")],
    zoom: Annotated[float, Query(ge=0, le=24)] = 10,
) -> DeviceMap:
    """Devices in view, or clusters of them; where very many lie in view, the clusters may be half a minute old."""
    box = box_of(bbox)
    repository = DeviceLists(uow.session)
    count = await repository.count_in(scope, box, GATHERED_AT_ONCE + 1)
    if count > DRAWN_ONE_BY_ONE:
        cell = 360 / 2**zoom / 8  # an eighth of a map tile
        if count > GATHERED_AT_ONCE and cell >= GRID_CELL and scope.unit_id is None:
            gathered = await grid.clusters(scope, box, cell)
        else:
            gathered = await repository.clusters_in(scope, box, cell)
        clusters = [
            ClusterOut(lon=c.lon, lat=c.lat, count=c.count, worst=Status.FAULTY if c.faulty else Status.ONLINE)
            for c in gathered
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
async def register_device(body: DeviceIn, request: Request, principal: Writer, uow: UowDep) -> DeviceDetail:
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
        settings=body.settings,
        points=_points(body.points),
        life=body.life,
        owner=body.owner,
        vendor=body.vendor,
        model=body.model,
        serial=body.serial,
    )
    await service.register(uow, device)
    await record_act(uow, principal, "device.write", device=device.id)
    await uow.commit()
    return await shown_whole(uow, device, {}, uow.clock.now(), settings=True)


@router.get("/devices/{device_id}")
async def get_device(
    device_id: DeviceId, principal: Reader, scope: ScopeDep, uow: UowDep, context: ContextDep, seen: LastSeenDep
) -> DeviceDetail:
    device = await service.require_device(uow, scope, device_id)
    writer = context.authority.allows(principal, "device.write", Resource(device.division_code, device.unit_id))
    return await shown_whole(uow, device, await seen.of([device.id]), uow.clock.now(), settings=writer)


@router.patch("/devices/{device_id}")
async def change_device(
    device_id: DeviceId,
    body: DeviceChange,
    request: Request,
    principal: Writer,
    scope: ScopeDep,
    uow: UowDep,
    seen: LastSeenDep,
) -> DeviceDetail:
    before = await service.require_device(uow, scope, device_id)
    changes = body.model_dump(exclude_unset=True, exclude={"crs", "lon", "lat", "points"})
    for name in changes.keys() - {"unit_id", "address"}:
        if changes[name] is None:
            raise Invalid(
                "invalid_value", field=name, value=None, reason_zh="不能为空", reason_en="it must not be empty"
            )
    if body.points is not None:
        changes["points"] = _points(body.points)
    if body.model_fields_set & {"lon", "lat"}:
        changes["lon"], changes["lat"], changes["place_ok"] = _place(body.lon, body.lat, body.crs)
    for division, unit in (
        (before.division_code, before.unit_id),
        (changes.get("division_code", before.division_code), changes.get("unit_id", before.unit_id)),
    ):
        await check(request, principal, "device.write", division, unit)
    after = await service.change(uow, scope, device_id, changes)
    await record_act(uow, principal, "device.write", device=device_id, fields=sorted(changes))
    await uow.commit()
    return await shown_whole(uow, after, await seen.of([after.id]), uow.clock.now(), settings=True)


class LifeIn(BaseModel):
    """`reason` stands in the record of acts."""

    life: Life
    reason: Annotated[str, Field(max_length=500)] = ""


@router.post("/devices/{device_id}/life")
async def move_device(
    device_id: DeviceId,
    body: LifeIn,
    request: Request,
    principal: Writer,
    scope: ScopeDep,
    uow: UowDep,
    seen: LastSeenDep,
) -> DeviceDetail:
    """Put it into service, into maintenance, or retire it; readings of a retired device are refused."""
    before = await service.require_device(uow, scope, device_id)
    await check(request, principal, "device.write", before.division_code, before.unit_id)
    after = await service.move(uow, scope, device_id, body.life)
    await record_act(uow, principal, "device.life", device=device_id, life=str(body.life), reason=body.reason)
    await uow.commit()
    return await shown_whole(uow, after, await seen.of([after.id]), uow.clock.now(), settings=True)


def _points(given: Mapping[str, PointIn]) -> dict[str, Point]:
    return {name: Point(point.metric, point.factor, point.offset) for name, point in given.items()}


def _place(lon: object, lat: object, system: System) -> tuple[float | None, float | None, bool]:
    x, y, ok = place_of(lon, lat)
    if not ok or x is None or y is None or system == "wgs84":
        return x, y, ok
    place = (Gcj02Place if system == "gcj02" else Bd09Place)(x, y).to_wgs84()
    return place.lon, place.lat, True


def box_of(text: str) -> tuple[float, float, float, float]:
    """West, south, east, north in degrees; raises Invalid for anything else."""
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
