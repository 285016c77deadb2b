"""Incidents, tasks and reports as the API shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from chengnao.incident.catalogue import categories
from chengnao.incident.model import (
    OPEN,
    Action,
    Incident,
    Need,
    Photo,
    Report,
    Source,
    State,
    Task,
    TimelineEntry,
    Transition,
)
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.warning.routes import WarningOut


@dataclass(frozen=True)
class Names:
    """The names of divisions and units, for one answer."""

    divisions: dict[str, str]
    units: dict[str, str]
    now: datetime

    @classmethod
    async def load(cls, uow: UnitOfWork) -> Self:
        organisation = OrganisationRepository(uow.session)
        return cls(await organisation.division_names(), await organisation.unit_names(), uow.clock.now())

    def division(self, code: str) -> str:
        """`district street`, or the district alone."""
        own = self.divisions.get(code, code)
        return f"{self.divisions.get(code[:6], '')}{own}" if len(code) == 9 else own

    def unit(self, unit_id: str | None) -> str | None:
        return None if unit_id is None else self.units.get(unit_id, unit_id)


def category_name(code: str) -> str:
    known = categories().get(code)
    return known.name if known else code


class ActionOut(BaseModel):
    """A step that the reader may take now."""

    action: Action
    name: str
    name_en: str
    needs_reason: bool
    needs_unit: bool
    needs_result: bool
    primary: bool

    @classmethod
    def of(cls, row: Transition) -> Self:
        return cls(
            action=row.action,
            name=row.action.zh,
            name_en=row.action.en,
            needs_reason=Need.REASON in row.needs,
            needs_unit=Need.UNIT in row.needs,
            needs_result=Need.RESULT in row.needs,
            primary=row.primary,
        )


class IncidentOut(BaseModel):
    id: str
    number: str
    title: str
    description: str
    category: str
    category_name: str
    grade: int
    state: State
    state_name: str
    source: Source
    division_code: str
    division_name: str
    lon: float | None
    lat: float | None
    address: str
    unit_id: str | None
    unit_name: str | None
    assignee_name: str | None
    opened_at: datetime
    accept_by: datetime | None
    handle_by: datetime | None
    verify_by: datetime | None
    due_at: datetime | None
    overdue: bool
    escalation: int
    closed_at: datetime | None
    version: int

    @classmethod
    def of(cls, incident: Incident, names: Names, **more: Any) -> Self:
        derived = {
            "category_name": category_name(incident.category),
            "state_name": incident.state.zh,
            "division_name": names.division(incident.division_code),
            "unit_name": names.unit(incident.unit_id),
            "overdue": incident.overdue(names.now),
        }
        plain = {name: getattr(incident, name) for name in IncidentOut.model_fields if name not in derived}
        return cls(**plain, **derived, **more)


class TaskIncident(BaseModel):
    number: str
    title: str
    description: str
    category_name: str
    grade: int
    division_name: str
    address: str
    lon: float | None
    lat: float | None
    version: int


class TaskOut(BaseModel):
    id: str
    incident_id: str
    incident: TaskIncident
    seq: int
    state: State
    state_name: str
    unit_id: str
    unit_name: str | None
    assignee_id: str | None
    assignee_name: str | None
    dispatched_at: datetime
    accept_by: datetime
    accepted_at: datetime | None
    handle_by: datetime | None
    handled_at: datetime | None
    returned_at: datetime | None
    return_reason: str | None
    result: str | None
    reworked: int
    overdue: bool
    actions: list[ActionOut]

    @classmethod
    def of(cls, task: Task, incident: Incident, names: Names, rows: Sequence[Transition] = ()) -> Self:
        derived = {
            "incident": TaskIncident(
                **{name: getattr(incident, name) for name in TaskIncident.model_fields if hasattr(incident, name)},
                category_name=category_name(incident.category),
                division_name=names.division(incident.division_code),
            ),
            "state_name": task.state.zh,
            "unit_name": names.unit(task.unit_id),
            "overdue": task.overdue(names.now),
            "actions": [ActionOut.of(row) for row in rows],
        }
        plain = {name: getattr(task, name) for name in cls.model_fields if name not in derived}
        return cls(**plain, **derived)


class ReportOut(BaseModel):
    """`reporter_phone` shows its middle only to those who work on the incident."""

    id: str
    tracking_number: str
    incident_id: str
    content: str
    category: str
    category_name: str
    division_code: str
    division_name: str
    lon: float | None
    lat: float | None
    address: str
    reporter_name: str | None
    reporter_phone: str | None
    received_at: datetime

    @classmethod
    def of(cls, report: Report, names: Names, *, full: bool = False) -> Self:
        derived = {
            "category_name": category_name(report.category),
            "division_name": names.division(report.division_code),
            "reporter_phone": report.reporter_phone if full else masked(report.reporter_phone),
        }
        plain = {name: getattr(report, name) for name in cls.model_fields if name not in derived}
        return cls(**plain, **derived)


def masked(phone: str | None) -> str | None:
    """The number with its middle hidden."""
    if phone is None:
        return None
    kept = min(4, len(phone) // 3)
    return phone[: min(3, kept)] + "*" * (len(phone) - kept - min(3, kept)) + (phone[-kept:] if kept else "")


class TimelineOut(BaseModel):
    seq: int
    at: datetime
    actor_kind: str
    actor_name: str
    action: str
    action_name: str
    action_name_en: str
    from_state: State | None
    to_state: State
    reason: str
    data: dict[str, Any]

    @classmethod
    def of(cls, entry: TimelineEntry, names: Names) -> Self:
        data = dict(entry.data)
        if "unit_id" in data:
            data["unit_name"] = names.unit(data["unit_id"])
        opened = entry.action == OPEN
        return cls(
            seq=entry.seq,
            at=entry.at,
            actor_kind=entry.actor.kind,
            actor_name=entry.actor.name,
            action=entry.action,
            action_name="立案" if opened else Action(entry.action).zh,
            action_name_en="open" if opened else Action(entry.action).en,
            from_state=entry.from_state,
            to_state=entry.to_state,
            reason=entry.reason,
            data=data,
        )


class PhotoOut(BaseModel):
    id: str
    at: datetime

    @classmethod
    def of(cls, photo: Photo) -> Self:
        return cls(id=photo.id, at=photo.at)


class IncidentDetail(IncidentOut):
    warnings: list[WarningOut]
    reports: list[ReportOut]
    tasks: list[TaskOut]
    timeline: list[TimelineOut]
    photos: list[PhotoOut]
    actions: list[ActionOut]
