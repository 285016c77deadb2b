"""Incidents, tasks and photos over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, UploadFile
from fastapi.responses import FileResponse
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.incident import intake, joint, photos, service
from chengnao.incident.catalogue import categories
from chengnao.incident.joint import AssistAction, possible_steps
from chengnao.incident.model import Action, Incident, Source, State, TaskRole
from chengnao.incident.moves import Move
from chengnao.incident.names import Names
from chengnao.incident.photo_repository import PhotoRepository
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.views import ReportOut
from chengnao.incident.repository import SORTS, IncidentFilter, IncidentRepository
from chengnao.incident.requests.repository import RequestRepository
from chengnao.incident.requests.views import RequestOut
from chengnao.incident.views import ActionOut, IncidentDetail, IncidentOut, PhotoOut, TaskOut, TimelineOut
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.places import Place
from chengnao.kernel.web import (
    Context,
    ContextDep,
    CurrentPrincipal,
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
from chengnao.warning.repository import WarningRepository
from chengnao.warning.routes import WarningOut

router = APIRouter(tags=["incident"])

Line = Annotated[str, Field(max_length=200)]
Text = Annotated[str, Field(max_length=4000)]
Lon = Annotated[float, Field(ge=-180, le=180)]
Lat = Annotated[float, Field(ge=-90, le=90)]
PhotoIds = Annotated[list[Id], Field(max_length=20)]

IncidentReader = Annotated[Principal, Depends(require("incident.read"))]


@router.get("/incidents")
async def list_incidents(
    principal: IncidentReader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    state: Annotated[str, Query(max_length=200, description="states joined by commas, or `open`")] = "",
    category: Annotated[str | None, Query(max_length=64)] = None,
    grade: Annotated[int | None, Query(ge=1, le=4)] = None,
    division: Annotated[str | None, Query(pattern=r"^(\d{6}|\d{9})$")] = None,
    desk: Annotated[str | None, Query(pattern=r"^(\d{6}|\d{9})$", description="whose desk answers")] = None,
    unit: Annotated[str | None, Query(max_length=64)] = None,
    overdue: bool | None = None,
    q: Annotated[str, Query(max_length=100)] = "",
    sort: Annotated[str, Query(max_length=20)] = "-opened_at",
    since: Annotated[AwareDatetime | None, Query(alias="from", description="opened at or after")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="opened before")] = None,
) -> PageOf[IncidentOut]:
    """Incidents of the own divisions; only the flat part of each."""
    if sort not in SORTS:
        raise _unacceptable("sort", sort, list(SORTS))
    wanted = IncidentFilter(
        states=_states(state),
        category=category,
        grade=grade,
        division=division,
        desk=desk,
        unit=unit,
        overdue=overdue,
        words=q,
        sort=sort,
        since=since,
        until=until,
    )
    names = await Names.load(uow)
    found = await IncidentRepository(uow.session).incidents(scope, wanted, names.now, page)
    items = [IncidentOut.of(incident, names) for incident in found.items]
    return PageOf.of(found, items)


def _states(text: str) -> list[str]:
    if text == "open":
        return [state.value for state in State if not state.final]
    wanted = [part for part in text.split(",") if part]
    for part in wanted:
        if part not in set(State):
            raise _unacceptable("state", part, ["open", *State])
    return wanted


def _unacceptable(field: str, value: str, known: list[str]) -> Invalid:
    choices = ", ".join(known)
    return Invalid(
        "invalid_value", field=field, value=value, reason_zh=f"可用的值：{choices}", reason_en=f"use one of {choices}"
    )


@router.get("/incidents/{incident_id}")
async def get_incident(
    incident_id: Id, principal: IncidentReader, scope: ScopeDep, uow: UowDep, context: ContextDep
) -> IncidentDetail:
    """One incident with everything that belongs to it, and what the asker may do next."""
    return await _detail(uow, context, principal, await service.require_incident(uow, scope, incident_id))


async def _detail(uow: UowDep, context: Context, principal: Principal, incident: Incident) -> IncidentDetail:
    repository, authority = IncidentRepository(uow.session), context.authority
    names = await Names.load(uow)
    warnings = await WarningRepository(uow.session).warnings_of_incident(incident.id)
    reports = await ReportRepository(uow.session).of_incident(incident.id)
    return IncidentDetail.of(
        incident,
        names,
        warnings=[WarningOut.of(warning, names.division(warning.division_code)) for warning in warnings],
        reports=[ReportOut.of(report, names) for report in reports],
        tasks=[
            TaskOut.of(task, incident, names, steps=possible_steps(authority, principal, incident, task))
            for task in await repository.tasks_of(incident.id)
        ],
        timeline=[TimelineOut.of(entry, names) for entry in await repository.timeline_of(incident.id)],
        photos=[PhotoOut.of(photo) for photo in await PhotoRepository(uow.session).of_incident(incident.id)],
        requests=[RequestOut.of(each, names) for each in await RequestRepository(uow.session).of_incident(incident.id)],
        actions=[ActionOut.of(row) for row in service.possible(authority, principal, incident)],
    )


class IncidentIn(BaseModel):
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Text = ""
    category: Id
    grade: Annotated[int | None, Field(ge=1, le=4)] = None
    division_code: DivisionCode | None = None
    lon: Lon | None = None
    lat: Lat | None = None
    address: Line = ""


@router.post("/incidents", status_code=201)
async def create_incident(
    body: IncidentIn,
    request: Request,
    principal: Annotated[Principal, Depends(require("incident.create"))],
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> IncidentDetail:
    """Open an incident by hand; it is dispatched at once where the responsibilities name a unit."""
    if (known := await repeatable.known(IncidentDetail)) is not None:
        return known
    place = Place.given(body.lon, body.lat)
    division_code = await intake.find_division(uow, body.division_code, place)
    await check(request, principal, "incident.create", division_code, None)
    incident = await service.open_incident(
        uow,
        principal,
        service.Opening(
            Source.MANUAL,
            title=body.title,
            category=body.category,
            division_code=division_code,
            description=body.description,
            grade=body.grade,
            place=place,
            address=body.address,
        ),
    )
    detail = await repeatable.keep(await _detail(uow, context, principal, incident))
    await uow.commit()
    return detail


class ActionIn(BaseModel):
    """`version`: of the incident as the actor saw it; the rest is what the action needs, see the incident's actions."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reason: Text = ""
    reason_code: Id | None = None
    unit_id: Id | None = None
    assist_unit_ids: Annotated[list[Id], Field(max_length=10)] = []
    category: Id | None = None
    division_code: DivisionCode | None = None
    result: Text = ""
    photo_ids: PhotoIds = []
    lon: Lon | None = None
    lat: Lat | None = None


@router.post("/incidents/{incident_id}/actions/{action}")
async def act(
    incident_id: Id,
    action: Action,
    body: ActionIn,
    request: Request,
    principal: CurrentPrincipal,
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> IncidentDetail:
    """Take a step; the answer is the incident after it."""
    name = f"incident.{action}"
    await check(request, principal, name, principal.division_code, principal.unit_id)
    if (known := await repeatable.known(IncidentDetail)) is not None:
        return known
    incident = await service.require_incident(uow, scope, incident_id)
    await check(request, principal, name, incident.division_code, incident.unit_id)
    values = body.model_dump(exclude={"lon", "lat"})
    move = Move(action, place=Place.given(body.lon, body.lat), **values)
    after = await service.act(uow, context.authority, principal, incident_id, move)
    detail = await repeatable.keep(await _detail(uow, context, principal, after))
    await uow.commit()
    return detail


class StepIn(BaseModel):
    """A step of a unit that assists: returning and withdrawing need a reason, finishing a result."""

    reason: Text = ""
    reason_code: Id | None = None
    result: Text = ""
    photo_ids: PhotoIds = []


@router.post("/tasks/{task_id}/actions/{action}")
async def act_on_task(
    task_id: Id,
    action: AssistAction,
    body: StepIn,
    request: Request,
    principal: CurrentPrincipal,
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> IncidentDetail:
    """Take a step of a unit that assists, or withdraw it; the answer is the incident after it."""
    name = "incident.dispatch" if action is AssistAction.WITHDRAW else f"incident.{action}"
    await check(request, principal, name, principal.division_code, principal.unit_id)
    if (known := await repeatable.known(IncidentDetail)) is not None:
        return known
    task = await joint.act_on_task(uow, context.authority, principal, task_id, joint.Step(action, **body.model_dump()))
    incident = await service.require_incident(uow, Scope(), task.incident_id)
    detail = await repeatable.keep(await _detail(uow, context, principal, incident))
    await uow.commit()
    return detail


class PhotoMade(BaseModel):
    id: str


@router.post("/incidents/{incident_id}/photos", status_code=201)
async def add_incident_photo(
    incident_id: Id,
    file: UploadFile,
    request: Request,
    principal: Annotated[Principal, Depends(require("incident.note"))],
    scope: ScopeDep,
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> PhotoMade:
    """Add a JPEG, PNG or WebP image of at most 10 MB to the incident."""
    if (known := await repeatable.known(PhotoMade)) is not None:
        return known
    incident = await service.require_incident(uow, scope, incident_id)
    await check(request, principal, "incident.note", incident.division_code, incident.unit_id)
    data = await file.read(photos.PHOTO_LIMIT + 1)
    photo = await photos.keep_photo(uow, context.settings.home, principal, incident, data)
    made = await repeatable.keep(PhotoMade(id=photo.id))
    await uow.commit()
    return made


@router.post("/photos", status_code=201)
async def add_loose_photo(
    file: UploadFile,
    principal: Annotated[Principal, Depends(require("report.create"))],
    uow: UowDep,
    context: ContextDep,
    repeatable: RepeatableDep,
) -> PhotoMade:
    """Keep an image for a report that is about to be sent; until then only its sender sees it."""
    if (known := await repeatable.known(PhotoMade)) is not None:
        return known
    data = await file.read(photos.PHOTO_LIMIT + 1)
    photo = await photos.keep_photo(uow, context.settings.home, principal, None, data)
    made = await repeatable.keep(PhotoMade(id=photo.id))
    await uow.commit()
    return made


@router.get("/photos/{photo_id}", response_class=FileResponse)
async def get_photo(photo_id: Id, principal: IncidentReader, uow: UowDep, context: ContextDep) -> FileResponse:
    photo = await photos.require_photo(uow, principal, photo_id)
    path = photos.photo_path(context.settings.home, photo.digest)
    if not path.is_file():
        raise NotFound("not_found", kind="照片文件 photo file", id=photo_id)
    # The type is the one that the bytes told when they came in; browsers must not guess another.
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=86400, immutable"}
    return FileResponse(path, media_type=photo.media_type, headers=headers)


@router.get("/tasks/mine")
async def my_tasks(
    principal: Annotated[Principal, Depends(require("task.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    context: ContextDep,
    state: Literal["open", "done"] = "open",
) -> PageOf[TaskOut]:
    """The tasks of the asker's unit: open ones by urgency, done ones newest first; none for a person of no unit."""
    if principal.unit_id is None:
        return PageOf(items=[], total=0, page=page.page, size=page.size)
    found = await IncidentRepository(uow.session).unit_tasks(scope, principal.unit_id, state == "open", page)
    names = await Names.load(uow)
    items = []
    for task, incident in found.items:
        held = task.role is TaskRole.LEAD and task.open and task.unit_id == incident.unit_id
        rows = service.possible(context.authority, principal, incident) if held else []
        steps = joint.possible_steps(context.authority, principal, incident, task)
        items.append(TaskOut.of(task, incident, names, rows, steps))
    return PageOf.of(found, items)


class CategoryOut(BaseModel):
    """`words`: what people call it."""

    code: str
    name: str
    name_en: str
    grade: int
    field: str
    source: str
    words: list[str]


@router.get("/categories")
async def list_categories(principal: IncidentReader) -> list[CategoryOut]:
    return [CategoryOut(**category.__dict__) for category in categories().values()]
