"""SQL over what a leader has to see to: open incidents with a reason for it, and urges."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, or_, select, true
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


class DutyRepository(Repository):
    async def duty_list(
        self, scope: Scope, repetition: Repetition, reason: str | None, now: datetime, request: PageRequest
    ) -> tuple[Page[DutyCase], dict[str, int]]:
        """Open incidents with a reason, perhaps of that one, the gravest first; and how many there are by reason."""
        near = _repeated(scope, repetition, now)
        reasons = _reasons(scope, now) | {"repeated": near.c.id.is_not(None)}
        flags = [func.coalesce(condition, False).label(f"is_{code}") for code, condition in reasons.items()]
        weight = sum((case((flag, 1), else_=0) for flag in flags), start=literal(0))
        found = (
            select(incident.id, near.c.nearby, weight.label("weight"), *flags)
            .select_from(incident)
            .outerjoin(near, near.c.id == incident.id)
            .where(incident.state.not_in(FINAL), visible(scope), or_(*reasons.values()))
            .cte("found")
        )
        numbers = [func.count().filter(found.c[f"is_{code}"]) for code in reasons]
        *by_reason, total = (await self.session.execute(select(*numbers, func.count()).select_from(found))).one()
        counts = dict(zip(reasons, by_reason, strict=True))
        query = select(incident, found).join(found, found.c.id == incident.id)
        if reason is not None:
            query, total = query.where(found.c[f"is_{reason}"]), counts[reason]
        query = query.order_by(incident.grade, found.c.weight.desc(), incident.due_at, incident.id)
        cases = [
            DutyCase(
                incident=incident_of(row[0]),
                reasons=tuple(code for code in reasons if getattr(row, f"is_{code}")),
                request=await self._waiting(row[0].id) if row.is_request else None,
                nearby=row.nearby or 0,
            )
            for row in (await self.session.execute(query.limit(request.size).offset(request.offset))).all()
        ]
        return Page(cases, total, request.page, request.size), counts

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


def _repeated(scope: Scope, repetition: Repetition, now: datetime) -> Any:
    """The open incidents around which there are enough of their category, and how many."""
    other = aliased(IncidentRow)
    since = now - timedelta(days=repetition.days)
    north = (other.lat - incident.lat) * _METRES_A_DEGREE
    east = (other.lon - incident.lon) * _METRES_A_DEGREE * func.cos(func.radians(incident.lat))
    # What is near lies in the same cell of a grid or in one beside it, so the two sides can be hashed.
    beside = func.generate_series(-1, 1).table_valued("step")
    rows, columns = beside.render_derived(name="rows"), beside.render_derived(name="columns")
    high = repetition.metres / _METRES_A_DEGREE
    wide = high * 2  # enough for what is near up to 60 degrees of latitude
    nearby = func.count(other.id)
    return (
        select(incident.id, nearby.label("nearby"))
        .select_from(incident)
        .join(rows, true())
        .join(columns, true())
        .join(
            other,
            and_(
                other.category == incident.category,
                func.floor(other.lat / high) == func.floor(incident.lat / high) + rows.c.step,
                func.floor(other.lon / wide) == func.floor(incident.lon / wide) + columns.c.step,
                other.opened_at >= since,
                other.state.not_in([State.MERGED.value, State.DISMISSED.value]),
                scope.division_condition(other.division_code),
                north * north + east * east <= repetition.metres**2,
            ),
        )
        .where(incident.state.not_in(FINAL), visible(scope), incident.opened_at >= since)
        .group_by(incident.id)
        .having(nearby >= repetition.count)
        .cte("near")
    )
