"""SQL over what a leader has to see to: open incidents with a reason for it, and urges."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, case, func, or_, select
from sqlalchemy.orm import aliased

from chengnao.incident.duty_measures import DutyCase, Repetition, Urge
from chengnao.incident.model import Action, State
from chengnao.incident.repository import FINAL, entry_of, incident_of, visible
from chengnao.incident.requests.model import RequestState, TimeRequest
from chengnao.incident.requests.repository import RequestRepository
from chengnao.incident.tables import IncidentRow, RequestRow, TimelineRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository

_METRES_A_DEGREE = 111_320.0

incident, timeline = IncidentRow, TimelineRow


@dataclass(frozen=True)
class _Found:
    id: str
    grade: int
    due_at: datetime | None
    reasons: tuple[str, ...]

    def place(self) -> tuple[int, int, datetime, str]:
        """The gravest first, then what has most reasons, then what is due first."""
        return self.grade, -len(self.reasons), self.due_at or datetime.max.replace(tzinfo=UTC), self.id


class DutyRepository(Repository):
    async def duty_list(
        self, scope: Scope, repetition: Repetition, reason: str | None, now: datetime, request: PageRequest
    ) -> tuple[Page[DutyCase], dict[str, int]]:
        """Open incidents with a reason, perhaps of that one, the gravest first; and how many there are by reason."""
        around = _around(scope, repetition, now)
        # Counting ends where there are enough: of a crowded place the whole number is asked for on the page alone.
        repeated = _number(around.limit(repetition.count)) >= repetition.count
        recent = incident.opened_at >= now - timedelta(days=repetition.days)
        reasons = _reasons(scope, now) | {"repeated": case((recent, repeated), else_=False)}
        flags = [func.coalesce(condition, False).label(code) for code, condition in reasons.items()]
        judged = select(incident.id, incident.grade, incident.due_at, *flags)
        # Each is judged once: the counts, the order and the page all come of that.
        rows = await self.session.execute(judged.where(incident.state.not_in(FINAL), visible(scope)))
        found = [
            _Found(row.id, row.grade, row.due_at, tuple(compress(reasons, row[3:]))) for row in rows if any(row[3:])
        ]
        counts = {code: sum(code in each.reasons for each in found) for code in reasons}
        if reason is not None:
            found = [each for each in found if reason in each.reasons]
        page = sorted(found, key=_Found.place)[request.offset : request.offset + request.size]
        nearby = await self._nearby(around, [each.id for each in page if "repeated" in each.reasons])
        query = select(incident).where(incident.id.in_([each.id for each in page]))
        incidents = {row.id: incident_of(row) for row in await self.session.scalars(query)}
        cases = [
            DutyCase(
                incident=incidents[each.id],
                reasons=each.reasons,
                request=await self._waiting(each.id) if "request" in each.reasons else None,
                nearby=nearby.get(each.id, 0),
            )
            for each in page
        ]
        return Page(cases, len(found), request.page, request.size), counts

    async def _nearby(self, around: Select[Any], ids: list[str]) -> dict[str, int]:
        rows = await self.session.execute(select(incident.id, _number(around)).where(incident.id.in_(ids)))
        return {row[0]: row[1] for row in rows}

    async def _waiting(self, incident_id: str) -> TimeRequest | None:
        requests = await RequestRepository(self.session).of_incident(incident_id)
        return next((each for each in requests if each.state is RequestState.OPEN), None)

    async def urges(self, scope: Scope, waiting: bool | None, request: PageRequest) -> Page[Urge]:
        """Urges with their answers, the newest first; `waiting`: those that open incidents still owe an answer."""
        answer = aliased(TimelineRow)
        query = urges_with(answer).where(visible(scope))
        if waiting is not None:
            waits = and_(answer.seq.is_(None), incident.state.not_in(FINAL))
            query = query.where(waits if waiting else ~waits)
        total = await self.session.scalar(query.with_only_columns(func.count()))
        query = query.order_by(timeline.at.desc(), incident.id, timeline.seq)
        rows = await self.session.execute(query.limit(request.size).offset(request.offset))
        return Page([urge_of(row) for row in rows], total or 0, request.page, request.size)


def urges_with(answer: Any) -> Select[Any]:
    """Urges with their incidents, and the answer: the first step or note after it that another person took."""
    later = aliased(TimelineRow)
    first = (
        select(func.min(later.seq))
        .where(
            later.incident_id == timeline.incident_id,
            later.seq > timeline.seq,
            later.actor_kind == "user",
            later.actor_id != timeline.actor_id,
            later.action != Action.URGE.value,
        )
        .scalar_subquery()
    )
    return (
        select(incident, timeline, answer)
        .select_from(timeline)
        .join(incident, incident.id == timeline.incident_id)
        .outerjoin(answer, and_(answer.incident_id == timeline.incident_id, answer.seq == first))
        .where(timeline.action == Action.URGE.value)
    )


def urge_of(row: Any) -> Urge:
    return Urge(incident_of(row[0]), entry_of(row[1]), None if row[2] is None else entry_of(row[2]))


def _reasons(scope: Scope, now: datetime) -> dict[str, ColumnElement[bool]]:
    """What is for the own tier to do, and what below it nobody did in time."""
    late = incident.due_at < now
    above = case((func.length(incident.desk_code) == 9, func.left(incident.desk_code, 6)), else_=CITY)
    request = select(RequestRow.id).where(
        RequestRow.incident_id == incident.id,
        RequestRow.state == RequestState.OPEN.value,
        or_(RequestRow.decider_code == scope.division_code, RequestRow.decide_by < now),
    )
    return {
        "dispute": and_(incident.state == State.DISPUTED.value, or_(above == scope.division_code, late)),
        "request": request.exists(),
        "grave": incident.grade == 1,
        "overdue": and_(incident.escalation >= 2, late),
        "whole": and_(incident.close_by < now, incident.state != State.SUSPENDED.value),
        "returned": and_(incident.returns >= 2, incident.unit_id.is_(None)),
        "reopened": incident.reopened >= 1,
    }


def _around(scope: Scope, repetition: Repetition, now: datetime) -> Select[Any]:
    """What there is of the category around an incident; the index of places finds it, whatever else is stored."""
    other = aliased(IncidentRow)
    high = repetition.metres / _METRES_A_DEGREE
    wide = high * 2  # enough for what is near up to 60 degrees of latitude
    north = (other.lat - incident.lat) * _METRES_A_DEGREE
    east = (other.lon - incident.lon) * _METRES_A_DEGREE * func.cos(func.radians(incident.lat))
    return (
        select(other.id)
        .where(
            other.category == incident.category,
            other.lat.between(incident.lat - high, incident.lat + high),
            other.lon.between(incident.lon - wide, incident.lon + wide),
            other.opened_at >= now - timedelta(days=repetition.days),
            other.state.not_in([State.MERGED.value, State.DISMISSED.value]),
            scope.division_condition(other.division_code),
            north * north + east * east <= repetition.metres**2,
        )
        .correlate(incident)
    )


def _number(rows: Select[Any]) -> ScalarSelect[int]:
    return select(func.count()).select_from(rows.subquery()).correlate(incident).scalar_subquery()
