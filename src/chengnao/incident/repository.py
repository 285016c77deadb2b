"""SQL over incidents, their tasks and their timelines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from chengnao.incident.model import Actor, Incident, Source, State, Task, TaskRole, TimelineEntry
from chengnao.incident.tables import IncidentRow, LimitRow, NumberRow, ReportRow, TaskRow, TimelineRow
from chengnao.kernel.access.model import Scope
from chengnao.kernel.calendar import Amount, parse_amount
from chengnao.kernel.paging import Page, PageRequest
from chengnao.kernel.repository import Repository, contains

FINAL = [state.value for state in State if state.final]
IN_WORK = [state.value for state in (State.NEW, State.DISPATCHED, State.ACCEPTED, State.RETURNED)]
OPEN_TASKS = [State.DISPATCHED.value, State.ACCEPTED.value, State.SUSPENDED.value]


@dataclass(frozen=True)
class IncidentFilter:
    """Which incidents a list wants; what is left empty does not matter."""

    states: Sequence[str] = ()
    category: str | None = None
    grade: int | None = None
    division: str | None = None
    desk: str | None = None
    unit: str | None = None
    overdue: bool | None = None
    words: str = ""
    sort: str = "-opened_at"
    since: datetime | None = None
    until: datetime | None = None


SORTS: dict[str, tuple[Any, ...]] = {
    "-opened_at": (IncidentRow.opened_at.desc(),),
    "opened_at": (IncidentRow.opened_at,),
    "due_at": (IncidentRow.due_at.nulls_last(),),
    "-due_at": (IncidentRow.due_at.desc().nulls_last(),),
    "grade": (IncidentRow.grade, IncidentRow.opened_at.desc()),
    "-grade": (IncidentRow.grade.desc(), IncidentRow.opened_at.desc()),
}


class IncidentRepository(Repository):
    async def next_number(self, series: str, day: date, count: int = 1) -> int:
        """The next number of the series on that day: no gaps among committed ones, none given twice.

        Of several numbers that are taken at once it is the last.
        """
        statement = insert(NumberRow).values(series=series, day=day, last=count)
        changed = {"last": NumberRow.last + count}
        statement = statement.on_conflict_do_update(index_elements=["series", "day"], set_=changed)
        return int(await self.session.scalar(statement.returning(NumberRow.last)) or 0)

    async def add(self, incident: Incident, source_key: str | None) -> bool:
        """False where an incident was already opened for that source."""
        statement = insert(IncidentRow).values(**_plain(incident), source_key=source_key)
        statement = statement.on_conflict_do_nothing(index_elements=["source_key"])
        return (await self.session.scalar(statement.returning(IncidentRow.id))) is not None

    async def add_all(self, incidents: Mapping[str, Incident]) -> None:
        """Add many at once, by what each was opened for."""
        values = [_plain(incident) | {"source_key": key} for key, incident in incidents.items()]
        await self.session.execute(insert(IncidentRow), values)

    async def by_source(self, source_key: str) -> Incident | None:
        row = await self.session.scalar(select(IncidentRow).where(IncidentRow.source_key == source_key))
        return None if row is None else incident_of(row)

    async def get(self, scope: Scope, incident_id: str, *, lock: bool = False) -> Incident | None:
        """The incident; locked until the unit of work ends where it is to be changed."""
        query = select(IncidentRow).where(IncidentRow.id == incident_id, visible(scope))
        if lock:
            query = query.with_for_update().execution_options(populate_existing=True)
        row = await self.session.scalar(query)
        return None if row is None else incident_of(row)

    async def save(self, incident: Incident) -> None:
        await self.session.execute(update(IncidentRow).where(IncidentRow.id == incident.id).values(**_plain(incident)))

    async def incidents(
        self, scope: Scope, wanted: IncidentFilter, now: datetime, request: PageRequest
    ) -> Page[Incident]:
        row = IncidentRow
        query = select(row).where(visible(scope))
        if wanted.states:
            query = query.where(row.state.in_(wanted.states))
        for column, value in (
            (row.category, wanted.category),
            (row.grade, wanted.grade),
            (row.unit_id, wanted.unit),
            (row.desk_code, wanted.desk),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.division:
            query = query.where(Scope(wanted.division).division_condition(row.division_code))
        if wanted.since is not None:
            query = query.where(row.opened_at >= wanted.since)
        if wanted.until is not None:
            query = query.where(row.opened_at < wanted.until)
        if wanted.overdue is not None:
            late = row.due_at.is_not(None) & (row.due_at < now)
            query = query.where(late if wanted.overdue else ~late)
        if wanted.words:
            columns = (row.title, row.number, row.address, row.description)
            query = query.where(or_(*(contains(column, wanted.words) for column in columns)))
        page = await self.page(query.order_by(*SORTS[wanted.sort], row.id.desc()), request)
        return page.map(incident_of)

    async def to_attach_to(self, category: str, division_code: str, since: datetime) -> Incident | None:
        """The newest incident in work that warnings opened for this category in this division, locked.

        One that waits for verification is not in work any more: what happens now is news to its unit.
        """
        query = (
            select(IncidentRow)
            .where(
                IncidentRow.category == category,
                IncidentRow.division_code == division_code,
                IncidentRow.opened_at >= since,
                IncidentRow.source == Source.WARNING.value,
                IncidentRow.state.in_(IN_WORK),
            )
            .order_by(IncidentRow.opened_at.desc())
            .limit(1)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        row = await self.session.scalar(query)
        return None if row is None else incident_of(row)

    async def open_incidents(self) -> list[Incident]:
        """All incidents of the platform that are not closed, the most urgent first."""
        query = select(IncidentRow).where(IncidentRow.state.not_in(FINAL)).order_by(IncidentRow.due_at)
        return [incident_of(row) for row in await self.session.scalars(query)]

    # Tasks: one for each dispatch.

    async def add_task(self, task: Task) -> None:
        await self.session.execute(insert(TaskRow).values(**_plain(task)))

    async def save_task(self, task: Task) -> None:
        await self.session.execute(update(TaskRow).where(TaskRow.id == task.id).values(**_plain(task)))

    async def tasks_of(self, incident_id: str) -> list[Task]:
        query = select(TaskRow).where(TaskRow.incident_id == incident_id).order_by(TaskRow.seq)
        return [task_of(row) for row in await self.session.scalars(query.execution_options(populate_existing=True))]

    async def unit_tasks(
        self, scope: Scope, unit_id: str, open_: bool, request: PageRequest
    ) -> Page[tuple[Task, Incident]]:
        """The tasks of a unit with their incidents: open ones by urgency, done ones newest first."""
        query = select(TaskRow).where(TaskRow.unit_id == unit_id, scope.where(TaskRow))
        at_work = TaskRow.state.in_(OPEN_TASKS) & TaskRow.withdrawn_at.is_(None)
        if open_:
            query = query.where(at_work)
            query = query.order_by(func.coalesce(TaskRow.handle_by, TaskRow.accept_by), TaskRow.id)
        else:
            query = query.where(~at_work).order_by(TaskRow.dispatched_at.desc(), TaskRow.id)
        page = await self.page(query, request)
        ids = {row.incident_id for row in page.items}
        rows = await self.session.scalars(select(IncidentRow).where(IncidentRow.id.in_(ids)))
        incidents = {row.id: incident_of(row) for row in rows}
        pairs = [(task_of(row), incidents[row.incident_id]) for row in page.items]
        return Page(pairs, page.total, page.page, page.size)

    async def task(self, scope: Scope, task_id: str) -> Task | None:
        row = await self.session.scalar(select(TaskRow).where(TaskRow.id == task_id, scope.where(TaskRow)))
        return None if row is None else task_of(row)

    async def open_tasks_of(self, unit_ids: Sequence[str]) -> dict[str, int]:
        """How many tasks each of the units has in work; units without any are missing."""
        query = select(TaskRow.unit_id, func.count()).where(
            TaskRow.unit_id.in_(unit_ids), TaskRow.state.in_(OPEN_TASKS), TaskRow.withdrawn_at.is_(None)
        )
        rows = await self.session.execute(query.group_by(TaskRow.unit_id))
        return {row[0]: row[1] for row in rows}

    # What follows for reports and limits.

    async def answer_reports(self, incident_id: str, answer: str, at: datetime) -> None:
        """Answer everybody who reported the incident and has no answer yet."""
        statement = update(ReportRow).where(ReportRow.incident_id == incident_id, ReportRow.answered_at.is_(None))
        await self.session.execute(statement.values(answer=answer, answered_at=at))

    async def withdraw_answers(self, incident_id: str) -> None:
        """The matter is open again: the answer stands in the timeline alone. What reporters said of it stays until they
        say something else, or nobody's dissatisfaction would be counted."""
        statement = update(ReportRow).where(ReportRow.incident_id == incident_id)
        await self.session.execute(statement.values(answer=None, answered_at=None))

    async def own_limits(self) -> dict[tuple[str, int, str], Amount]:
        """The limits that the city has set, by category, grade and step."""
        rows = await self.session.scalars(select(LimitRow))
        return {(row.category, row.grade, row.step): parse_amount(row.amount) for row in rows}

    async def put_limit(self, category: str, grade: int, step: str, amount: str) -> None:
        statement = insert(LimitRow).values(category=category, grade=grade, step=step, amount=amount)
        key = ["category", "grade", "step"]
        await self.session.execute(statement.on_conflict_do_update(index_elements=key, set_={"amount": amount}))

    async def delete_limit(self, category: str, grade: int, step: str) -> bool:
        """False where the city had set none."""
        statement = delete(LimitRow).filter_by(category=category, grade=grade, step=step).returning(LimitRow.step)
        return (await self.session.scalar(statement)) is not None

    # Timeline.

    async def add_entry(self, entry: TimelineEntry) -> None:
        await self.add_entries([entry])

    async def add_entries(self, entries: Sequence[TimelineEntry]) -> None:
        values = [
            {
                "incident_id": entry.incident_id,
                "seq": entry.seq,
                "at": entry.at,
                "actor_kind": entry.actor.kind,
                "actor_id": entry.actor.id,
                "actor_name": entry.actor.name,
                "action": entry.action,
                "from_state": entry.from_state and entry.from_state.value,
                "to_state": entry.to_state.value,
                "reason": entry.reason,
                "data": dict(entry.data),
            }
            for entry in entries
        ]
        await self.session.execute(insert(TimelineRow), values)

    async def timeline_of(self, incident_id: str) -> list[TimelineEntry]:
        query = select(TimelineRow).where(TimelineRow.incident_id == incident_id).order_by(TimelineRow.seq)
        return [entry_of(row) for row in await self.session.scalars(query)]


def visible(scope: Scope) -> ColumnElement[bool]:
    """The incidents of the scope's divisions; for one unit those it holds and those it assists with."""
    if scope.unit_id is None:
        return scope.where(IncidentRow)
    assists = select(TaskRow.incident_id).where(
        TaskRow.unit_id == scope.unit_id, TaskRow.role == TaskRole.ASSIST.value, TaskRow.withdrawn_at.is_(None)
    )
    own = or_(IncidentRow.unit_id == scope.unit_id, IncidentRow.id.in_(assists))
    return scope.division_condition(IncidentRow.division_code) & own


def _plain(value: Incident | Task) -> dict[str, Any]:
    """Column values: enumerations as their text."""
    values = asdict(value)
    return {key: each.value if isinstance(each, State | Source | TaskRole) else each for key, each in values.items()}


def incident_of(row: IncidentRow) -> Incident:
    values = {each.name: getattr(row, each.name) for each in fields(Incident)}
    return Incident(**values | {"state": State(row.state), "source": Source(row.source)})


def task_of(row: TaskRow) -> Task:
    values = {each.name: getattr(row, each.name) for each in fields(Task)}
    return Task(**values | {"state": State(row.state), "role": TaskRole(row.role)})


def entry_of(row: TimelineRow) -> TimelineEntry:
    return TimelineEntry(
        incident_id=row.incident_id,
        seq=row.seq,
        at=row.at,
        actor=Actor(row.actor_kind, row.actor_id, row.actor_name),
        action=row.action,
        from_state=State(row.from_state) if row.from_state else None,
        to_state=State(row.to_state),
        reason=row.reason,
        data=row.data,
    )
