"""How well a device does its duty, told by its readings: how much of the time it is heard, its clock, its quality."""

from datetime import datetime, timedelta
from typing import Annotated

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel

from chengnao.kernel.access.model import Principal
from chengnao.kernel.web import ContextDep, ScopeDep, UowDep, require
from chengnao.sensing.devices.service import require_device
from chengnao.sensing.readings.schema import DATABASE
from chengnao.sensing.readings.store import ReadingsStore

router = APIRouter(tags=["readings"])

DeviceId = Annotated[str, Path(min_length=1, max_length=64)]
Reader = Annotated[Principal, Depends(require("reading.read"))]

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
_SLACK = 1.5
"""A reading stands for the time up to the next where that comes within so many intervals, else for one interval."""

_OF_DEVICE = f"""FROM {DATABASE}.readings FINAL
    WHERE device = {{device:String}} AND time >= fromUnixTimestamp64Milli({{begin:Int64}}, 'UTC')
    AND time <= fromUnixTimestamp64Milli({{end:Int64}}, 'UTC')"""
_TIMES = f"SELECT DISTINCT toUnixTimestamp64Milli(time) AS at {_OF_DEVICE} ORDER BY at"
_QUALITIES = f"SELECT quality, count() AS count {_OF_DEVICE} GROUP BY quality"
# What was held back and came late says nothing of the clock.
_OFFSET = f"""SELECT median(offset) AS offset, count() AS count FROM (
    SELECT toUnixTimestamp64Milli(received_at) - toUnixTimestamp64Milli(time) AS offset {_OF_DEVICE}
    AND quality != 'late' ORDER BY received_at DESC LIMIT 500)"""  # noqa: S608  (a constant of this module)


class HealthOut(BaseModel):
    """`online_day` and `online_week`: share of the last day and week in which it was heard, 0 to 1. `clock_offset`:
    seconds from a reading's own time to its receipt, in the middle of the last 500 readings of the day; positive where
    its clock is behind, or its readings are long on the way. `quality`: readings of the last day by quality."""

    online_day: float
    online_week: float
    last_seen: datetime | None
    last_received: datetime | None
    clock_offset: float | None
    quality: dict[str, int]


@router.get("/devices/{device_id}/health")
async def health_of_device(
    device_id: DeviceId, principal: Reader, scope: ScopeDep, uow: UowDep, context: ContextDep, request: Request
) -> HealthOut:
    device = await require_device(uow, scope, device_id)
    store: ReadingsStore = request.app.state.readings
    now = context.clock.now()
    week, day, end = (_milliseconds(moment) for moment in (now - WEEK, now - DAY, now))
    of_day: dict[str, object] = {"device": device.id, "begin": day, "end": end}
    heard = await store.select(_TIMES, of_day | {"begin": week})
    times = heard.column("at").to_numpy().astype(np.int64)
    interval = device.interval_seconds * 1000
    qualities = (await store.select(_QUALITIES, of_day)).to_pylist()
    offset = (await store.select(_OFFSET, of_day)).to_pylist()[0]
    latest = (await store.latest([device.id])).to_pylist()
    return HealthOut(
        online_day=heard_share(times, day, end, interval),
        online_week=heard_share(times, week, end, interval),
        last_seen=max((row["time"] for row in latest), default=None),
        last_received=max((row["received_at"] for row in latest), default=None),
        clock_offset=round(offset["offset"] / 1000, 1) if offset["count"] else None,
        quality={row["quality"]: row["count"] for row in qualities},
    )


def heard_share(times: npt.NDArray[np.int64], begin: int, end: int, interval: int) -> float:
    """The share of [begin, end] in which a device with readings at `times` (ordered, in milliseconds) was heard."""
    within = times[(times >= begin) & (times <= end)]
    if len(within) == 0:
        return 0.0
    gaps = np.diff(np.append(within, end))
    covered = np.where(gaps <= interval * _SLACK, gaps, interval).sum() + min(int(within[0]) - begin, interval)
    return round(min(1.0, float(covered) / (end - begin)), 4)


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
