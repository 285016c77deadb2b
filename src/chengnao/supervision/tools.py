"""Tools about what leaders look at, and the rules that write and compare from figures."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from chengnao.agents.general.proposals import proposing
from chengnao.agents.model import Effect
from chengnao.agents.tools import Call, Rule, Tool, offer
from chengnao.incident.duty_repository import DutyRepository
from chengnao.incident.measures import By
from chengnao.incident.names import Names
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.privacy.model import mask
from chengnao.supervision.duty.model import duty_rules, told
from chengnao.supervision.evaluation import service as evaluation
from chengnao.supervision.evaluation.model import indicators, shown
from chengnao.supervision.writing import comparing, rules
from chengnao.supervision.writing.service import facts_for


class DutyIn(BaseModel):
    limit: Annotated[int, Field(ge=1, le=20)] = 10


class DutyCaseOut(BaseModel):
    incident_id: str
    number: str
    title: str
    grade: int
    state: str
    unit: str | None
    reasons: list[str]
    to_do: list[str]


class DutyOut(BaseModel):
    total: int
    counts: dict[str, int]
    cases: list[DutyCaseOut]


async def _duty_list(call: Call, given: DutyIn) -> DutyOut:
    names, known = await Names.load(call.uow), duty_rules()
    found, counts = await DutyRepository(call.uow.session).duty_list(
        call.scope, known.repetition, None, names.now, PageRequest(1, given.limit)
    )
    cases = []
    for each in found.items:
        reasons = told(each, names)
        cases.append(
            DutyCaseOut(
                incident_id=each.incident.id,
                number=each.incident.number,
                title=mask(each.incident.title),
                grade=each.incident.grade,
                state=each.incident.state.zh,
                unit=names.unit(each.incident.unit_id),
                reasons=[mask(reason.why) for reason in reasons],
                to_do=[mask(reason.do) for reason in reasons],
            )
        )
    return DutyOut(
        total=found.total,
        counts={known.reasons[code].name: count for code, count in counts.items() if count},
        cases=cases,
    )


class IndicatorsIn(BaseModel):
    by: Literal["unit", "category", "division", "channel", "tier", "day", "week", "month"] = "unit"
    days: Annotated[int, Field(ge=1, le=366, description="到现在为止的多少天")] = 30
    keys: Annotated[list[str], Field(max_length=12, description="指标代码，缺省为常用的几项")] = []
    limit: Annotated[int, Field(ge=1, le=30)] = 10


class GroupOut(BaseModel):
    key: str
    name: str
    figures: dict[str, str]


class IndicatorsOut(BaseModel):
    total: GroupOut
    groups: list[GroupOut]


async def _indicators(call: Call, given: IndicatorsIn) -> IndicatorsOut:
    now = call.uow.clock.now()
    by: By = given.by
    found = await evaluation.evaluate(
        call.uow, call.scope, by, evaluation.period(now - timedelta(days=given.days), None, now)
    )
    wanted = [indicators().get(key) for key in (given.keys or rules.USUAL)]
    groups = sorted(found.groups, key=lambda group: -group.counts.get("opened", 0))[: given.limit]
    return IndicatorsOut(
        total=GroupOut(
            key="", name=found.total.name, figures={each.name: shown(each, found.total.value(each)) for each in wanted}
        ),
        groups=[
            GroupOut(
                key=group.key, name=group.name, figures={each.name: shown(each, group.value(each)) for each in wanted}
            )
            for group in groups
        ],
    )


class FactsIn(BaseModel):
    kind: Literal["weekly", "duty", "notice", "answer"]
    days: Annotated[int, Field(ge=1, le=92)] = 7
    report_id: Annotated[str, Field(max_length=64)] = ""


class FactsOut(BaseModel):
    """`lines`: what may be said, every figure reckoned by code."""

    title: str
    period: str
    lines: list[str]


async def _facts(call: Call, given: FactsIn) -> FactsOut:
    found = await facts_for(call, given.kind, given.days, given.report_id)
    return FactsOut(title=found.title, period=found.period, lines=[line.text for line in found.lines])


class OptionsIn(BaseModel):
    unit_ids: Annotated[list[str], Field(max_length=6, description="要比较的单位编号，缺省为在办最多的几个")] = []
    days: Annotated[int, Field(ge=1, le=366)] = 30


class OptionOut(BaseModel):
    id: str
    name: str
    figures: dict[str, float | None]


class OptionsOut(BaseModel):
    options: list[OptionOut]


async def _options(call: Call, given: OptionsIn) -> OptionsOut:
    found = await comparing.units_as_options(call, given.unit_ids, given.days)
    return OptionsOut(options=[OptionOut(id=each.id, name=each.name, figures=dict(each.figures)) for each in found])


class WritingIn(BaseModel):
    """For an answer the report; else figures, points, or nothing: then the record is asked."""

    kind: Literal["weekly", "duty", "notice", "answer"]
    days: Annotated[int | None, Field(ge=1, le=92)] = None
    report_id: Annotated[str | None, Field(max_length=64)] = None
    title: Annotated[str | None, Field(max_length=80)] = None
    period: Annotated[str | None, Field(max_length=40)] = None
    points: Annotated[list[str] | None, Field(max_length=12)] = None
    figures: Annotated[list[dict[str, Any]] | None, Field(max_length=20)] = None


class DecisionIn(BaseModel):
    """Options with their figures; or units, those with most work where none are named."""

    options: Annotated[list[dict[str, Any]] | None, Field(max_length=6)] = None
    better: dict[str, Literal["higher", "lower"]] | None = None
    weights: dict[str, float] | None = None
    unit_ids: Annotated[list[str] | None, Field(max_length=6)] = None
    days: Annotated[int | None, Field(ge=1, le=366)] = None


OFFICE_WRITING = Rule("office-writing", "按指标和记录填写公文草稿", rules.office_writing)
DECISION_ANALYSIS = Rule("decision-analysis", "按指标和负荷比较方案", comparing.decision_analysis)
READ = Effect.READ

offer(
    Tool(
        "supervision.duty_list",
        "督办清单",
        "列出需要领导关注的事件、原因和建议",
        READ,
        "supervision.read",
        DutyIn,
        DutyOut,
        _duty_list,
        True,
    ),
    Tool(
        "evaluation.indicators",
        "评价指标",
        "按单位、类别、区县或时间统计评价指标",
        READ,
        "evaluation.read",
        IndicatorsIn,
        IndicatorsOut,
        _indicators,
    ),
    Tool(
        "evaluation.options",
        "单位负荷比较",
        "比较几个单位的在办件数、按时率、退单率和处置时长",
        READ,
        "evaluation.read",
        OptionsIn,
        OptionsOut,
        _options,
    ),
    Tool(
        "writing.facts",
        "写作素材",
        "取得周报、值班报告或答复所需的事实和数字，数字都由程序算出",
        READ,
        "evaluation.read",
        FactsIn,
        FactsOut,
        _facts,
        True,
    ),
    proposing(
        "writing.draft",
        "公文草稿",
        "按记录、数字或要点填写草稿，数字都由程序算出",
        "incident.read",
        WritingIn,
        OFFICE_WRITING,
        personal=True,
    ),
    proposing(
        "decision.compare",
        "方案比较",
        "按指标比较方案或单位，给出排序和理由",
        "evaluation.read",
        DecisionIn,
        DECISION_ANALYSIS,
    ),
    OFFICE_WRITING,
    DECISION_ANALYSIS,
)
