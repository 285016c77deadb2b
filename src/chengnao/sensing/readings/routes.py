"""Readings of one device over HTTP."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime, BaseModel

from chengnao.kernel.access.model import Principal
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.web import ContextDep, ScopeDep, UowDep, require
from chengnao.sensing.devices.model import METRIC_SHAPE, Device, device_classes
from chengnao.sensing.devices.service import require_device
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.sensing.readings.tiers import Tier, tier_of

router = APIRouter(tags=["readings"])

DeviceId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("reading.read"))]

_LONGEST = timedelta(days=400)
_YEARS = range(2000, 2200)


class LatestOut(BaseModel):
    metric: str
    name: str
    name_en: str
    unit: str
    value: float | None
    quality: str
    time: datetime


class ThresholdLine(BaseModel):
    """A level's value, for the chart."""

    level: int
    value: float
    direction: str


class SeriesOut(BaseModel):
    """Points are [time, value, quality]; of minutes, hours and days the smallest and the largest value at its time."""

    metric: str
    unit: str
    tier: Tier
    points: list[tuple[datetime, float | None, str]]
    thresholds: list[ThresholdLine]


ThresholdLines = Callable[[UnitOfWork, Device, str], Awaitable[Sequence[ThresholdLine]]]
"""What `app.state.threshold_lines` may hold: thresholds are known in a layer above this one."""


@router.get("/devices/{device_id}/latest")
async def latest_of_device(
    device_id: DeviceId, principal: Reader, scope: ScopeDep, uow: UowDep, request: Request
) -> list[LatestOut]:
    """The newest value of each metric of a device."""
    device = await require_device(uow, scope, device_id)
    rows = (await _store(request).latest([device.id])).to_pylist()
    return [
        LatestOut(**_named(device, row["metric"]), value=row["value"], quality=row["quality"], time=row["time"])
        for row in sorted(rows, key=lambda row: str(row["metric"]))
    ]


@router.get("/devices/{device_id}/readings")
async def readings_of_device(
    device_id: DeviceId,
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    request: Request,
    metric: Annotated[str, Query(pattern=METRIC_SHAPE)],
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    points: Annotated[int, Query(ge=2, le=5000)] = 600,
) -> SeriesOut:
    """One metric over a time, thinned to about `points`, from the tier that suits the span; by default the last day."""
    device = await require_device(uow, scope, device_id)
    begin, end = _span(since, until, context.clock.now())
    store = _store(request)
    day = 86_400.0
    age = (context.clock.now() - begin).total_seconds() / day
    tier = tier_of((end - begin).total_seconds() / day, age, points, store.kept)
    rows = (await store.series(device.id, metric, begin, end, points, tier)).to_pylist()
    lines: ThresholdLines | None = getattr(request.app.state, "threshold_lines", None)
    return SeriesOut(
        metric=metric,
        unit=_named(device, metric)["unit"],
        tier=tier,
        points=[(row["time"], row["value"], row["quality"]) for row in rows],
        thresholds=[] if lines is None else list(await lines(uow, device, metric)),
    )


def _span(since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The time asked for; raises Invalid where it has no sense, or lies where no store keeps times."""
    end = until or now
    if since is None and end.year in _YEARS:
        return end - timedelta(days=1), end
    if since is None or since.year not in _YEARS or end.year not in _YEARS or not timedelta() < end - since <= _LONGEST:
        raise Invalid(
            "invalid_value",
            field="from",
            value=None if since is None else since.isoformat(),
            reason_zh="起始时间应早于结束时间，跨度不超过 400 天，且在 2000 至 2199 年之间",
            reason_en="it must lie before `to`, by 400 days at most, within the years 2000 to 2199",
        )
    return since, end


def _named(device: Device, metric: str) -> dict[str, Any]:
    kind = device_classes().get(device.class_code)
    known = kind.metrics.get(metric) if kind else None
    if known is None:
        return {"metric": metric, "name": metric, "name_en": metric, "unit": ""}
    return {"metric": metric, "name": known.name_zh, "name_en": known.name_en, "unit": known.unit}


def _store(request: Request) -> ReadingsStore:
    store: ReadingsStore = request.app.state.readings
    return store
