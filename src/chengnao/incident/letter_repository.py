"""SQL over what units did and left undone in a week."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import aliased

from chengnao.incident.duty_measures import LetterCase, Part, Urge
from chengnao.incident.duty_repository import urge_of, urges_with
from chengnao.incident.model import Action
from chengnao.incident.repository import visible
from chengnao.incident.tables import IncidentRow, TaskRow, TimelineRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.repository import Repository

incident, task, timeline = IncidentRow, TaskRow, TimelineRow


@dataclass(frozen=True)
class Week:
    since: datetime
    until: datetime
    """Not included; for a week that is not over, now."""


class LetterRepository(Repository):
    async def tasks(self, scope: Scope, week: Week, unit_id: str | None) -> dict[Part, list[LetterCase]]:
        """The tasks behind each number that counts tasks, the oldest first."""
        found: dict[Part, list[LetterCase]] = {}
        for part, (condition, at, due, done) in _parts(week).items():
            query = select(incident, task.unit_id, at, due, done, task.return_reason).select_from(task)
            query = query.join(incident, incident.id == task.incident_id).where(condition, scope.where(task))
            if unit_id is not None:
                query = query.where(task.unit_id == unit_id)
            rows = await self.session.execute(query.order_by(at, task.id))
            found[part] = [_case(row) for row in rows]
        return found

    async def urges(self, scope: Scope, week: Week, unit_id: str | None) -> list[Urge]:
        """The urges of the week, the oldest first, with the answers that came until its end."""
        answer = aliased(TimelineRow)
        query = urges_with(answer).where(visible(scope), _within(week))
        if unit_id is not None:
            query = query.where(timeline.data["unit_id"].astext == unit_id)
        rows = await self.session.execute(query.order_by(timeline.at, timeline.incident_id, timeline.seq))
        return [urge_of(row) for row in rows]

    async def sent_back(self, scope: Scope, week: Week, unit_id: str | None) -> dict[Part, list[LetterCase]]:
        """The work that did not stand: what was sent back for rework, and what was opened again after its end."""
        last = (
            select(task.unit_id)
            .where(task.incident_id == incident.id, task.dispatched_at <= timeline.at, task.handled_at.is_not(None))
            .order_by(task.seq.desc())
            .limit(1)
            .scalar_subquery()
        )
        unit = func.coalesce(timeline.data["unit_id"].astext, last)
        found: dict[Part, list[LetterCase]] = {}
        for part, action in ((Part.REWORKED, Action.REWORK), (Part.REOPENED, Action.REOPEN)):
            query = select(incident, unit, timeline.at, incident.due_at, timeline.at, timeline.reason)
            query = query.join(timeline, timeline.incident_id == incident.id)
            query = query.where(visible(scope), _within(week), timeline.action == action.value)
            if unit_id is not None:
                query = query.where(unit == unit_id)
            found[part] = [_case(row) for row in await self.session.execute(query.order_by(timeline.at, incident.id))]
        return found


def _within(week: Week) -> ColumnElement[bool]:
    return and_(timeline.at >= week.since, timeline.at < week.until)


def _case(row: Any) -> LetterCase:
    shown, unit_id, at, due, done, remark = row
    return LetterCase(unit_id or "", shown.id, shown.number, shown.title, shown.grade, at, due, done, remark or "")


def _parts(week: Week) -> Mapping[Part, tuple[ColumnElement[bool], Any, Any, Any]]:
    """What each number counts; and the moments that its cases show: when it began, was due and was done."""

    def in_week(moment: Any) -> ColumnElement[bool]:
        return and_(moment >= week.since, moment < week.until)

    # What ended it otherwise before it was due asks nothing of the unit any more.
    ended = func.least(task.returned_at, task.withdrawn_at)
    accept_due = and_(in_week(task.accept_by), or_(ended.is_(None), ended > task.accept_by))
    handle_due = and_(in_week(task.handle_by), or_(ended.is_(None), ended > task.handle_by))
    accept_late = or_(task.accepted_at.is_(None), task.accepted_at > task.accept_by)
    handle_late = or_(task.handled_at.is_(None), task.handled_at > task.handle_by)
    over = func.least(task.handled_at, ended)
    due = func.coalesce(task.handle_by, task.accept_by)
    left_over = and_(task.dispatched_at < week.until, or_(over.is_(None), over >= week.until), due < week.until)
    begun, accepted = task.dispatched_at, task.accepted_at
    return {
        Part.DISPATCHED: (in_week(begun), begun, task.accept_by, accepted),
        Part.ACCEPT_DUE: (accept_due, begun, task.accept_by, accepted),
        Part.ACCEPT_LATE: (and_(accept_due, accept_late), begun, task.accept_by, accepted),
        Part.HANDLE_DUE: (handle_due, accepted, task.handle_by, task.handled_at),
        Part.HANDLE_LATE: (and_(handle_due, handle_late), accepted, task.handle_by, task.handled_at),
        Part.OVERDUE: (left_over, begun, due, over),
        Part.RETURNED: (in_week(task.returned_at), begun, task.accept_by, task.returned_at),
    }
