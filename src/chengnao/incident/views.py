"""Incidents, tasks and reports as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel

from chengnao.incident.catalogue import category_name
from chengnao.incident.joint import AssistAction
from chengnao.incident.model import (
    OPEN,
    Action,
    Incident,
    Need,
    Photo,
    Source,
    State,
    Task,
    TaskRole,
    TimelineEntry,
    Transition,
)
from chengnao.incident.names import Names
from chengnao.incident.reports.views import ReportOut
from chengnao.incident.requests.views import RequestOut
from chengnao.warning.routes import WarningOut


class ActionOut(BaseModel):
    """A step that the reader may take now."""

    action: Action
    name: str
    name_en: str
    needs: list[Need]
    primary: bool

    @classmethod
    def of(cls, row: Transition) -> Self:
        return cls(
            action=row.action,
            name=row.action.zh,
            name_en=row.action.en,
            needs=sorted(row.needs),
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
    desk_code: str
    desk_name: str
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
    close_by: datetime | None
    overdue: bool
    escalation: int
    returns: int
    reopened: int
    binding: bool
    closed_at_intake: bool
    merged_into: str | None
    repeat_of: str | None
    closed_at: datetime | None
    version: int

    @classmethod
    def of(cls, incident: Incident, names: Names, **more: Any) -> Self:
        derived = {
            "category_name": category_name(incident.category),
            "state_name": incident.state.zh,
            "division_name": names.division(incident.division_code),
            "desk_name": names.division(incident.desk_code),
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
    role: TaskRole
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
    return_code: str | None
    return_reason: str | None
    withdrawn_at: datetime | None
    result: str | None
    reworked: int
    overdue: bool
    actions: list[ActionOut]
    """What the asker may do with the incident, where the task is that of its unit in the lead."""
    steps: list[AssistAction]
    """What the asker may do with the task itself, where its unit assists."""

    @classmethod
    def of(
        cls,
        task: Task,
        incident: Incident,
        names: Names,
        rows: Sequence[Transition] = (),
        steps: Sequence[AssistAction] = (),
    ) -> Self:
        derived = {
            "incident": TaskIncident(
                **{name: getattr(incident, name) for name in TaskIncident.model_fields if hasattr(incident, name)},
                category_name=category_name(incident.category),
                division_name=names.division(incident.division_code),
            ),
            "state_name": "已撤回" if task.withdrawn_at else task.state.zh,
            "unit_name": names.unit(task.unit_id),
            "overdue": task.overdue(names.now),
            "actions": [ActionOut.of(row) for row in rows],
            "steps": list(steps),
        }
        plain = {name: getattr(task, name) for name in cls.model_fields if name not in derived}
        return cls(**plain, **derived)


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
        if "assist_unit_ids" in data:
            data["assist_unit_names"] = [names.unit(unit) for unit in data["assist_unit_ids"]]
        for key in ("desk", "division"):
            if f"{key}_code" in data:
                data[f"{key}_name"] = names.division(data[f"{key}_code"])
        if "category" in data:
            data["category_name"] = category_name(data["category"])
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
    requests: list[RequestOut]
    actions: list[ActionOut]
