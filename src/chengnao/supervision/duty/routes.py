"""The list for the leader on duty, and urges with their answers, over HTTP."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from chengnao.incident.duty_measures import DutyCase, Urge
from chengnao.incident.duty_repository import DutyRepository
from chengnao.incident.names import Names
from chengnao.incident.views import IncidentOut
from chengnao.kernel.access.model import Principal
from chengnao.kernel.calendar import WorkingCalendar
from chengnao.kernel.calendar_days.service import load_calendar
from chengnao.kernel.errors import Invalid
from chengnao.kernel.web import PageDep, PageOf, ScopeDep, UowDep, require
from chengnao.supervision.duty.model import duty_rules, told

router = APIRouter(tags=["supervision"])

Reader = Annotated[Principal, Depends(require("supervision.read"))]


class ReasonOut(BaseModel):
    """Why a case is on the list, and what is to be done about it."""

    code: str
    name: str
    why: str
    do: str


class DutyItem(BaseModel):
    incident: IncidentOut
    reasons: list[ReasonOut]
    request_id: str | None

    @classmethod
    def of(cls, case: DutyCase, names: Names) -> Self:
        return cls(
            incident=IncidentOut.of(case.incident, names),
            reasons=[ReasonOut(**each.__dict__) for each in told(case, names)],
            request_id=None if case.request is None else case.request.id,
        )


class ReasonCount(BaseModel):
    code: str
    name: str
    name_en: str
    count: int


class DutyList(PageOf[DutyItem]):
    """`counts`: how many of all cases there are for each reason; a case may have several."""

    counts: list[ReasonCount]


@router.get("/supervision/duty-list")
async def duty_list(
    principal: Reader,
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    reason: Annotated[str | None, Query(max_length=20, description="only cases with this reason")] = None,
) -> DutyList:
    """What a leader of the own division has to see to now: the gravest first, each with why and what to do."""
    rules = duty_rules()
    if reason is not None and reason not in rules.reasons:
        known = ", ".join(rules.reasons)
        raise Invalid(
            "invalid_value",
            field="reason",
            value=reason,
            reason_zh=f"可用的值：{known}",
            reason_en=f"use one of {known}",
        )
    names = await Names.load(uow)
    found, counts = await DutyRepository(uow.session).duty_list(scope, rules.repetition, reason, names.now, page)
    return DutyList(
        items=[DutyItem.of(each, names) for each in found.items],
        total=found.total,
        page=found.page,
        size=found.size,
        counts=[
            ReasonCount(code=each.code, name=each.name, name_en=each.name_en, count=counts[each.code])
            for each in rules.reasons.values()
        ],
    )


class UrgeOut(BaseModel):
    """`answer`: what another person did first after it; `late`: it came after `answer_by`, or is still missing."""

    incident_id: str
    number: str
    title: str
    state_name: str
    unit_name: str | None
    told_name: str | None
    at: datetime
    by: str
    escalation: int
    reason: str
    answer_by: datetime
    answered_at: datetime | None
    answered_by: str | None
    answer: str | None
    late: bool

    @classmethod
    def of(cls, urge: Urge, names: Names, calendar: WorkingCalendar) -> Self:
        incident, entry, answer = urge.incident, urge.entry, urge.answer
        told_division = entry.data.get("told_division")
        answer_by = calendar.after(entry.at, duty_rules().answer_within[incident.grade])
        return cls(
            incident_id=incident.id,
            number=incident.number,
            title=incident.title,
            state_name=incident.state.zh,
            unit_name=names.unit(entry.data.get("unit_id")),
            told_name=None if told_division is None else names.division(told_division),
            at=entry.at,
            by=entry.actor.name,
            escalation=entry.data.get("escalation", 0),
            reason=entry.reason,
            answer_by=answer_by,
            answered_at=None if answer is None else answer.at,
            answered_by=None if answer is None else answer.actor.name,
            answer=urge.said,
            late=(names.now if answer is None else answer.at) > answer_by,
        )


@router.get("/supervision/urges")
async def list_urges(
    principal: Reader, scope: ScopeDep, uow: UowDep, page: PageDep, waiting: bool | None = None
) -> PageOf[UrgeOut]:
    """Urges and their answers, the newest first; `waiting`: those that open incidents still owe an answer."""
    found = await DutyRepository(uow.session).urges(scope, waiting, page)
    names, calendar = await Names.load(uow), await load_calendar(uow)
    return PageOf.of(found, [UrgeOut.of(each, names, calendar) for each in found.items])
