"""Devices as the API gives and takes them."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.web import PageOf
from chengnao.sensing.devices.model import LIVES, Device, DeviceClass, Life, Point, Protocol, Status, device_classes

Text = Annotated[str, Field(min_length=1, max_length=200)]
Code = Annotated[str, Field(pattern=r"^(\d{6}|\d{9})$")]
Coordinate = Annotated[float | Annotated[str, Field(max_length=40)] | None, Field(union_mode="left_to_right")]
System = Literal["wgs84", "gcj02", "bd09"]


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
    life: Life
    owner: str
    vendor: str
    model: str
    serial: str
    upkeep_due: date | None


class PointOut(BaseModel):
    """`metric` = value * `factor` + `offset`."""

    metric: str
    factor: float
    offset: float


class DeviceDetail(DeviceOut):
    """`points`: its own, before those of its class (`class_points`); `settings` is shown to those who may write it."""

    points: dict[str, PointOut]
    class_points: dict[str, PointOut]
    settings: dict[str, Any] | None
    next_lives: list[Life]


class DeviceListOut(PageOf[DeviceOut]):
    """`more`: the whole is longer than `total`. `after`: what to ask with for the next part, however far it lies."""

    more: bool
    after: str | None


class PointIn(BaseModel):
    """`metric` = value * `factor` + `offset`."""

    metric: Annotated[str, Field(max_length=64)]
    factor: float = 1.0
    offset: float = 0.0


Points = dict[Annotated[str, Field(min_length=1, max_length=64)], PointIn]
Words = Annotated[str, Field(max_length=100)]


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
    life: Literal[Life.PLANNED, Life.IN_SERVICE] = Life.IN_SERVICE
    owner: Words = ""
    vendor: Words = ""
    model: Words = ""
    serial: Words = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    points: Points = Field(default_factory=dict)


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
    owner: Words | None = None
    vendor: Words | None = None
    model: Words | None = None
    serial: Words | None = None
    settings: dict[str, Any] | None = None
    points: Points | None = None


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


class GroupOut(BaseModel):
    """Devices of one class; `offline` are those that are silent and have no fault."""

    class_code: str
    class_name: str
    class_name_en: str
    count: int
    faulty: int
    offline: int
    lives: dict[Life, int]


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


async def shown(uow: UnitOfWork, devices: list[Device], seen: Mapping[str, datetime], now: datetime) -> list[DeviceOut]:
    """The devices with the names of what they refer to, and their status now."""
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


async def shown_whole(
    uow: UnitOfWork, device: Device, seen: Mapping[str, datetime], now: datetime, *, settings: bool
) -> DeviceDetail:
    """One device with its points, and its settings where they may be shown."""
    [short] = await shown(uow, [device], seen, now)
    kind = device_classes().get(device.class_code)
    of_class = kind.points.get(device.protocol, {}) if kind else {}
    return DeviceDetail(
        **short.model_dump(),
        points=_points(device.points),
        class_points=_points(of_class),
        settings=dict(device.settings) if settings else None,
        next_lives=sorted(LIVES[device.life]),
    )


def _points(points: Mapping[str, Point]) -> dict[str, PointOut]:
    return {
        name: PointOut(metric=point.metric, factor=point.factor, offset=point.offset) for name, point in points.items()
    }
