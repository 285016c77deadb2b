"""The platform about itself: health, clock, and its processes."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from chengnao.kernel.access.model import Principal
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.status import read_status
from chengnao.kernel.web import ContextDep, require

router = APIRouter(tags=["system"])
health_router = APIRouter(tags=["system"])


class Healthy(BaseModel):
    status: Literal["ok"] = "ok"


class PlatformClock(BaseModel):
    """The platform's time; `speed` city seconds pass in a real second."""

    now: datetime
    speed: float
    demo: bool


@health_router.get("/healthz")
async def healthz(context: ContextDep) -> Healthy:
    """Answers 200 where the database and the log answer too."""
    await context.database.check()
    if not context.bus.client.is_connected:
        raise Unavailable("bus_unavailable", reason="not connected")
    return Healthy()


@router.get("/clock")
async def clock(context: ContextDep) -> PlatformClock:
    return PlatformClock(now=context.clock.now(), speed=context.clock.speed, demo=context.settings.demonstration)


@router.get("/system")
async def system(
    context: ContextDep, principal: Annotated[Principal, Depends(require("system.read"))]
) -> dict[str, Any]:
    """What the supervisor last said of each process; `processes` is empty where none supervises."""
    status = read_status(context.settings.home)
    return {"processes": []} if status is None else asdict(status) | {"fresh": status.fresh()}
