"""Tables of incidents. Private to this module's repositories."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class IncidentRow(Owned, Base):
    __tablename__ = "incidents"
    __table_args__ = (
        Index("incidents_by_state_and_due", "state", "due_at"),
        Index("incidents_by_time", "opened_at"),
        Index("incidents_by_place", "lat", "lon"),
        Index("incidents_to_attach_to", "category", "division_code", "opened_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    source_key: Mapped[str | None] = mapped_column(unique=True)
    title: Mapped[str]
    description: Mapped[str]
    category: Mapped[str]
    grade: Mapped[int]
    state: Mapped[str]
    source: Mapped[str]
    desk_code: Mapped[str] = mapped_column(index=True)
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    address: Mapped[str]
    opened_at: Mapped[datetime]
    entered_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    close_by: Mapped[datetime | None]
    accept_by: Mapped[datetime | None]
    handle_by: Mapped[datetime | None]
    verify_by: Mapped[datetime | None]
    dispatched_at: Mapped[datetime | None]
    handled_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None] = mapped_column(index=True)
    urged: Mapped[int]
    assignee_id: Mapped[str | None]
    assignee_name: Mapped[str | None]
    handled_by: Mapped[str | None]
    left_seconds: Mapped[float | None]
    returns: Mapped[int]
    reopened: Mapped[int]
    binding: Mapped[bool]
    closed_at_intake: Mapped[bool]
    merged_into: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"), index=True)
    repeat_of: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"), index=True)
    entry: Mapped[int]
    escalation: Mapped[int]
    version: Mapped[int]


class TaskRow(Base):
    __tablename__ = "incident_tasks"
    __table_args__ = (
        UniqueConstraint("incident_id", "seq"),
        Index("incident_tasks_by_unit_and_state", "unit_id", "state"),
        Index("incident_tasks_by_time", "dispatched_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"))
    seq: Mapped[int]
    role: Mapped[str]
    state: Mapped[str]
    division_code: Mapped[str] = mapped_column(index=True)
    unit_id: Mapped[str]
    dispatched_at: Mapped[datetime]
    accept_by: Mapped[datetime]
    assignee_id: Mapped[str | None]
    assignee_name: Mapped[str | None]
    accepted_at: Mapped[datetime | None]
    handle_by: Mapped[datetime | None]
    handled_at: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]
    return_code: Mapped[str | None]
    return_reason: Mapped[str | None]
    withdrawn_at: Mapped[datetime | None]
    result: Mapped[str | None]
    reworked: Mapped[int]


class TimelineRow(Base):
    """Who did what, when and why. Rows are added, never changed."""

    __tablename__ = "incident_timeline"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    actor_name: Mapped[str]
    action: Mapped[str]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    reason: Mapped[str]
    data: Mapped[dict[str, Any]]


class NumberRow(Base):
    """The last number given on a day, by series."""

    __tablename__ = "incident_numbers"

    series: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[int]


class ReportRow(Base):
    """What somebody told, without personal details. Who may see it follows from its incident."""

    __tablename__ = "incident_reports"
    __table_args__ = (
        Index("incident_reports_by_time", "received_at"),
        Index("incident_reports_by_rating", "rated_at", postgresql_where=text("rated_at IS NOT NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tracking_number: Mapped[str] = mapped_column(unique=True)
    code_hash: Mapped[str | None]
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    channel: Mapped[str]
    content: Mapped[str]
    category: Mapped[str]
    given_category: Mapped[str | None]
    confidence: Mapped[float | None]
    division_code: Mapped[str] = mapped_column(index=True)
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    address: Mapped[str]
    received_at: Mapped[datetime]
    external_id: Mapped[str | None] = mapped_column(index=True)
    odd: Mapped[list[str]] = mapped_column(ARRAY(String))
    answer: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    satisfaction: Mapped[int | None]
    comment: Mapped[str | None]
    rated_at: Mapped[datetime | None]


class ContactRow(Base):
    """Who reported and in which words, sealed: only the vault can read it."""

    __tablename__ = "report_contacts"

    report_id: Mapped[str] = mapped_column(ForeignKey("incident_reports.id"), primary_key=True)
    sealed: Mapped[bytes]


class PhotoRow(Base):
    """A photo; its bytes lie in a file named by their digest."""

    __tablename__ = "incident_photos"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int]
    incident_id: Mapped[str | None] = mapped_column(ForeignKey("incidents.id"), index=True)
    uploaded_by: Mapped[str]
    at: Mapped[datetime]


class ResponsibilityRow(Base):
    """Which unit answers for a category in a division, and in those below it that say nothing themselves."""

    __tablename__ = "responsibilities"

    division_code: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str] = mapped_column(primary_key=True)
    hours: Mapped[str] = mapped_column(primary_key=True, server_default="")
    months: Mapped[str] = mapped_column(primary_key=True, server_default="")
    unit_id: Mapped[str]
    deputy_unit_id: Mapped[str | None]


class LimitRow(Base):
    """A time limit that the city has set instead of the platform's."""

    __tablename__ = "incident_limits"

    category: Mapped[str] = mapped_column(primary_key=True)
    grade: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[str]


class RequestRow(Owned, Base):
    """A unit asks for more time, or to wait."""

    __tablename__ = "incident_requests"

    id: Mapped[str] = mapped_column(primary_key=True)
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    until: Mapped[datetime]
    reason: Mapped[str]
    asked_by: Mapped[str]
    asked_by_name: Mapped[str]
    asked_at: Mapped[datetime]
    decide_by: Mapped[datetime]
    decider_code: Mapped[str]
    decided_by_name: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    decision: Mapped[str | None]
