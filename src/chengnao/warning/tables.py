"""Tables of rules, warnings and faults. Private to this module's repository."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from chengnao.kernel.database import Base, Owned


class ThresholdRuleRow(Owned, Base):
    __tablename__ = "threshold_rules"
    __table_args__ = (
        CheckConstraint("(device_class IS NULL) <> (device_id IS NULL)", name="one_target"),
        UniqueConstraint(
            "device_class", "device_id", "metric", "direction", name="target", postgresql_nulls_not_distinct=True
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    device_class: Mapped[str | None]
    device_id: Mapped[str | None]
    metric: Mapped[str]
    direction: Mapped[str]
    levels: Mapped[dict[str, Any]]
    duration_seconds: Mapped[float]
    hysteresis: Mapped[float]
    category: Mapped[str]
    opens_incident_at: Mapped[int]
    enabled: Mapped[bool]
    source: Mapped[str]
    revision: Mapped[int]


class WarningRow(Owned, Base):
    __tablename__ = "warnings"
    __table_args__ = (
        Index(
            "one_open_warning_for_rule_and_device",
            "rule_id",
            "device_id",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
        Index("warnings_by_state_and_time", "state", "opened_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    rule_id: Mapped[str]
    device_id: Mapped[str] = mapped_column(index=True)
    device_name: Mapped[str]
    title: Mapped[str]
    metric: Mapped[str]
    unit: Mapped[str]
    direction: Mapped[str]
    category: Mapped[str]
    level: Mapped[int]
    peak_level: Mapped[int]
    opens_incident_at: Mapped[int]
    state: Mapped[str]
    value: Mapped[float]
    threshold: Mapped[float]
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
    lon: Mapped[float | None]
    lat: Mapped[float | None]
    incident_id: Mapped[str | None] = mapped_column(index=True)


class WarningChangeRow(Base):
    """The record of a warning, one row for each change of level."""

    __tablename__ = "warning_changes"

    warning_id: Mapped[str] = mapped_column(ForeignKey("warnings.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    level: Mapped[int]
    value: Mapped[float | None]
    reason: Mapped[str]


class SeriesStateRow(Base):
    """Where a rule stands for a device. A row stays after the return to normal: it holds the last time seen."""

    __tablename__ = "warning_series"

    rule_id: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int]
    phase: Mapped[str]
    last_time: Mapped[int] = mapped_column(BigInteger)
    marks: Mapped[dict[str, Any]]


class DeviceFaultRow(Owned, Base):
    __tablename__ = "device_faults"
    __table_args__ = (
        Index(
            "one_open_fault_for_device_metric_and_kind",
            "device_id",
            "metric",
            "kind",
            unique=True,
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[str]
    metric: Mapped[str]
    kind: Mapped[str]
    since: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
