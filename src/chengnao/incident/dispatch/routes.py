"""Responsibilities and the reasons for returns over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from chengnao.incident.catalogue import category_name
from chengnao.incident.dispatch import service
from chengnao.incident.dispatch.model import ANY, Responsibility, return_reasons
from chengnao.incident.dispatch.repository import DispatchRepository
from chengnao.incident.names import Names
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import require_incident
from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.web import DivisionCode, Id, PageDep, PageOf, ScopeDep, UowDep, check, require

router = APIRouter(tags=["incident"])

Span = Annotated[str, Field(max_length=20)]
Writer = Annotated[Principal, Depends(require("responsibility.write"))]


class ResponsibilityIn(BaseModel):
    """`category`: a code, or `*` for all that no row names.

    `hours` such as 08:00-18:00 and `months` such as 6-9 bound the row; empty is always.
    """

    division_code: DivisionCode
    category: Id
    hours: Span = ""
    months: Span = ""
    unit_id: Id
    deputy_unit_id: Id | None = None


class ResponsibilityOut(ResponsibilityIn):
    division_name: str
    category_name: str
    unit_name: str | None
    deputy_unit_name: str | None

    @classmethod
    def of(cls, responsibility: Responsibility, names: Names) -> "ResponsibilityOut":
        return cls(
            **responsibility.__dict__,
            division_name=names.division(responsibility.division_code),
            category_name="其余类别" if responsibility.category == ANY else category_name(responsibility.category),
            unit_name=names.unit(responsibility.unit_id),
            deputy_unit_name=names.unit(responsibility.deputy_unit_id),
        )


@router.get("/responsibilities")
async def list_responsibilities(
    principal: Annotated[Principal, Depends(require("responsibility.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    category: Annotated[str | None, Query(max_length=64)] = None,
    unit: Annotated[str | None, Query(max_length=64)] = None,
) -> PageOf[ResponsibilityOut]:
    found = await DispatchRepository(uow.session).responsibilities(scope, page, category, unit)
    names = await Names.load(uow)
    return PageOf.of(found, [ResponsibilityOut.of(each, names) for each in found.items])


@router.put("/responsibilities")
async def put_responsibility(
    body: ResponsibilityIn, request: Request, principal: Writer, uow: UowDep
) -> ResponsibilityOut:
    """Say which unit answers for a category in a division; nearer divisions win over their parents."""
    await check(request, principal, "responsibility.write", body.division_code, None)
    responsibility = Responsibility(**body.model_dump())
    await service.put_responsibility(uow, responsibility)
    await record_act(uow, principal, "responsibility.write", **body.model_dump(exclude={"unit_id"}), unit=body.unit_id)
    await uow.commit()
    return ResponsibilityOut.of(responsibility, await Names.load(uow))


@router.delete("/responsibilities", status_code=204)
async def delete_responsibility(
    request: Request,
    principal: Writer,
    uow: UowDep,
    division_code: Annotated[str, Query(pattern=r"^(\d{6}|\d{9})$")],
    category: Annotated[str, Query(min_length=1, max_length=64)],
    hours: Annotated[str, Query(max_length=20)] = "",
    months: Annotated[str, Query(max_length=20)] = "",
) -> None:
    """Drop a row; the division above answers from then on."""
    await check(request, principal, "responsibility.write", division_code, None)
    await service.delete_responsibility(uow, division_code, category, hours, months)
    await record_act(
        uow,
        principal,
        "responsibility.write",
        division_code=division_code,
        category=category,
        hours=hours,
        months=months,
        unit=None,
    )
    await uow.commit()


class ReturnReasonOut(BaseModel):
    """`wrong_unit`: the dispatch had chosen the wrong unit."""

    code: str
    name: str
    name_en: str
    wrong_unit: bool


@router.get("/return-reasons")
async def list_return_reasons(
    principal: Annotated[Principal, Depends(require("incident.read"))],
) -> list[ReturnReasonOut]:
    return [ReturnReasonOut(**reason.__dict__) for reason in return_reasons().values()]


class Suggestion(BaseModel):
    """The unit that the responsibilities choose now, and why; empty where no row is in force."""

    unit_id: str | None
    unit_name: str | None
    deputy_unit_id: str | None
    deputy_unit_name: str | None
    reasons: list[str]


@router.get("/incidents/{incident_id}/suggestion")
async def get_suggestion(
    incident_id: Id,
    principal: Annotated[Principal, Depends(require("incident.read"))],
    scope: ScopeDep,
    uow: UowDep,
    category: Annotated[str | None, Query(max_length=64)] = None,
) -> Suggestion:
    """The unit for the incident at this moment; `category`: as if it were of that one."""
    incident = await require_incident(uow, scope, incident_id)
    tasks = await IncidentRepository(uow.session).tasks_of(incident.id)
    choice = await service.suggest(uow, incident.division_code, category or incident.category, tasks)
    names = await Names.load(uow)
    return Suggestion(
        unit_id=choice.unit_id if choice else None,
        unit_name=names.unit(choice.unit_id) if choice else None,
        deputy_unit_id=choice.deputy_unit_id if choice else None,
        deputy_unit_name=names.unit(choice.deputy_unit_id) if choice else None,
        reasons=choice.reasons if choice else [],
    )
