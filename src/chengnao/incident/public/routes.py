"""The API for citizens: no account, no cookie, limited by address."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Header, Query, Request, UploadFile
from pydantic import BaseModel, Field

from chengnao.agents.general.asking import by_rule
from chengnao.incident.advice import talking
from chengnao.incident.catalogue import categories, category_name
from chengnao.incident.drafts.model import FILE_LIMIT
from chengnao.incident.drafts.routes import QueueDep
from chengnao.incident.drafts.service import add_draft
from chengnao.incident.names import Names
from chengnao.incident.photos import PHOTO_LIMIT, keep_photo
from chengnao.incident.public import service
from chengnao.incident.public.model import CITIZEN, Progress, Standing, Step, address_key
from chengnao.incident.public.pictures import without_traces
from chengnao.incident.public.service import PublicLimits
from chengnao.incident.reports.model import Channel
from chengnao.incident.reports.routes import DeskDep
from chengnao.incident.reports.service import ReportIn, opened_code, rate, sealed_code
from chengnao.kernel.clock import CST, city_text
from chengnao.kernel.idempotency import Repeatable
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.places import Place
from chengnao.kernel.web import ContextDep, DivisionCode, Id, UowDep
from chengnao.models.client import ModelClient

router = APIRouter(prefix="/public", tags=["public"])

MODEL_LABEL = "本回答由人工智能辅助生成，仅供参考；以原文和工作人员答复为准。"
ANSWER_LABEL = "本回答由系统从公开文件自动摘录，仅供参考；以原文和工作人员答复为准。"
# A question costs up to a second of work, or a model's time; a crowd waits its turn.
_asking = asyncio.Semaphore(4)
# Unpacking a photo takes time and memory; two at a time keep a crowd within bounds.
_unpacking = asyncio.Semaphore(2)

Code = Annotated[str, Field(min_length=1, max_length=32)]
TrackingNumber = Annotated[str, Field(pattern=r"^[A-Z]{2}-\d{8}-\d{6,9}$")]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=16, max_length=64, description="a random name of the request"),
]


def limits_of(request: Request) -> PublicLimits:
    limits: PublicLimits = request.app.state.public_limits
    return limits


LimitsDep = Annotated[PublicLimits, Depends(limits_of)]


def sender_of(request: Request) -> str:
    return address_key(request.client.host if request.client else None)


SenderDep = Annotated[str, Depends(sender_of)]


def limited(kind: str) -> Callable[..., Awaitable[None]]:
    """A dependency: takes one token of the sender for what the route does."""

    async def take(limits: LimitsDep, sender: SenderDep) -> None:
        getattr(limits, kind).take(sender)

    return take


class PublicReportIn(BaseModel):
    """What a citizen reports: in words, by a recording sent before, or both."""

    content: Annotated[str, Field(max_length=4000)] = ""
    lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    address: Annotated[str, Field(max_length=200)] = ""
    division_code: DivisionCode | None = None
    category: Id | None = None
    photo_ids: Annotated[list[Id], Field(max_length=9)] = []
    audio_id: Id | None = None
    reporter_name: Annotated[str | None, Field(max_length=50)] = None
    reporter_phone: Annotated[str | None, Field(pattern=r"^[0-9+ -]{5,20}$")] = None

    @property
    def place(self) -> Place | None:
        return Place.given(self.lon, self.lat)


class PublicReportMade(BaseModel):
    """`code`: asked for with the number; it is shown only now."""

    tracking_number: str
    code: str


@router.post("/reports", status_code=201, dependencies=[Depends(limited("reports"))])
async def create_public_report(
    body: PublicReportIn, request: Request, uow: UowDep, desk: DeskDep, queue: QueueDep, key: Key = None
) -> PublicReportMade:
    """Report a matter; the number and the code show what becomes of it."""
    repeatable = Repeatable(uow, CITIZEN.id, key, b"POST /public/reports\n" + await request.body())
    if (known := await repeatable.known(PublicReportMade)) is not None:
        code = opened_code(desk.vault, known.tracking_number, known.code)
        return known.model_copy(update={"code": code})
    values = body.model_dump(exclude={"lon", "lat", "audio_id"})
    given = ReportIn(place=body.place, channel=Channel.CITIZEN, **values)
    taken, recording = await service.take(uow, desk, given, body.audio_id)
    number = taken.report.tracking_number
    sealed = sealed_code(desk.vault, number, taken.code)
    await repeatable.keep(PublicReportMade(tracking_number=number, code=sealed))
    await uow.commit()
    if recording is not None:
        queue.add(recording.id)
    return PublicReportMade(tracking_number=number, code=taken.code)


class StepOut(BaseModel):
    at: datetime
    action: str
    name: str
    name_en: str
    unit_name: str | None


class PublicReportOut(BaseModel):
    """Where the report stands: nothing in it tells who made it, or who else did.

    `others`: how many other reports tell of the same matter; `can_rate`: whether there is an answer to judge.
    """

    tracking_number: str
    received_at: datetime
    category_name: str
    standing: Standing
    standing_name: str
    standing_name_en: str
    note: str
    note_en: str
    unit_name: str | None
    due_at: datetime | None
    overdue: bool
    answer: str | None
    answered_at: datetime | None
    others: int
    reopened: bool
    can_rate: bool
    satisfaction: int | None
    steps: list[StepOut]

    @classmethod
    def of(cls, found: Progress, names: Names) -> Self:
        note, note_en = _note(found, names)
        report = found.report
        return cls(
            tracking_number=report.tracking_number,
            received_at=report.received_at,
            category_name=category_name(report.category),
            standing=found.standing,
            standing_name=found.standing.zh,
            standing_name_en=found.standing.en,
            note=note,
            note_en=note_en,
            unit_name=names.unit(found.unit_id),
            due_at=found.due_at,
            overdue=found.overdue,
            answer=found.answer,
            answered_at=report.answered_at,
            others=found.others,
            reopened=found.reopened,
            can_rate=report.answered_at is not None,
            satisfaction=report.satisfaction,
            steps=[_step(step, names) for step in found.steps],
        )


def _step(step: Step, names: Names) -> StepOut:
    return StepOut(
        at=step.at, action=step.action, name=step.name, name_en=step.name_en, unit_name=names.unit(step.unit_id)
    )


def _note(found: Progress, names: Names) -> tuple[str, str]:
    """One honest sentence."""
    due = city_text(found.due_at) if found.due_at else ""
    unit = names.unit(found.unit_id) or ""
    if found.overdue:
        late = "尚未受理" if found.standing is Standing.WAITING else "尚未办结"
        return (
            f"已超过期限（{due}），{late}。我们已在催办。",
            f"It is past its time ({due}) and not done. It is being urged.",
        )
    match found.standing:
        case Standing.WAITING:
            return (
                f"尚未受理：我们还没有确定由哪个单位办理，应在 {due} 前确定。",
                f"Not taken up yet: which unit handles it is not settled; it should be by {due}.",
            )
        case Standing.SUSPENDED:
            return (
                f"暂缓办理，由{unit}说明原因并经批准，恢复后继续计时。",
                f"On hold, as {unit} asked for and was granted.",
            )
        case Standing.ANSWERED | Standing.DISMISSED:
            return (
                "已有结果，见答复。如果问题没有解决，请告诉我们。",
                "There is an answer. Tell us if it does not solve the matter.",
            )
        case _:
            return f"由{unit}办理，应在 {due} 前办结。", f"With {unit}; it should be done by {due}."


@router.get("/reports/{tracking_number}", dependencies=[Depends(limited("questions"))])
async def get_public_report(
    tracking_number: TrackingNumber,
    code: Annotated[str, Query(min_length=1, max_length=32)],
    uow: UowDep,
    limits: LimitsDep,
    sender: SenderDep,
) -> PublicReportOut:
    """Where a report stands."""
    report = await service.find_report(uow, limits, sender, tracking_number, code)
    return PublicReportOut.of(await service.progress_of(uow, report), await Names.load(uow))


class RatingIn(BaseModel):
    """`satisfaction`: 1 to 5."""

    code: Code
    solved: bool
    satisfaction: Annotated[int | None, Field(ge=1, le=5)] = None
    comment: Annotated[str, Field(max_length=1000)] = ""


@router.post("/reports/{tracking_number}/answer", dependencies=[Depends(limited("questions"))])
async def rate_public_report(
    tracking_number: TrackingNumber, body: RatingIn, uow: UowDep, limits: LimitsDep, sender: SenderDep
) -> PublicReportOut:
    """Say what the answer is worth; not solved within 30 days of it opens the matter again, once by itself."""
    report = await service.find_report(uow, limits, sender, tracking_number, body.code, lock=True)
    await rate(uow, report, solved=body.solved, satisfaction=body.satisfaction, comment=body.comment)
    after = await service.find_report(uow, limits, sender, tracking_number, body.code, lock=True)
    answer = PublicReportOut.of(await service.progress_of(uow, after), await Names.load(uow))
    await uow.commit()
    return answer


class Kept(BaseModel):
    id: str


@router.post("/photos", status_code=201, dependencies=[Depends(limited("uploads"))])
async def add_public_photo(file: UploadFile, uow: UowDep, context: ContextDep) -> Kept:
    """Keep a JPEG, PNG or WebP image of at most 10 MB for a report; where it was taken is removed from it."""
    data = await file.read(PHOTO_LIMIT + 1)
    async with _unpacking:
        bare = await asyncio.to_thread(without_traces, data)
    photo = await keep_photo(uow, context.settings.home, CITIZEN, None, bare)
    await uow.commit()
    return Kept(id=photo.id)


@router.post("/audio", status_code=201, dependencies=[Depends(limited("uploads"))])
async def add_public_recording(file: UploadFile, uow: UowDep, context: ContextDep) -> Kept:
    """Keep a recording of at most 15 MB for a report; it is kept sealed, and a person writes down what it says."""
    data = await file.read(FILE_LIMIT + 1)
    draft = await add_draft(uow, context.settings.home, CITIZEN, Channel.CALL, data, CITIZEN.division_code)
    await uow.commit()
    return Kept(id=draft.id)


class QuestionIn(BaseModel):
    question: Annotated[str, Field(min_length=1, max_length=500)]


class SourceOut(BaseModel):
    """A public text that the answer quotes."""

    document_id: str
    title: str
    quote: str


class PublicAnswer(BaseModel):
    """`found` false: nothing public answers it. `next`: report, track, call, or none. `by`: who put it into words."""

    found: bool
    answer: str
    sources: list[SourceOut]
    next: Literal["report", "track", "call", "none"]
    by: Literal["model", "rule"]
    label: str
    person: str


PERSON = "12345"
"""Where a person answers, at any hour."""


@router.post("/ask", dependencies=[Depends(limited("questions"))])
async def ask(body: QuestionIn, uow: UowDep, context: ContextDep) -> PublicAnswer:
    """Answer a question out of public texts alone; nothing is changed, and nobody's matter is told of."""
    async with _asking, ModelClient(context.settings) as client:
        call = by_rule(uow, context.settings, CITIZEN, "customer-service")
        answer, by = await talking.answered(call, body.question, client)
    label = MODEL_LABEL if by == "model" else ANSWER_LABEL
    return PublicAnswer(
        found=answer.result["answerable"],
        answer=answer.result["answer"],
        sources=[SourceOut(document_id=each.id, title=each.title, quote=each.quote) for each in answer.evidence],
        next=answer.result["next"],
        by="model" if by == "model" else "rule",
        label=label,
        person=PERSON,
    )


class PublicCategory(BaseModel):
    code: str
    name: str
    name_en: str
    group: str


@router.get("/categories", dependencies=[Depends(limited("questions"))])
async def list_public_categories() -> list[PublicCategory]:
    """What can be reported, by group."""
    return [
        PublicCategory(code=each.code, name=each.name, name_en=each.name_en, group=each.source)
        for each in categories().values()
    ]


class PublicPlace(BaseModel):
    code: str
    name: str
    lon: float | None
    lat: float | None


@router.get("/places", dependencies=[Depends(limited("questions"))])
async def find_public_places(
    uow: UowDep, context: ContextDep, q: Annotated[str, Query(min_length=1, max_length=50)]
) -> list[PublicPlace]:
    """Districts and streets whose name holds the words, twenty at most."""
    today = context.clock.now().astimezone(CST).date()
    found = await OrganisationRepository(uow.session).divisions(today, PageRequest(1, 20), words=q)
    names = await Names.load(uow)
    return [
        PublicPlace(code=each.code, name=names.division(each.code), lon=each.label_lon, lat=each.label_lat)
        for each in found.items
    ]
