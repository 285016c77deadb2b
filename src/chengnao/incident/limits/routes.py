"""Time limits over HTTP."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from chengnao.incident.catalogue import category_name, default_limits
from chengnao.incident.limits import service
from chengnao.incident.limits.service import Limit
from chengnao.incident.rulebook import ANY, Step
from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Principal
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.web import UowDep, check, require

router = APIRouter(tags=["incident"])

STEP_NAMES: dict[Step, str] = {
    "dispatch": "分拨",
    "accept": "签收",
    "handle": "处置",
    "verify": "核查",
    "close": "办结",
    "settle": "争议裁定",
    "request": "申请审批",
    "whole": "全案",
}
Grade = Annotated[int, Field(ge=1, le=4)]


class LimitBody(BaseModel):
    """`category`: a code, or `*` for all that have no limit of their own.

    `amount` in natural time (90 s, 15 min, 2 h, 3 d) or in working time (8 wh, 3 wd).
    """

    category: Annotated[str, Field(min_length=1, max_length=64)]
    grade: Grade
    step: Step
    amount: Annotated[str, Field(max_length=20)]


class LimitOut(LimitBody):
    """`own`: set by the city; `default`: the platform's."""

    category_name: str
    step_name: str
    amount_name: str
    own: bool
    default: str

    @classmethod
    def of(cls, limit: Limit) -> Self:
        return cls(
            category=limit.category,
            grade=limit.grade,
            step=limit.step,
            amount=str(limit.amount),
            category_name="全部类别" if limit.category == ANY else category_name(limit.category),
            step_name=STEP_NAMES[limit.step],
            amount_name=limit.amount.zh,
            own=limit.own,
            default=str(default_limits()[limit.grade][limit.step]),
        )


@router.get("/limits")
async def list_limits(principal: Annotated[Principal, Depends(require("limit.read"))], uow: UowDep) -> list[LimitOut]:
    """The limits in force: those for all categories, then those that the city has set for single ones."""
    return [LimitOut.of(each) for each in await service.limits(uow)]


Writer = Annotated[Principal, Depends(require("limit.write"))]


@router.put("/limits")
async def put_limit(body: LimitBody, request: Request, principal: Writer, uow: UowDep) -> LimitOut:
    """Set a limit of the city; steps that begin from then on follow it."""
    await check(request, principal, "limit.write", CITY, None)
    limit = await service.put_limit(uow, body.category, body.grade, body.step, body.amount)
    await access.record_act(uow, principal, "limit.write", **body.model_dump())
    await uow.commit()
    return LimitOut.of(limit)


@router.delete("/limits", status_code=204)
async def delete_limit(
    request: Request,
    principal: Writer,
    uow: UowDep,
    category: Annotated[str, Query(min_length=1, max_length=64)],
    grade: Annotated[int, Query(ge=1, le=4)],
    step: Step,
) -> Response:
    """Leave it to the platform's limit again."""
    await check(request, principal, "limit.write", CITY, None)
    await service.delete_limit(uow, category, grade, step)
    await access.record_act(uow, principal, "limit.write", category=category, grade=grade, step=step, amount=None)
    await uow.commit()
    return Response(status_code=204)
