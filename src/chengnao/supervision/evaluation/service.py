"""Evaluation of a period: figures of each group, and the cases behind a figure. Reads only."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement

from chengnao.incident.catalogue import categories
from chengnao.incident.measure_repository import MeasureRepository, inside, measured
from chengnao.incident.measures import By, Case, Grouping, Rows, Span
from chengnao.incident.model import Source
from chengnao.incident.reports.model import Channel
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import tier_of
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.vocabulary import Tier
from chengnao.supervision.evaluation.model import (
    Evaluation,
    Group,
    Indicator,
    Part,
    Rate,
    Time,
    indicators,
)

DEFAULT_PERIOD = timedelta(days=30)
NOBODY = "未分拨"
TOTAL = "合计"
_OPENED_BY = {
    Source.WARNING.value: "预警",
    Source.MANUAL.value: "人工登记",
    Source.REPORT.value: "诉求",
    Source.IMPORT.value: "历史导入",
}
"""Names of channels of incidents that no report opened."""


def period(since: datetime | None, until: datetime | None, now: datetime) -> Span:
    """The period asked for; by default it ends now and begins 30 days earlier. Raises Invalid where it ends first."""
    end = until or now
    try:
        begin = since or end - DEFAULT_PERIOD
    except OverflowError:
        begin = end
    if begin > end:
        raise Invalid(
            "invalid_value",
            field="from",
            value=begin.isoformat(),
            reason_zh="开始时间晚于结束时间",
            reason_en="it is after `to`",
        )
    return Span(begin, end, now)


async def evaluate(uow: UnitOfWork, scope: Scope, by: By, span: Span, category: str | None = None) -> Evaluation:
    """All indicators of each group and of all together, the groups in a stable order."""
    repository, grouping = MeasureRepository(uow.session), Grouping(by, await _tiers(uow, by))
    groups: dict[str, Group] = {}
    total = Group("total", TOTAL)
    names = await _names(uow, by)
    for plan in indicators().plans():
        rows = Rows(scope, plan.subject, plan.anchor, span, category)
        found = await repository.figures(rows, grouping, plan.counts, plan.times)
        for key, figures in found.items():
            group = total if key is None else groups.setdefault(key, Group(key, names.get(key, key)))
            group.counts.update(figures.counts)
            group.times.update(figures.times)
    order = [*Tier, ""] if by == "tier" else sorted(groups)
    return Evaluation([groups[key] for key in order if key in groups and not groups[key].empty], total)


async def _names(uow: UnitOfWork, by: By) -> dict[str, str]:
    """What the keys of a grouping are called; dates speak for themselves."""
    organisation = OrganisationRepository(uow.session)
    match by:
        case "unit":
            return await organisation.unit_names() | {"": NOBODY}
        case "tier":
            return {tier.value: tier.zh for tier in Tier} | {"": NOBODY}
        case "category":
            return {code: each.name for code, each in categories().items()}
        case "division":
            return await organisation.division_names()
        case "channel":
            return {channel.value: channel.zh for channel in Channel} | _OPENED_BY
        case _:
            return {}


async def _tiers(uow: UnitOfWork, by: By) -> dict[str, Tier]:
    """The tier of each unit, where it matters."""
    if by != "tier":
        return {}
    found: dict[str, Tier] = {}
    page = 1
    while True:
        units = await OrganisationRepository(uow.session).units(PageRequest(page, 1000))
        found |= {unit.id: tier_of(unit.division_code) for unit in units.items}
        if len(found) >= units.total or not units.items:
            return found
        page += 1


async def cases_behind(
    uow: UnitOfWork,
    scope: Scope,
    indicator: Indicator,
    part: Part,
    span: Span,
    request: PageRequest,
    *,
    by: By | None = None,
    key: str = "",
    category: str | None = None,
) -> Page[Case]:
    """The cases that a figure counts: of a group where `by` and `key` name one, else of all.

    `numerator` gives what is counted (of a time: what it averages), `denominator` what it is divided by (of a time:
    also the odd ones), `missed` the denominator without the numerator (of a time: the odd ones).
    """
    return await MeasureRepository(uow.session).cases(
        Rows(scope, indicator.subject, indicator.anchor, span, category),
        _condition(indicator, part, span.now),
        request,
        group=None if by is None else (Grouping(by, await _tiers(uow, by)), key),
        time=indicator.key if isinstance(indicator, Time) else None,
    )


def _condition(indicator: Indicator, part: Part, now: datetime) -> ColumnElement[bool]:
    subject = indicator.subject
    if isinstance(indicator, Time):
        return measured(indicator.key, odd={"numerator": False, "denominator": None, "missed": True}[part])
    if not isinstance(indicator, Rate):
        if part != "numerator":
            raise Invalid("indicator_has_no_part", field="part", value=part, indicator=indicator.name)
        return inside(subject, indicator.key, now)
    if part == "numerator":
        return inside(subject, indicator.numerator.key, now)
    without = indicator.numerator.key if part == "missed" else None
    return inside(subject, indicator.denominator.key, now, without)
