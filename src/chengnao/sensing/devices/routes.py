"""The registry of devices over HTTP."""

from math import isfinite
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request

from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.errors import Invalid
from chengnao.kernel.ids import new_id
from chengnao.kernel.places import Bd09Place, Gcj02Place
from chengnao.kernel.web import ContextDep, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.sensing.devices import service
from chengnao.sensing.devices.model import (
    Device,
    Status,
    device_class,
    device_classes,
    place_of,
)
from chengnao.sensing.devices.repository import DeviceFilter, DeviceRepository
from chengnao.sensing.devices.views import (
    ClusterOut,
    DeviceChange,
    DeviceClassOut,
    DeviceIn,
    DeviceMap,
    DeviceOut,
    MapDevice,
    System,
    shown,
)
from chengnao.sensing.readings.seen import LastSeenDep

router = APIRouter(tags=["devices"])

DeviceId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("device.read"))]
Writer = Annotated[Principal, Depends(require("device.write"))]

DRAWN_ONE_BY_ONE = 500
"""Up to this many devices in view are given one by one; more are given as clusters."""


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
    return PageOf.of(found, await shown(uow, found.items, last, now))


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
    await record_act(uow, principal, "device.write", device=device.id)
    await uow.commit()
    return (await shown(uow, [device], {}, uow.clock.now()))[0]


@router.get("/devices/{device_id}")
async def get_device(
    device_id: DeviceId, principal: Reader, scope: ScopeDep, uow: UowDep, seen: LastSeenDep
) -> DeviceOut:
    device = await service.require_device(uow, scope, device_id)
    return (await shown(uow, [device], await seen.of([device.id]), uow.clock.now()))[0]


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
    await record_act(uow, principal, "device.write", device=device_id, fields=sorted(changes))
    await uow.commit()
    return (await shown(uow, [after], await seen.of([after.id]), uow.clock.now()))[0]


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
