"""Evaluation over HTTP: the indicators, the cases behind each, and what can be taken away and printed."""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Self
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, Response
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.incident.catalogue import category_name
from chengnao.incident.measures import Anchor, By, Case, Span, Subject
from chengnao.incident.model import State, TaskRole
from chengnao.incident.names import Names
from chengnao.kernel.access.model import Principal
from chengnao.kernel.clock import CST
from chengnao.kernel.web import PageDep, PageOf, ScopeDep, UowDep, require
from chengnao.supervision.evaluation import service
from chengnao.supervision.evaluation.export import gather, workbook
from chengnao.supervision.evaluation.model import Better, Count, Group, Indicator, Part, Time, indicators
from chengnao.supervision.evaluation.printed import page
from chengnao.supervision.evaluation.replay import check_log

router = APIRouter(tags=["evaluation"])

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Reader = Annotated[Principal, Depends(require("evaluation.read"))]
From = Annotated[AwareDatetime | None, Query(alias="from")]


class SpreadOut(BaseModel):
    """How long something took, in seconds; `odd` cases took less than nothing and stand apart."""

    count: int
    odd: int
    median: float | None
    p90: float | None


class EvaluationRow(BaseModel):
    """Counts, rates and times of one group; a rate over nothing is null."""

    key: str
    name: str
    opened: int
    imported: int
    dismissed: int
    merged: int
    answered_at_intake: int
    closable: int
    closed: int
    close_due: int
    closed_on_time: int
    verify_due: int
    verified_on_time: int
    overdue_open: int
    urged: int
    bounced: int
    ended: int
    reopened: int
    source_due: int
    source_on_time: int
    completed: int
    dispatched: int
    accept_due: int
    accepted_on_time: int
    handle_due: int
    handled_on_time: int
    returned: int
    reworked: int
    led: int
    misdispatched: int
    reports: int
    answered: int
    rated: int
    satisfied: int
    accept_rate: float | None
    handle_rate: float | None
    verify_rate: float | None
    close_rate: float | None
    on_time_close_rate: float | None
    return_rate: float | None
    rework_rate: float | None
    misdispatch_rate: float | None
    reopen_rate: float | None
    source_on_time_rate: float | None
    answer_rate: float | None
    satisfaction_rate: float | None
    time_dispatch: SpreadOut
    time_accept: SpreadOut
    time_handle: SpreadOut
    time_verify: SpreadOut
    time_close: SpreadOut
    time_whole: SpreadOut
    time_source: SpreadOut

    @classmethod
    def of(cls, group: Group) -> Self:
        figures: dict[str, Any] = {}
        for each in indicators().all:
            figures[each.key] = vars(group.spread(each)) if isinstance(each, Time) else group.value(each)
        return cls(key=group.key, name=group.name, **figures)


class Definition(BaseModel):
    """What a figure says: what is counted, divided by what, in which sense."""

    key: str
    kind: str
    name: str
    name_en: str
    subject: Subject
    anchor: Anchor
    unit: str
    better: Better | None
    numerator: str
    numerator_en: str
    denominator: str | None = None
    denominator_en: str | None = None
    exclusions: str | None = None
    exclusions_en: str | None = None
    follows: str | None = None
    follows_en: str | None = None

    @classmethod
    def of(cls, indicator: Indicator) -> Self:
        own = {name: getattr(indicator, name) for name in ("key", "name", "name_en", "subject", "anchor")}
        own |= {"kind": type(indicator).__name__.lower(), "unit": indicator.unit, "better": indicator.better}
        if isinstance(indicator, Count | Time):
            return cls(**own, numerator=indicator.text, numerator_en=indicator.text_en)
        return cls(
            **own,
            numerator=indicator.numerator.text,
            numerator_en=indicator.numerator.text_en,
            denominator=indicator.denominator.text,
            denominator_en=indicator.denominator.text_en,
            exclusions=indicator.exclusions,
            exclusions_en=indicator.exclusions_en,
            follows=indicator.follows or None,
            follows_en=indicator.follows_en or None,
        )


class EvaluationOut(BaseModel):
    since: Annotated[datetime, Field(serialization_alias="from")]
    to: datetime
    by: By
    rows: list[EvaluationRow]
    total: EvaluationRow
    definitions: list[Definition]


@router.get("/evaluation")
async def get_evaluation(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    by: By = "unit",
    since: From = None,
    to: AwareDatetime | None = None,
    category: str | None = None,
) -> EvaluationOut:
    """The indicators of a period, by default the last 30 days, with their definitions."""
    span = service.period(since, to, uow.clock.now())
    found = await service.evaluate(uow, scope, by, span, category)
    return EvaluationOut(
        since=span.since,
        to=span.until,
        by=by,
        rows=[EvaluationRow.of(group) for group in found.groups],
        total=EvaluationRow.of(found.total),
        definitions=[Definition.of(each) for each in indicators().all],
    )


class CaseTask(BaseModel):
    seq: int
    role: TaskRole
    unit_id: str
    unit_name: str | None
    dispatched_at: datetime
    accept_by: datetime
    accepted_at: datetime | None
    handle_by: datetime | None
    handled_at: datetime | None
    returned_at: datetime | None
    return_code: str | None
    reworked: int


class CaseOut(BaseModel):
    """One subject behind a figure: an incident, with the task or the report where those are counted."""

    incident_id: str
    number: str
    title: str
    category: str
    category_name: str
    grade: int
    state: State
    state_name: str
    division_code: str
    division_name: str
    unit_id: str | None
    unit_name: str | None
    opened_at: datetime
    closed_at: datetime | None
    close_by: datetime | None
    at: datetime
    """The moment that puts it into the period."""
    seconds: float | None
    """What a time measured."""
    task: CaseTask | None
    tracking_number: str | None

    @classmethod
    def of(cls, case: Case, names: Names) -> Self:
        incident, task = case.incident, None
        if case.task is not None:
            own = {name: getattr(case.task, name) for name in CaseTask.model_fields if name != "unit_name"}
            task = CaseTask(**own, unit_name=names.unit(case.task.unit_id))
        derived = {
            "incident_id": incident.id,
            "category_name": category_name(incident.category),
            "state_name": incident.state.zh,
            "division_name": names.division(incident.division_code),
            "unit_name": names.unit(incident.unit_id),
            "task": task,
            **{name: getattr(case, name) for name in ("at", "seconds", "tracking_number")},
        }
        plain = {name: getattr(incident, name) for name in cls.model_fields if name not in derived}
        return cls(**plain, **derived)


@router.get("/evaluation/cases")
async def get_evaluation_cases(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    request: PageDep,
    indicator: str,
    part: Part = "numerator",
    by: By | None = None,
    key: str = "",
    since: From = None,
    to: AwareDatetime | None = None,
    category: str | None = None,
) -> PageOf[CaseOut]:
    """The cases that a figure counts (`numerator`), is divided by (`denominator`), or lacks (`missed`)."""
    span = service.period(since, to, uow.clock.now())
    wanted = indicators().get(indicator)
    found = await service.cases_behind(uow, scope, wanted, part, span, request, by=by, key=key, category=category)
    names = await Names.load(uow)
    return PageOf[CaseOut].of(found, [CaseOut.of(case, names) for case in found.items])


class DifferenceOut(BaseModel):
    """A column that says something else than the event log."""

    incident_id: str
    number: str
    field: str
    column: Any
    log: Any


class CheckOut(BaseModel):
    """`differing` counts all differences; the list shows the first hundred."""

    since: Annotated[datetime, Field(serialization_alias="from")]
    to: datetime
    incidents: int
    entries: int
    differing: int
    differences: list[DifferenceOut]


@router.get("/evaluation/check")
async def get_evaluation_check(
    principal: Annotated[Principal, Depends(require("audit.read"))],
    scope: ScopeDep,
    uow: UowDep,
    since: From = None,
    to: AwareDatetime | None = None,
) -> CheckOut:
    """Whether what the indicators are computed from agrees with the event log, incident by incident."""
    span = service.period(since, to, uow.clock.now())
    checked = await check_log(uow, scope, span)
    return CheckOut(
        since=span.since,
        to=span.until,
        incidents=checked.incidents,
        entries=checked.entries,
        differing=checked.differing,
        differences=[DifferenceOut(**vars(each)) for each in checked.differences],
    )


@router.get("/evaluation/export.xlsx", response_class=Response, responses={200: {"content": {XLSX: {}}}})
async def export_evaluation(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    since: From = None,
    to: AwareDatetime | None = None,
    category: str | None = None,
) -> Response:
    """The indicators of a period as an Excel file: a sheet for each grouping, the definitions, and the cases."""
    span = service.period(since, to, uow.clock.now())
    data = await asyncio.to_thread(workbook, await gather(uow, scope, span, category))
    return Response(data, media_type=XLSX, headers={"Content-Disposition": _attachment(span)})


def _attachment(span: Span) -> str:
    first, last = (f"{moment.astimezone(CST):%Y%m%d}" for moment in (span.since, span.until))
    name = quote(f"评价指标-{first}-{last}.xlsx")
    return f"attachment; filename=\"evaluation-{first}-{last}.xlsx\"; filename*=UTF-8''{name}"


@router.get("/print/evaluation", response_class=HTMLResponse)
async def print_evaluation(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    by: By = "unit",
    since: From = None,
    to: AwareDatetime | None = None,
    category: str | None = None,
) -> HTMLResponse:
    """The indicators of a period as a page to print."""
    span = service.period(since, to, uow.clock.now())
    found = await service.evaluate(uow, scope, by, span, category)
    names = await Names.load(uow)
    return HTMLResponse(
        page(found, by, span, names.division(scope.division_code), category and category_name(category))
    )
