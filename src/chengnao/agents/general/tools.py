"""Tools and rules that need nothing above this floor: texts, sums, days, devices, knowledge."""

from datetime import date, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from chengnao.agents.general import rules
from chengnao.agents.general.arithmetic import LONGEST, calculate, shown
from chengnao.agents.general.proposals import proposing
from chengnao.agents.model import Effect
from chengnao.agents.tools import Call, Rule, Tool, offer
from chengnao.kernel.calendar_days.service import load_calendar
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.privacy.model import mask
from chengnao.knowledge import service as knowledge
from chengnao.knowledge.model import Hit
from chengnao.knowledge.readership import readership_of
from chengnao.sensing.devices.list_repository import DeviceFilter, DeviceLists
from chengnao.sensing.devices.model import device_classes

CONTENT_REVIEW = Rule("content-review", "按规则审查内容", rules.content_review)
KNOWLEDGE_BUILDING = Rule("knowledge-building", "按格式读出文件的标题、文号、日期和发文机关", rules.knowledge_building)
KNOWLEDGE = "knowledge.read"
_PASSAGE = 600
VIEW = "division.read"
"""What everybody who is signed in may do: for tools that read no record."""
_FARTHEST_DAYS = 3660


class SumIn(BaseModel):
    expression: Annotated[str, Field(min_length=1, max_length=LONGEST, description="算式，如 (12000-800)*3.5%")]


class SumOut(BaseModel):
    value: str


async def _calculate(call: Call, given: SumIn) -> SumOut:
    return SumOut(value=shown(calculate(given.expression)))


class DaysIn(BaseModel):
    """`days` from `start`, or how many there are between `start` and `end`."""

    start: Annotated[date | None, Field(description="起始日期，缺省为今天")] = None
    days: Annotated[int | None, Field(ge=0, le=2500, description="经过多少个工作日")] = None
    end: Annotated[date | None, Field(description="截止日期，与 days 二选一")] = None


class DaysOut(BaseModel):
    start: date
    end: date
    working_days: int
    calendar_days: int
    weekday: str


async def _working_days(call: Call, given: DaysIn) -> DaysOut:
    calendar = await load_calendar(call.uow)
    start = given.start or call.uow.clock.now().astimezone(CST).date()
    if (given.days is None) == (given.end is None):
        raise Invalid(
            "invalid_value",
            field="days",
            value=given.days,
            reason_zh="days 与 end 给出一个",
            reason_en="give either days or end",
        )
    end, counted = given.end or start, 0
    if given.days is not None:
        while counted < given.days:
            end += timedelta(days=1)
            counted += calendar.is_working_day(end)
    elif not timedelta() <= end - start <= timedelta(days=_FARTHEST_DAYS):
        raise Invalid(
            "invalid_value",
            field="end",
            value=end.isoformat(),
            reason_zh="应不早于起始日期，且不超过十年",
            reason_en="it must not lie before start, nor ten years after it",
        )
    else:
        following = (start + timedelta(days=number) for number in range(1, (end - start).days + 1))
        counted = sum(calendar.is_working_day(day) for day in following)
    weekday = f"星期{'一二三四五六日'[end.weekday()]}"
    return DaysOut(start=start, end=end, working_days=counted, calendar_days=(end - start).days, weekday=weekday)


class TextIn(BaseModel):
    text: Annotated[str, Field(max_length=20_000)]


class TextOut(BaseModel):
    text: str


async def _mask(call: Call, given: TextIn) -> TextOut:
    return TextOut(text=mask(given.text))


class ReviewIn(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    channel: Literal["website", "wechat", "weibo", "sms", "notice", "answer"] = "website"
    ai_generated: bool = False


class PaperIn(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=20_000)]


class FindIn(BaseModel):
    query: Annotated[str, Field(min_length=1, max_length=500, description="要找的内容")]
    limit: Annotated[int, Field(ge=1, le=10)] = 4


class PassageOut(BaseModel):
    """A passage that the asker may read; `validity` says whether it is in force."""

    id: str
    title: str
    text: str
    document_id: str
    validity: str


class FoundOut(BaseModel):
    passages: list[PassageOut]


def _passage_out(hit: Hit, day: date) -> PassageOut:
    return PassageOut(
        id=hit.passage.id,
        title=f"《{hit.source.about.title}》{hit.passage.label}",
        text=hit.passage.text[:_PASSAGE],
        document_id=hit.source.id,
        validity=hit.source.validity(day).zh,
    )


async def _find_passages(call: Call, given: FindIn) -> FoundOut:
    day = knowledge.today(call.uow)
    found = await knowledge.search(
        call.uow, call.home, readership_of(call.principal), given.query, on=day, limit=given.limit
    )
    return FoundOut(passages=[_passage_out(each, day) for each in found])


class AskIn(BaseModel):
    question: Annotated[str, Field(min_length=1, max_length=500)]


class CitedOut(BaseModel):
    id: str
    title: str
    quote: str


class AnswerOut(BaseModel):
    """Sentences that stand in passages, word for word; `found` false: no basis was found."""

    found: bool
    answer: str
    citations: list[CitedOut]
    conflicts: int


async def _ask(call: Call, given: AskIn) -> AnswerOut:
    found = await knowledge.ask(call.uow, call.home, readership_of(call.principal), given.question)
    cited = [each for sentence in found.sentences for each in sentence.citations]
    return AnswerOut(
        found=found.found,
        answer=found.text,
        citations=[
            CitedOut(
                id=each.hit.passage.id,
                title=f"《{each.hit.source.about.title}》{each.hit.passage.label}",
                quote=each.quote,
            )
            for each in cited
        ],
        conflicts=len(found.conflicts),
    )


class PassageIn(BaseModel):
    passage_id: Annotated[str, Field(min_length=1, max_length=64)]


async def _read_passage(call: Call, given: PassageIn) -> PassageOut:
    hit = await knowledge.passage(call.uow, readership_of(call.principal), given.passage_id)
    return _passage_out(hit, knowledge.today(call.uow))


class DeviceIn(BaseModel):
    words: Annotated[str, Field(max_length=60, description="设备名称或编号中的字")] = ""
    class_code: Annotated[str, Field(max_length=64, description="设备类型代码")] = ""
    limit: Annotated[int, Field(ge=1, le=20)] = 5


class DeviceFound(BaseModel):
    id: str
    name: str
    class_name: str
    division_code: str
    faults: list[str]


class DeviceOut(BaseModel):
    total: int
    devices: list[DeviceFound]


async def _find_devices(call: Call, given: DeviceIn) -> DeviceOut:
    wanted = DeviceFilter(words=given.words.strip(), class_code=given.class_code)
    page = PageRequest(1, given.limit)
    found = await DeviceLists(call.uow.session).devices(call.scope, wanted, page)
    classes = device_classes()
    return DeviceOut(
        total=found.total,
        devices=[
            DeviceFound(
                id=each.id,
                name=each.name,
                class_name=classes[each.class_code].name_zh if each.class_code in classes else each.class_code,
                division_code=each.division_code,
                faults=[f"{fault.metric or '整机'} {fault.kind}" for fault in each.faults],
            )
            for each in found.items
        ],
    )


offer(
    Tool("calculate", "计算", "计算一个算式，得到精确的数", Effect.READ, VIEW, SumIn, SumOut, _calculate),
    Tool(
        "calendar.working_days",
        "工作日计算",
        "从某天起经过若干工作日是哪天，或两天之间有几个工作日",
        Effect.READ,
        VIEW,
        DaysIn,
        DaysOut,
        _working_days,
    ),
    Tool("text.mask", "隐去个人信息", "把文字中的个人信息隐去", Effect.READ, VIEW, TextIn, TextOut, _mask),
    proposing(
        "text.review", "内容规则审查", "按规则审查拟发布的文字，给出问题、原文和理由", VIEW, ReviewIn, CONTENT_REVIEW
    ),
    proposing(
        "document.metadata", "读出文件信息", "读出文件的标题、文号、日期和发文机关", VIEW, PaperIn, KNOWLEDGE_BUILDING
    ),
    Tool(
        "device.find",
        "查找设备",
        "按名称或编号查找感知设备",
        Effect.READ,
        "device.read",
        DeviceIn,
        DeviceOut,
        _find_devices,
    ),
    Tool(
        "knowledge.search",
        "检索知识",
        "检索现行有效的法规、政策和办事规程的段落",
        Effect.READ,
        KNOWLEDGE,
        FindIn,
        FoundOut,
        _find_passages,
    ),
    Tool(
        "knowledge.ask",
        "依据知识作答",
        "从知识库摘录答案，每句都有出处；没有依据就说没有",
        Effect.READ,
        KNOWLEDGE,
        AskIn,
        AnswerOut,
        _ask,
    ),
    Tool(
        "knowledge.passage",
        "读取段落",
        "按编号读取一个段落的原文",
        Effect.READ,
        KNOWLEDGE,
        PassageIn,
        PassageOut,
        _read_passage,
    ),
    CONTENT_REVIEW,
    KNOWLEDGE_BUILDING,
)
