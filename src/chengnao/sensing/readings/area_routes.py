"""The newest readings of an area, and readings in bulk, over HTTP."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel

from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.web import ContextDep, ScopeDep, UowDep, require
from chengnao.sensing.devices.area_repository import Area, AreaRepository
from chengnao.sensing.devices.model import METRIC_SHAPE
from chengnao.sensing.devices.routes import box_of
from chengnao.sensing.readings.export import Exports, Wanted, parquet
from chengnao.sensing.readings.latest import LatestValues
from chengnao.sensing.readings.tiers import Tier

router = APIRouter(tags=["readings"])

Reader = Annotated[Principal, Depends(require("reading.read"))]
Division = Annotated[str, Query(pattern=r"^(|\d{6}|\d{9})$")]
ClassCode = Annotated[str, Query(max_length=64)]
MetricName = Annotated[str, Query(pattern=f"^$|{METRIC_SHAPE}")]


class NewestOut(BaseModel):
    metric: str
    time: datetime
    value: float
    quality: str


class DeviceLatest(BaseModel):
    device: str
    name: str
    class_code: str
    division_code: str
    lon: float | None
    lat: float | None
    readings: list[NewestOut]


class LatestPage(BaseModel):
    """`next` is what `after` has to be for the next page; empty on the last one."""

    items: list[DeviceLatest]
    next: str


@router.get("/readings/latest", response_model=LatestPage)
async def latest_of_area(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    request: Request,
    division: Division = "",
    bbox: Annotated[str, Query(max_length=200, description="west,south,east,north in degrees")] = "",
    class_code: ClassCode = "",
    metric: MetricName = "",
    after: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
) -> Response:
    """The newest reading of each metric of the devices in a division, a box, of a class, in order of their ids.

    A device that was never heard has no readings.
    """
    area = Area(division, box_of(bbox) if bbox else None, class_code)
    devices = await AreaRepository(uow.session).devices(scope, area, after, limit)
    values: LatestValues = request.app.state.latest
    newest = await values.of([device.id for device in devices], metric)
    # Written as it is: checking thousands of rows against the model would take longer than finding them.
    items = [
        {
            "device": device.id,
            "name": device.name,
            "class_code": device.class_code,
            "division_code": device.division_code,
            "lon": device.lon,
            "lat": device.lat,
            "readings": [
                {"metric": each.metric, "time": each.time, "value": each.value, "quality": each.quality}
                for each in newest.get(device.id, ())
            ],
        }
        for device in devices
    ]
    page = {"items": items, "next": devices[-1].id if len(devices) == limit else ""}
    return Response(orjson.dumps(page), media_type="application/json")


@router.get(
    "/readings/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/vnd.apache.parquet": {}}}},
)
async def export_readings(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    request: Request,
    since: Annotated[AwareDatetime, Query(alias="from")],
    until: Annotated[AwareDatetime, Query(alias="to")],
    division: Division = "",
    class_code: ClassCode = "",
    device: Annotated[list[str] | None, Query(max_length=500)] = None,
    metric: Annotated[list[str] | None, Query(max_length=50)] = None,
    tier: Tier = Tier.RAW,
) -> StreamingResponse:
    """The readings of a span as a Parquet file; one export at a time for each person.

    A file that ends early (the store went away) has no footer, and every reader of Parquet refuses it.
    """
    area = Area(division, None, class_code)
    wanted = Wanted(since, until, area, tuple(device or ()), tuple(metric or ()), tier)
    wanted.check()
    exports: Exports = request.app.state.exports
    exports.begin(principal.id)
    try:
        await record_act(
            uow,
            principal,
            "reading.export",
            since=since.isoformat(),
            until=until.isoformat(),
            division=division,
            class_code=class_code,
            devices=list(wanted.devices),
            metrics=list(wanted.metrics),
            tier=tier.value,
        )
        await uow.commit()
    except BaseException:
        exports.end(principal.id)
        raise

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in parquet(context.database, request.app.state.readings, scope, wanted):
                yield piece
        finally:
            exports.end(principal.id)

    name = f"readings-{since:%Y%m%d}-{until:%Y%m%d}.parquet"
    return StreamingResponse(
        pieces(),
        media_type="application/vnd.apache.parquet",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
