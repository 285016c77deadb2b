"""SQL that counts and measures incidents, tasks and reports over the columns that the state machine keeps."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB, distinct_on

from chengnao.incident.dispatch.model import return_reasons
from chengnao.incident.measures import Anchor, By, Case, Figures, Grouping, History, Rows, Span, Spread, Subject
from chengnao.incident.model import Source, State, Task, TaskRole, TimelineEntry
from chengnao.incident.repository import FINAL, entry_of, incident_of, task_of
from chengnao.incident.tables import IncidentRow, ReportRow, TaskRow, TimelineRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository

Condition = ColumnElement[bool]

incident, task, report = IncidentRow, TaskRow, ReportRow

_first = (
    select(report.incident_id, report.channel)
    .ext(distinct_on(report.incident_id))
    .order_by(report.incident_id, report.received_at, report.id)
    .subquery("first_report")
)
"""The report that an incident was opened for is the first that it has."""

_PERIODS: Mapping[By, str] = {"day": "YYYY-MM-DD", "week": 'IYYY-"W"IW', "month": "YYYY-MM"}

_ANCHORS: Mapping[Anchor, Any] = {
    Anchor.OPENED: incident.opened_at,
    Anchor.CLOSED: incident.closed_at,
    Anchor.DISPATCHED: task.dispatched_at,
    Anchor.RECEIVED: report.received_at,
    Anchor.RATED: report.rated_at,
}


def _incident_conditions(now: datetime) -> dict[str, Condition]:
    imported = incident.source == Source.IMPORT.value
    is_closed = incident.state == State.CLOSED.value
    at_intake = and_(is_closed, incident.closed_at_intake, ~imported)
    closable = and_(
        ~imported,
        incident.state.not_in([State.DISMISSED.value, State.MERGED.value]),
        ~and_(is_closed, incident.closed_at_intake),
    )
    closed = and_(closable, is_closed)
    waits = and_(incident.state != State.SUSPENDED.value, incident.close_by < now)
    source_due = and_(imported, is_closed, incident.close_by.is_not(None), incident.closed_at >= incident.opened_at)
    verified = incident.verified_at.is_not(None)
    return {
        "opened": true(),
        "imported": imported,
        "dismissed": and_(~imported, incident.state == State.DISMISSED.value),
        "merged": and_(~imported, incident.state == State.MERGED.value),
        "answered_at_intake": at_intake,
        "closable": closable,
        "closed": closed,
        "close_due": and_(closable, incident.close_by.is_not(None), or_(is_closed, waits)),
        "closed_on_time": and_(closed, incident.closed_at <= incident.close_by),
        "verify_due": or_(verified, and_(incident.state == State.HANDLED.value, incident.verify_by < now)),
        "verified_on_time": and_(verified, incident.verified_at <= incident.verify_by),
        "overdue_open": and_(incident.state.not_in(FINAL), incident.due_at < now),
        "urged": incident.urged > 0,
        "bounced": incident.returns > 1,
        "ended": or_(incident.state.in_([State.CLOSED.value, State.DISMISSED.value]), incident.reopened > 0),
        "reopened": incident.reopened > 0,
        "source_due": source_due,
        "source_on_time": and_(source_due, incident.closed_at <= incident.close_by),
        "completed": closed,
    }


def _task_conditions(now: datetime) -> dict[str, Condition]:
    accepted, handled = task.accepted_at.is_not(None), task.handled_at.is_not(None)
    stopped = func.coalesce(func.least(task.returned_at, task.withdrawn_at), now)
    waits = and_(task.state != State.SUSPENDED.value, stopped > task.handle_by)
    lead = task.role == TaskRole.LEAD.value
    wrong = task.return_code.in_([reason.code for reason in return_reasons().values() if reason.wrong_unit])
    handled_elsewhere = and_(
        task.handled_at.is_(None),
        incident.state.in_([State.HANDLED.value, State.VERIFIED.value, State.CLOSED.value]),
        ~incident.closed_at_intake,
        incident.unit_id != task.unit_id,
    )
    return {
        "dispatched": true(),
        "accept_due": or_(accepted, stopped > task.accept_by),
        "accepted_on_time": task.accepted_at <= task.accept_by,
        "handle_due": and_(accepted, or_(handled, waits)),
        "handled_on_time": and_(accepted, task.handled_at <= task.handle_by),
        "returned": task.returned_at.is_not(None),
        "reworked": task.reworked > 0,
        "led": lead,
        "misdispatched": and_(lead, or_(wrong, handled_elsewhere)),
    }


def _report_conditions(now: datetime) -> dict[str, Condition]:
    return {
        "reports": true(),
        "answered": report.answered_at.is_not(None),
        "rated": report.satisfaction.is_not(None),
        "satisfied": report.satisfaction >= 4,
    }


CONDITIONS: Mapping[Subject, Callable[[datetime], dict[str, Condition]]] = {
    Subject.INCIDENT: _incident_conditions,
    Subject.TASK: _task_conditions,
    Subject.REPORT: _report_conditions,
}
"""What each count counts; the texts of the indicators say the same in words."""


def _seconds(begin: Any, end: Any, when: Condition | None = None) -> ColumnElement[float]:
    seconds: Any = func.extract("epoch", end - begin)
    return seconds if when is None else case((when, seconds))


def _incident_times() -> dict[str, ColumnElement[float]]:
    imported = incident.source == Source.IMPORT.value
    closed = incident.state == State.CLOSED.value
    own = and_(closed, ~imported, ~incident.closed_at_intake)
    return {
        "time_dispatch": _seconds(incident.opened_at, incident.dispatched_at, ~imported),
        "time_verify": _seconds(incident.handled_at, incident.verified_at, own),
        "time_close": _seconds(incident.verified_at, incident.closed_at, own),
        "time_whole": _seconds(incident.opened_at, incident.closed_at, own),
        "time_source": _seconds(incident.opened_at, incident.closed_at, and_(closed, imported)),
    }


TIMES: Mapping[str, ColumnElement[float]] = {
    **_incident_times(),
    "time_accept": _seconds(task.dispatched_at, task.accepted_at),
    "time_handle": _seconds(task.accepted_at, task.handled_at),
}


class MeasureRepository(Repository):
    async def figures(
        self, rows: Rows, grouping: Grouping, counts: Sequence[str], times: Sequence[str]
    ) -> dict[str | None, Figures]:
        """Counts and times of each group, and of all together under None."""
        known = CONDITIONS[rows.subject](rows.span.now)
        columns = [known[name].label(f"n_{name}") for name in counts] + [
            TIMES[name].label(f"s_{name}") for name in times
        ]
        chosen: Any = select(_key(rows, grouping).label("key"), *columns)
        inner = _within(chosen, rows, grouping.by).subquery()
        asked: list[Any] = [func.count().filter(inner.c[f"n_{name}"]).label(f"n_{name}") for name in counts]
        for name in times:
            seconds = inner.c[f"s_{name}"]
            asked += [
                func.count().filter(seconds >= 0).label(f"c_{name}"),
                func.count().filter(seconds < 0).label(f"o_{name}"),
                func.percentile_cont([0.5, 0.9]).within_group(seconds).filter(seconds >= 0).label(f"s_{name}"),
            ]
        every = func.grouping(inner.c.key).label("every")
        query = select(inner.c.key, every, *asked).group_by(func.grouping_sets(tuple_(inner.c.key), tuple_()))
        found: dict[str | None, Figures] = {}
        for row in (await self.session.execute(query)).mappings():
            found[None if row["every"] else row["key"]] = Figures(
                {name: row[f"n_{name}"] for name in counts},
                {
                    name: Spread(row[f"c_{name}"], row[f"o_{name}"], *(row[f"s_{name}"] or (None, None)))
                    for name in times
                },
            )
        return found

    async def cases(
        self,
        rows: Rows,
        which: Condition,
        request: PageRequest,
        *,
        group: tuple[Grouping, str] | None = None,
        time: str | None = None,
    ) -> Page[Case]:
        """The subjects behind a figure, the newest first, perhaps of one group; a time's name gives its seconds too."""
        seconds = literal(None) if time is None else TIMES[time]
        when = _ANCHORS[rows.anchor].label("at")
        more: dict[Subject, Any] = {Subject.INCIDENT: literal(None), Subject.TASK: task, Subject.REPORT: report}
        chosen: Any = select(incident, when, seconds.label("seconds"), more[rows.subject])
        query = _within(chosen, rows, group and group[0].by).where(which)
        if group is not None:
            query = query.where(_key(rows, group[0]) == group[1])
        total = await self.session.scalar(query.with_only_columns(func.count(), maintain_column_froms=True))
        tie = {Subject.INCIDENT: incident.id, Subject.TASK: task.id, Subject.REPORT: report.id}[rows.subject]
        query = query.order_by(when.desc(), tie).limit(request.size).offset(request.offset)
        cases = [_case(rows.subject, row) for row in await self.session.execute(query)]
        return Page(cases, total or 0, request.page, request.size)

    async def histories(self, scope: Scope, span: Span, after: str, limit: int) -> list[History]:
        """Incidents that were opened in the period with their tasks and timelines, by id, those after one id."""
        query = select(incident).where(scope.where(incident), incident.id > after)
        query = query.where(incident.opened_at >= span.since, incident.opened_at < span.until)
        found = [incident_of(row) for row in await self.session.scalars(query.order_by(incident.id).limit(limit))]
        ids = [each.id for each in found]
        tasks: defaultdict[str, list[Task]] = defaultdict(list)
        for row in await self.session.scalars(select(task).where(task.incident_id.in_(ids)).order_by(task.seq)):
            tasks[row.incident_id].append(task_of(row))
        entries: defaultdict[str, list[TimelineEntry]] = defaultdict(list)
        log = select(TimelineRow).where(TimelineRow.incident_id.in_(ids)).order_by(TimelineRow.seq)
        for entry in await self.session.scalars(log):
            entries[entry.incident_id].append(entry_of(entry))
        self.session.expunge_all()  # whoever reads them all would keep them all
        return [History(each, tasks[each.id], entries[each.id]) for each in found]


def _key(rows: Rows, grouping: Grouping) -> ColumnElement[str]:
    unit: ColumnElement[str] = func.coalesce(task.unit_id if rows.subject is Subject.TASK else incident.unit_id, "")
    match grouping.by:
        case "unit":
            return unit
        case "tier":
            tiers = literal({unit: tier.value for unit, tier in grouping.tiers.items()}, JSONB)
            return func.coalesce(tiers[unit].astext, "")
        case "category":
            return func.coalesce(incident.category, "")
        case "division":
            return func.left(incident.division_code, 6)
        case "channel":
            if rows.subject is Subject.REPORT:
                return func.coalesce(report.channel, "")
            by_report = func.coalesce(_first.c.channel, Source.REPORT.value)
            return case((incident.source == Source.REPORT.value, by_report), else_=incident.source)
        case _:
            local = func.timezone(text("interval '8 hours'"), _ANCHORS[rows.anchor])
            return func.to_char(local, _PERIODS[grouping.by])


def _within(query: Any, rows: Rows, by: By | None) -> Any:
    """The rows of the subject with their incidents, as far as the scope and the period reach."""
    match rows.subject:
        case Subject.INCIDENT:
            query = query.select_from(incident)
        case Subject.TASK:
            query = query.select_from(task).join(incident, incident.id == task.incident_id)
        case Subject.REPORT:
            query = query.select_from(report).join(incident, incident.id == report.incident_id)
    if by == "channel" and rows.subject is not Subject.REPORT:
        query = query.outerjoin(_first, _first.c.incident_id == incident.id)
    query = query.where(rows.scope.division_condition(incident.division_code))
    if rows.scope.unit_id is not None:
        unit = task.unit_id if rows.subject is Subject.TASK else incident.unit_id
        query = query.where(unit == rows.scope.unit_id)
    if rows.category is not None:
        query = query.where(incident.category == rows.category)
    moment = _ANCHORS[rows.anchor]
    return query.where(moment >= rows.span.since, moment < rows.span.until)


def inside(subject: Subject, count: str, now: datetime, without: str | None = None) -> Condition:
    """What the count counts, perhaps without what another counts."""
    known = CONDITIONS[subject](now)
    counted = func.coalesce(known[count], false())
    return counted if without is None else and_(counted, ~func.coalesce(known[without], false()))


def measured(time: str, *, odd: bool | None = None) -> Condition:
    """What the time measures: all, or the odd ones alone, or without them."""
    seconds = TIMES[time]
    if odd is None:
        return seconds.is_not(None)
    return seconds < 0 if odd else seconds >= 0


def _case(subject: Subject, row: Any) -> Case:
    seconds = None if row.seconds is None else float(row.seconds)
    return Case(
        incident=incident_of(row[0]),
        at=row.at,
        task=task_of(row[3]) if subject is Subject.TASK else None,
        tracking_number=row[3].tracking_number if subject is Subject.REPORT else None,
        seconds=seconds,
    )
