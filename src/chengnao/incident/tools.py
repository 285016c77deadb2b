"""Tools about incidents and reports; what `advice` offers beside them is offered here too."""

from datetime import datetime
from functools import cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from chengnao.agents.model import Effect
from chengnao.agents.tools import Call, Tool, offer
from chengnao.incident.advice import rules, service
from chengnao.incident.advice.model import understood
from chengnao.incident.advice.offers import OFFERS
from chengnao.incident.advice.sight import PersonsOut, PictureIn, RecordingIn, SeenOut, SpeechOut, hear, persons, read
from chengnao.incident.catalogue import category_name
from chengnao.incident.merging.matching import candidates
from chengnao.incident.model import OPEN, Action, Incident
from chengnao.incident.moves import Move
from chengnao.incident.names import Names
from chengnao.incident.reports.service import require_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import act, require_incident
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.clock import city_text
from chengnao.kernel.privacy.model import mask

IncidentId = Annotated[str, Field(min_length=1, max_length=64, description="事件的内部编号（id）")]
Text = Annotated[str, Field(max_length=4000)]


@cache
def _authority() -> Authority:
    return Authority.load()


class IncidentShort(BaseModel):
    """An incident on one line."""

    id: str
    number: str
    title: str
    category: str
    category_name: str
    grade: int
    state: str
    division: str
    unit: str | None
    opened_at: str

    @classmethod
    def of(cls, incident: Incident, names: Names) -> Self:
        return cls(
            id=incident.id,
            number=incident.number,
            title=mask(incident.title),
            category=incident.category,
            category_name=category_name(incident.category),
            grade=incident.grade,
            state=incident.state.zh,
            division=names.division(incident.division_code),
            unit=names.unit(incident.unit_id),
            opened_at=city_text(incident.opened_at),
        )


class SearchIn(BaseModel):
    words: Annotated[str, Field(min_length=1, max_length=200, description="关键词或编号")]
    state: Literal["open", "closed", "any"] = "any"
    limit: Annotated[int, Field(ge=1, le=20)] = 5


class SearchOut(BaseModel):
    incidents: list[IncidentShort]


async def _search(call: Call, given: SearchIn) -> SearchOut:
    open_ = {"open": True, "closed": False, "any": None}[given.state]
    found = await service.find(call.uow, call.scope, understood(given.words), given.limit, open_=open_)
    names = await Names.load(call.uow)
    return SearchOut(incidents=[IncidentShort.of(incident, names) for incident, _ in found])


class ReadIn(BaseModel):
    incident_id: IncidentId


class StepOut(BaseModel):
    at: str
    action: str
    reason: str


class ReadOut(IncidentShort):
    description: str
    address: str
    due_at: str
    overdue: bool
    returns: int
    urged: int
    results: list[str]
    steps: list[StepOut]


async def _read(call: Call, given: ReadIn) -> ReadOut:
    incident = await require_incident(call.uow, call.scope, given.incident_id)
    names, repository = await Names.load(call.uow), IncidentRepository(call.uow.session)
    tasks = await repository.tasks_of(incident.id)
    steps = (await repository.timeline_of(incident.id))[-10:]
    return ReadOut(
        **IncidentShort.of(incident, names).model_dump(),
        description=mask(incident.description),
        address=mask(incident.address),
        due_at=_when(incident.due_at),
        overdue=incident.overdue(names.now),
        returns=incident.returns,
        urged=incident.urged,
        results=[mask(task.result) for task in tasks if task.result],
        steps=[
            StepOut(
                at=city_text(entry.at),
                action="立案" if entry.action == OPEN else Action(entry.action).zh,
                reason=mask(entry.reason)[:200],
            )
            for entry in steps
        ],
    )


def _when(moment: datetime | None) -> str:
    return "" if moment is None else city_text(moment)


class SimilarIn(BaseModel):
    """Give the incident, or a text for which there is none yet."""

    incident_id: Annotated[str, Field(max_length=64)] = ""
    text: Text = ""
    limit: Annotated[int, Field(ge=1, le=10)] = 3


class OpenAlike(IncidentShort):
    probability: float
    reasons: list[str]


class ClosedAlike(IncidentShort):
    likeness: float
    handled_by: str | None
    result: str


class SimilarOut(BaseModel):
    """`open`: perhaps the same matter; `closed`: such matters earlier, and what was done."""

    open: list[OpenAlike]
    closed: list[ClosedAlike]


async def _similar(call: Call, given: SimilarIn) -> SimilarOut:
    names = await Names.load(call.uow)
    subject = await rules.subject_of(call, given.incident_id, given.text)
    same = []
    if subject.incident is not None and not subject.incident.state.final:
        same = (await candidates(call.uow, call.scope, subject.incident))[: given.limit]
    found = await service.alike(
        call.uow, call.scope, subject.text, subject.category, subject.place, given.limit, given.incident_id
    )
    return SimilarOut(
        open=[
            OpenAlike(
                **IncidentShort.of(match.incident, names).model_dump(),
                probability=round(match.score.probability, 3),
                reasons=[reason.zh for reason in match.score.reasons if reason.speaks_for][:4],
            )
            for match in same
        ],
        closed=[
            ClosedAlike(
                **IncidentShort.of(each.incident, names).model_dump(),
                likeness=each.likeness,
                handled_by=names.unit(each.unit_id),
                result=each.result[:300],
            )
            for each in found
        ],
    )


class ClassifyIn(BaseModel):
    """Give a text, or the incident whose text is meant."""

    text: Text = ""
    incident_id: Annotated[str, Field(max_length=64)] = ""


class GuessOut(BaseModel):
    code: str
    name: str
    confidence: float


class ClassifyOut(BaseModel):
    candidates: list[GuessOut]
    grade: int
    grade_reasons: list[str]
    division: str
    places: list[str]
    times: list[str]
    several_matters: bool


async def _classify(call: Call, given: ClassifyIn) -> ClassifyOut:
    text = given.text
    if given.incident_id:
        incident = await require_incident(call.uow, call.scope, given.incident_id)
        text = text or incident.description or incident.title
    found, understanding = await service.guesses(call.uow, call.home, text)
    return ClassifyOut(
        candidates=[GuessOut(**vars(each)) for each in found],
        grade=understanding.grade,
        grade_reasons=[reason.zh for reason in understanding.grade_reasons],
        division=understanding.divisions[0].full_name if understanding.divisions else "",
        places=[road.name + road.number for road in understanding.roads],
        times=[time.words for time in understanding.times],
        several_matters=len(understanding.matters) > 1,
    )


class UnitIn(BaseModel):
    """Give the incident, or a text; `category` as if the matter were of that one; `units` to choose among these."""

    incident_id: Annotated[str, Field(max_length=64)] = ""
    text: Text = ""
    category: Annotated[str, Field(max_length=64)] = ""
    units: Annotated[list[dict[str, str]], Field(max_length=12)] = []


class UnitOut(BaseModel):
    unit_id: str | None
    unit: str | None
    reasons: list[str]


async def _suggest_unit(call: Call, given: UnitIn) -> UnitOut:
    subject = await rules.subject_of(call, given.incident_id, given.text)
    named = await rules.unit_of(call, {"units": given.units}, subject, given.category or subject.category)
    return UnitOut(unit_id=named.unit_id, unit=named.unit_name, reasons=list(named.reasons))


class NoteIn(BaseModel):
    incident_id: IncidentId
    text: Annotated[str, Field(min_length=1, max_length=1000)]


class ActedOut(BaseModel):
    number: str
    state: str
    version: int


async def _note(call: Call, given: NoteIn) -> ActedOut:
    return await _act(call, given.incident_id, lambda version: Move(Action.NOTE, version, reason=given.text))


class DispatchIn(BaseModel):
    incident_id: IncidentId
    unit_id: Annotated[str, Field(min_length=1, max_length=64, description="承办单位的编号")]
    reason: Annotated[str, Field(min_length=1, max_length=500)]


async def _dispatch(call: Call, given: DispatchIn) -> ActedOut:
    return await _act(
        call,
        given.incident_id,
        lambda version: Move(Action.DISPATCH, version, reason=given.reason, unit_id=given.unit_id),
    )


async def _act(call: Call, incident_id: str, move: "rules.Moving") -> ActedOut:
    """In the name of the person that the agent works for, through both walls."""
    incident = await require_incident(call.uow, call.scope, incident_id)
    after = await act(call.uow, _authority(), call.principal, incident_id, move(incident.version))
    return ActedOut(number=after.number, state=after.state.zh, version=after.version)


class DraftIn(BaseModel):
    report_id: Annotated[str, Field(min_length=1, max_length=64)]
    text: Annotated[str, Field(min_length=1, max_length=2000)]


class DraftOut(BaseModel):
    draft_id: str


async def _draft_answer(call: Call, given: DraftIn) -> DraftOut:
    report = await require_report(call.uow, call.scope, given.report_id)
    draft = await service.keep_draft(call.uow, call.principal, report, given.text, "model", call.run_id or None)
    return DraftOut(draft_id=draft.id)


class ReportIn(BaseModel):
    report_id: Annotated[str, Field(min_length=1, max_length=64)]


class StandingOut(BaseModel):
    """The facts that an answer may use, and one written by rule."""

    content: str
    tracking_number: str
    incident_number: str
    state: str
    unit: str | None
    result: str
    due_at: str
    by_rule: str


async def _standing(call: Call, given: ReportIn) -> StandingOut:
    report = await require_report(call.uow, call.scope, given.report_id)
    found = await service.standing_of(call.uow, report)
    return StandingOut(
        content=mask(report.content),
        tracking_number=report.tracking_number,
        incident_number=found.incident.number,
        state=found.incident.state.zh,
        unit=found.unit_name,
        result=found.result,
        due_at=_when(found.incident.close_by),
        by_rule=service.answer_text(found),
    )


READ, WRITE = Effect.READ, Effect.WRITE
VIEW, NOTE = "incident.read", "incident.note"

offer(
    Tool("incident.search", "查找事件", "按关键词或编号查找事件", READ, VIEW, SearchIn, SearchOut, _search, True),
    Tool("incident.read", "读取事件", "读取一个事件的内容、进展和处置结果", READ, VIEW, ReadIn, ReadOut, _read, True),
    Tool(
        "incident.similar",
        "相似事件",
        "找出可能是同一件事的在办事件，和以往相似的已办结事件及其处置结果",
        READ,
        VIEW,
        SimilarIn,
        SimilarOut,
        _similar,
        True,
    ),
    Tool(
        "incident.classify",
        "事件分类",
        "用本地分类器和等级规则判断类别候选、等级、地点和时间",
        READ,
        VIEW,
        ClassifyIn,
        ClassifyOut,
        _classify,
        True,
    ),
    Tool(
        "incident.suggest_unit",
        "推荐承办单位",
        "按责任清单、负荷和值班推荐承办单位，并说明理由",
        READ,
        VIEW,
        UnitIn,
        UnitOut,
        _suggest_unit,
    ),
    Tool("incident.note", "添加备注", "给事件添加一条备注", WRITE, NOTE, NoteIn, ActedOut, _note),
    Tool(
        "incident.dispatch",
        "分拨事件",
        "把事件分拨给承办单位",
        WRITE,
        "incident.dispatch",
        DispatchIn,
        ActedOut,
        _dispatch,
    ),
    Tool(
        "report.standing",
        "诉求办理情况",
        "读取一件诉求的办理情况，用于起草答复",
        READ,
        "report.read",
        ReportIn,
        StandingOut,
        _standing,
        True,
    ),
    Tool(
        "report.draft_answer",
        "保存答复草稿",
        "保存一份答复草稿，由工作人员核对后发送",
        WRITE,
        NOTE,
        DraftIn,
        DraftOut,
        _draft_answer,
    ),
    Tool(
        "picture.persons",
        "画面人数",
        "数出照片中的人数、密集程度和画面质量，不识别身份",
        READ,
        VIEW,
        PictureIn,
        PersonsOut,
        persons,
    ),
    Tool("picture.ocr", "画面文字", "读出照片中的文字", READ, VIEW, PictureIn, SeenOut, read, True),
    Tool("speech.transcribe", "录音转写", "把录音转写成文字", READ, "report.read", RecordingIn, SpeechOut, hear, True),
    *OFFERS,
)
