"""Divisions, units and rosters over HTTP."""

from datetime import date
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.kernel.access import service as access
from chengnao.kernel.access.model import Principal
from chengnao.kernel.organisation import service
from chengnao.kernel.organisation.model import Unit
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.vocabulary import Tier
from chengnao.kernel.web import DivisionCode, PageDep, PageOf, ScopeDep, UowDep, check, require

router = APIRouter(tags=["organisation"])

Words = Annotated[str, Query(max_length=100)]


class DivisionOut(BaseModel):
    code: str
    name: str
    tier: Tier
    kind: str
    parent_code: str | None
    valid_from: date
    valid_to: date | None
    label_lon: float | None
    label_lat: float | None


class UnitBody(BaseModel):
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{2,64}$")]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    division_code: DivisionCode
    parent_id: str | None = None
    phone: Annotated[str, Field(max_length=30)] = ""
    capacity: Annotated[int | None, Field(ge=1, le=100_000)] = None


class DutyIn(BaseModel):
    unit_id: Annotated[str, Field(max_length=64)]
    user_id: Annotated[str, Field(max_length=64)]
    starts_at: AwareDatetime
    ends_at: AwareDatetime


class DutyOut(DutyIn):
    id: str
    user_name: str | None


@router.get("/divisions")
async def list_divisions(
    principal: Annotated[Principal, Depends(require("division.read"))],
    uow: UowDep,
    page: PageDep,
    parent: Annotated[str | None, Query(max_length=9)] = None,
    tier: Tier | None = None,
    on: date | None = None,
    q: Words = "",
) -> PageOf[DivisionOut]:
    """Divisions valid today, or on the day `on`."""
    found = await OrganisationRepository(uow.session).divisions(
        on or service.today(uow), page, parent=parent, tier=tier, words=q
    )
    items = [DivisionOut(**{name: getattr(each, name) for name in DivisionOut.model_fields}) for each in found.items]
    return PageOf.of(found, items)


@router.get("/divisions/outline")
async def outline(principal: Annotated[Principal, Depends(require("division.read"))]) -> Response:
    """Outlines of the districts (`kind` district) and of main rivers (`kind` river) as GeoJSON, WGS84."""
    source = files("chengnao.kernel.organisation") / "data" / "outlines.geojson"
    return Response(source.read_bytes(), media_type="application/geo+json", headers={"Cache-Control": "max-age=3600"})


@router.get("/units")
async def list_units(
    principal: Annotated[Principal, Depends(require("unit.read"))],
    uow: UowDep,
    page: PageDep,
    division: Annotated[str | None, Query(max_length=9)] = None,
    q: Words = "",
) -> PageOf[UnitBody]:
    found = await OrganisationRepository(uow.session).units(page, division=division, words=q)
    items = [
        UnitBody.model_construct(**{name: getattr(u, name) for name in UnitBody.model_fields}) for u in found.items
    ]
    return PageOf.of(found, items)


@router.put("/units/{unit_id}")
async def put_unit(
    unit_id: str,
    body: UnitBody,
    request: Request,
    principal: Annotated[Principal, Depends(require("unit.write"))],
    uow: UowDep,
) -> UnitBody:
    """Register a unit, or change it; the unit as it is now must lie in the own division as well."""
    await check(request, principal, "unit.write", body.division_code, unit_id)
    existing = await OrganisationRepository(uow.session).unit(unit_id)
    if existing is not None:
        await check(request, principal, "unit.write", existing.division_code, unit_id)
    await service.put_unit(uow, Unit(**body.model_dump() | {"id": unit_id}))
    await access.record_act(uow, principal, "unit.write", unit=unit_id)
    await uow.commit()
    return body.model_copy(update={"id": unit_id})


@router.get("/rosters")
async def list_duties(
    principal: Annotated[Principal, Depends(require("roster.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    at: AwareDatetime | None = None,
    unit: Annotated[str | None, Query(max_length=64)] = None,
) -> PageOf[DutyOut]:
    """Who is, was or will be on duty; with `at`, only those on duty at that time."""
    found = await OrganisationRepository(uow.session).duties(scope, page, at, unit)
    names = await access.user_names(uow)
    items = [
        DutyOut(
            id=each.id,
            unit_id=each.unit_id,
            user_id=each.user_id,
            user_name=names.get(each.user_id),
            starts_at=each.starts_at,
            ends_at=each.ends_at,
        )
        for each in found.items
    ]
    return PageOf.of(found, items)


@router.post("/rosters", status_code=201)
async def add_duty(
    body: DutyIn, request: Request, principal: Annotated[Principal, Depends(require("roster.write"))], uow: UowDep
) -> DutyOut:
    unit = await service.require_unit(uow, body.unit_id)
    await check(request, principal, "roster.write", unit.division_code, unit.id)
    user = await access.require_user(uow, body.user_id)
    duty = await service.add_duty(uow, unit.id, user.id, body.starts_at, body.ends_at)
    await access.record_act(uow, principal, "roster.write", duty=duty.id, user=user.id)
    await uow.commit()
    return DutyOut(id=duty.id, user_name=user.display_name, **body.model_dump())
