"""Letters and recordings over HTTP: handed in, read by machine, checked by a person, made a report."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Form, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field

from chengnao.incident.drafts import service
from chengnao.incident.drafts.model import FILE_LIMIT, TEXT_LIMIT, Draft, DraftState
from chengnao.incident.drafts.queue import ReadingQueue
from chengnao.incident.drafts.repository import DraftRepository
from chengnao.incident.intake import find_division
from chengnao.incident.public.model import CITIZEN
from chengnao.incident.reports.model import Channel
from chengnao.incident.reports.routes import DeskDep
from chengnao.incident.reports.service import ReportIn, opened_code, sealed_code
from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.messages import message
from chengnao.kernel.places import Place
from chengnao.kernel.privacy.model import Kind, find_personal
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.web import (
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

router = APIRouter(tags=["incident"])

Creator = Annotated[Principal, Depends(require("report.create"))]
Reader = Annotated[Principal, Depends(require("report.contact"))]
"""What a draft says is as it was said, with all personal details."""

Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


def queue_of(request: Request) -> ReadingQueue:
    queue: ReadingQueue = request.app.state.reading_queue
    return queue


QueueDep = Annotated[ReadingQueue, Depends(queue_of)]


class Problem(BaseModel):
    """Why a file could not be read, and what to do."""

    code: str
    message: str
    message_en: str


def _problem(code: str, params: Mapping[str, Any] | None = None) -> Problem:
    given = params or {}
    return Problem(code=code, message=message(code, "zh", **given), message_en=message(code, "en", **given))


class DraftOut(BaseModel):
    """`confidence`: 0 to 1, None where nothing was guessed; `report_id`: of the report that it is or came with."""

    id: str
    channel: Channel
    channel_name: str
    state: DraftState
    state_name: str
    problem: Problem | None
    media_type: str
    size: int
    engine: str | None
    pages: int | None
    seconds: float | None
    confidence: float | None
    division_code: str
    created_by_name: str
    created_at: datetime
    report_id: str | None
    ended_by_name: str | None
    ended_at: datetime | None
    version: int

    @classmethod
    def of(cls, draft: Draft, now: datetime, **more: Any) -> Self:
        stalled = draft.stalled(now)
        state = DraftState.FAILED if stalled else draft.state
        derived = {
            "channel_name": draft.channel.zh,
            "state": state,
            "state_name": state.zh,
            "problem": _problem("reading_interrupted") if stalled else draft.problem and _problem(**draft.problem),
        }
        plain = {name: getattr(draft, name) for name in DraftOut.model_fields if name not in derived}
        return cls(**plain, **derived, **more)


class LineOut(BaseModel):
    text: str
    confidence: float | None
    page: int | None
    start: float | None


class PersonalOut(BaseModel):
    """A personal detail in the text: `text[start:end]`."""

    kind: Kind
    start: int
    end: int


class DraftDetail(DraftOut):
    """`text` as it stands; `lines` as the machine read them; `personal`: what readers of the report will not see."""

    text: str
    lines: list[LineOut]
    personal: list[PersonalOut]


@router.post("/drafts", status_code=201)
async def create_draft(
    file: UploadFile,
    channel: Annotated[Literal["letter", "call"], Form()],
    request: Request,
    principal: Creator,
    uow: UowDep,
    context: ContextDep,
    queue: QueueDep,
    repeatable: RepeatableDep,
    division_code: Annotated[DivisionCode | None, Form()] = None,
) -> DraftOut:
    """Hand in a letter (PDF, JPEG, PNG, WebP) or a recording, 15 MB at most; it is read in the background."""
    if (known := await repeatable.known(DraftOut)) is not None:
        return known
    division = await find_division(uow, division_code or principal.division_code, None)
    await check(request, principal, "report.create", division, None)
    data = await file.read(FILE_LIMIT + 1)
    draft = await service.add_draft(uow, context.settings.home, principal, Channel(channel), data, division)
    answer = await repeatable.keep(DraftOut.of(draft, context.clock.now()))
    await uow.commit()
    queue.add(draft.id)
    return answer


@router.get("/drafts")
async def list_drafts(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    context: ContextDep,
    state: Annotated[DraftState | None, Query()] = None,
) -> PageOf[DraftOut]:
    """Drafts, the newest first, without what they say."""
    found = await DraftRepository(uow.session).drafts(scope, page, state, CITIZEN.id)
    return PageOf.of(found, [DraftOut.of(draft, context.clock.now()) for draft in found.items])


async def _draft(draft_id: Id, request: Request, principal: Reader, scope: ScopeDep, uow: UowDep) -> Draft:
    draft = await service.require_draft(uow, scope, draft_id, lock=True)
    await check(request, principal, "report.contact", draft.division_code, draft.unit_id)
    return draft


DraftDep = Annotated[Draft, Depends(_draft)]
"""The draft of the address, locked, where the asker may read what it says."""


@router.get("/drafts/{draft_id}")
async def get_draft(draft: DraftDep, principal: CurrentPrincipal, uow: UowDep, context: ContextDep) -> DraftDetail:
    """One draft with what it says, as it was said; that it was read is put on record."""
    detail = await _detail(uow, context.settings.home, draft)
    if detail.text:
        await record_act(uow, principal, "draft.read", draft=draft.id)
        await uow.commit()
    return detail


async def _detail(uow: UnitOfWork, home: Path, draft: Draft) -> DraftDetail:
    content = await service.content_of(uow, Vault.of(home), draft)
    return DraftDetail.of(
        draft,
        uow.clock.now(),
        text=content.text,
        lines=[LineOut(**line.__dict__) for line in content.lines],
        personal=[PersonalOut(**finding.__dict__) for finding in find_personal(content.text)],
    )


@router.get("/drafts/{draft_id}/file", response_class=Response)
async def get_draft_file(draft: DraftDep, principal: CurrentPrincipal, uow: UowDep, context: ContextDep) -> Response:
    """The letter or recording as it came in; that it was read is put on record."""
    data = service.file_of(context.settings.home, draft)
    await record_act(uow, principal, "draft.file", draft=draft.id)
    await uow.commit()
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
        "Content-Disposition": "inline",
    }
    return Response(data, media_type=draft.media_type, headers=headers)


class CorrectionIn(BaseModel):
    """`version`: of the draft as it was seen."""

    version: Version
    text: Annotated[str, Field(max_length=TEXT_LIMIT)]


@router.put("/drafts/{draft_id}")
async def correct_draft(body: CorrectionIn, draft: DraftDep, uow: UowDep, context: ContextDep) -> DraftDetail:
    """Put the text right, or type it in where the machine could not read it."""
    corrected = await service.correct(uow, Vault.of(context.settings.home), draft, body.version, body.text)
    detail = await _detail(uow, context.settings.home, corrected)
    await uow.commit()
    return detail


@router.post("/drafts/{draft_id}/reading")
async def read_draft_again(draft: DraftDep, uow: UowDep, context: ContextDep, queue: QueueDep) -> DraftOut:
    """Have it read once more, where reading failed or was interrupted."""
    waiting = await service.read_again(uow, draft)
    await uow.commit()
    queue.add(waiting.id)
    return DraftOut.of(waiting, context.clock.now())


class ConfirmationIn(BaseModel):
    """`version`: of the draft as the person has checked it; the rest is what the report needs beside its words."""

    version: Version
    category: Id | None = None
    division_code: DivisionCode | None = None
    lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    address: Annotated[str, Field(max_length=200)] = ""
    reporter_name: Annotated[str | None, Field(max_length=50)] = None
    reporter_phone: Annotated[str | None, Field(pattern=r"^[0-9+ -]{5,20}$")] = None

    @property
    def place(self) -> Place | None:
        return Place.given(self.lon, self.lat)


class Confirmed(BaseModel):
    """`code`: for the reporter, None where the recording came with a report that has one."""

    report_id: str
    tracking_number: str
    code: str | None
    incident_id: str


@router.post("/drafts/{draft_id}/confirm")
async def confirm_draft(
    body: ConfirmationIn,
    draft: DraftDep,
    request: Request,
    principal: CurrentPrincipal,
    uow: UowDep,
    desk: DeskDep,
    repeatable: RepeatableDep,
) -> Confirmed:
    """A person has checked the text: it becomes a report, or the words of the report that the recording came with."""
    if (known := await repeatable.known(Confirmed)) is not None:
        code = known.code and opened_code(desk.vault, known.tracking_number, known.code)
        return known.model_copy(update={"code": code})
    division = body.division_code or (None if body.place else draft.division_code)
    await check(request, principal, "report.create", await find_division(uow, division, body.place), None)
    values = body.model_dump(exclude={"lon", "lat", "version", "division_code"})
    given = ReportIn(content="", place=body.place, division_code=division, **values)
    report, taken = await service.confirm(uow, desk, principal, draft, body.version, given)
    answer = Confirmed(
        report_id=report.id,
        tracking_number=report.tracking_number,
        code=taken.code if taken else None,
        incident_id=report.incident_id,
    )
    sealed = taken and sealed_code(desk.vault, report.tracking_number, taken.code)
    await repeatable.keep(answer.model_copy(update={"code": sealed}))
    await uow.commit()
    return answer


class SeenIn(BaseModel):
    """`version`: of the draft as it was seen."""

    version: Version


@router.post("/drafts/{draft_id}/discard")
async def discard_draft(
    body: SeenIn, draft: DraftDep, principal: CurrentPrincipal, uow: UowDep, context: ContextDep
) -> DraftOut:
    """Put away what tells of nothing; its file stays, its text does not."""
    discarded = await service.discard(uow, principal, draft, body.version)
    await record_act(uow, principal, "draft.discard", draft=draft.id)
    await uow.commit()
    return DraftOut.of(discarded, context.clock.now())
