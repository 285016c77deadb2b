"""Reports over HTTP, for those who have an account or a token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from chengnao.incident.intake import find_division
from chengnao.incident.names import Names
from chengnao.incident.reports import service
from chengnao.incident.reports.desk import desk_at
from chengnao.incident.reports.model import Channel
from chengnao.incident.reports.repository import ReportFilter, ReportRepository
from chengnao.incident.reports.views import ReportOut
from chengnao.kernel.access.model import Principal
from chengnao.kernel.places import Place
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.web import (
    ContextDep,
    DivisionCode,
    Id,
    PageDep,
    PageOf,
    RepeatableDep,
    ScopeDep,
    UowDep,
    check,
    require,
)

router = APIRouter(tags=["incident"])

Text = Annotated[str, Field(max_length=4000)]


def desk_of(context: ContextDep) -> service.Desk:
    return desk_at(context.settings.home)


DeskDep = Annotated[service.Desk, Depends(desk_of)]


class ReportIn(BaseModel):
    """`category` may be left out: the words tell it, or a person does. `answer` closes the matter at once."""

    content: Annotated[str, Field(min_length=1, max_length=4000)]
    category: Id | None = None
    division_code: DivisionCode | None = None
    lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    address: Annotated[str, Field(max_length=200)] = ""
    channel: Channel = Channel.MACHINE
    reporter_name: Annotated[str | None, Field(max_length=50)] = None
    reporter_phone: Annotated[str | None, Field(pattern=r"^[0-9+ -]{5,20}$")] = None
    photo_ids: Annotated[list[Id], Field(max_length=20)] = []
    external_id: Annotated[str | None, Field(max_length=100)] = None
    answer: Text = ""

    @property
    def place(self) -> Place | None:
        return Place.given(self.lon, self.lat)


class ReportMade(BaseModel):
    """`code`: with it the reporter asks what became of the matter; it is shown only now."""

    id: str
    tracking_number: str
    code: str
    incident_id: str
    incident_number: str
    category: str


@router.post("/reports", status_code=201)
async def create_report(
    body: ReportIn,
    request: Request,
    principal: Annotated[Principal, Depends(require("report.create"))],
    uow: UowDep,
    desk: DeskDep,
    repeatable: RepeatableDep,
) -> ReportMade:
    """Hand in a report; it gets a tracking number and becomes an incident, or joins the one that tells of the same."""
    if (known := await repeatable.known(ReportMade)) is not None:
        code = service.opened_code(desk.vault, known.tracking_number, known.code)
        return known.model_copy(update={"code": code})
    if body.division_code is not None or body.place is not None:
        division_code = await find_division(uow, body.division_code, body.place)
        await check(request, principal, "report.create", division_code, None)
    values = body.model_dump(exclude={"lon", "lat"})
    taken = await service.take_report(uow, desk, principal, service.ReportIn(place=body.place, **values))
    for action in ("report.create", *(["incident.answer"] if body.answer.strip() else [])):
        await check(request, principal, action, taken.report.division_code, None)
    answer = ReportMade(
        id=taken.report.id,
        tracking_number=taken.report.tracking_number,
        code=taken.code,
        incident_id=taken.incident.id,
        incident_number=taken.incident.number,
        category=taken.report.category,
    )
    sealed = service.sealed_code(desk.vault, answer.tracking_number, taken.code)
    await repeatable.keep(answer.model_copy(update={"code": sealed}))
    await uow.commit()
    return answer


@router.get("/reports")
async def list_reports(
    principal: Annotated[Principal, Depends(require("report.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    q: Annotated[str, Query(max_length=100)] = "",
    channel: Channel | None = None,
    category: Annotated[str | None, Query(max_length=64)] = None,
    answered: bool | None = None,
) -> PageOf[ReportOut]:
    """Reports, the newest first."""
    wanted = ReportFilter(q, channel, category, answered)
    found = await ReportRepository(uow.session).reports(scope, page, wanted)
    names = await Names.load(uow)
    return PageOf.of(found, [ReportOut.of(report, names) for report in found.items])


@router.get("/reports/{report_id}")
async def get_report(
    report_id: Id, principal: Annotated[Principal, Depends(require("report.read"))], scope: ScopeDep, uow: UowDep
) -> ReportOut:
    return ReportOut.of(await service.require_report(uow, scope, report_id), await Names.load(uow))


class ContactIn(BaseModel):
    """`purpose`: why it must be read; it is put on record."""

    purpose: Annotated[str, Field(min_length=2, max_length=200)]


class ContactOut(BaseModel):
    """`content`: the words as they were said."""

    name: str | None
    phone: str | None
    content: str


@router.post("/reports/{report_id}/contact")
async def read_contact(
    report_id: Id,
    body: ContactIn,
    request: Request,
    principal: Annotated[Principal, Depends(require("report.contact"))],
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
) -> ContactOut:
    """Who made the report; each reading is put on record with its purpose."""
    report = await service.require_report(uow, scope, report_id)
    holder = (await service.incidents_of(uow, report))[-1]
    await check(request, principal, "report.contact", holder.division_code, holder.unit_id)
    contact = await service.read_contact(uow, Vault.of(context.settings.home), principal, report, body.purpose)
    await uow.commit()
    return ContactOut(**contact.__dict__)
