"""What did not go as it should in an incident, found in its timeline. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chengnao.incident.model import Action, State, TimelineEntry
from chengnao.kernel.vocabulary import Named
from chengnao.review.stays import Stay, stays

LONG_WAIT = timedelta(minutes=10)
"""A warning that waits longer for its incident is a deviation."""


class DeviationKind(Named):
    SLOW_WARNING = "slow_warning", "预警后立案迟缓", "slow from warning to incident"
    LATE_STEP = "late_step", "环节超时", "late step"
    LATE_WHOLE = "late_whole", "全程超时", "late as a whole"
    RECATEGORISED = "recategorised", "改类", "category corrected"
    RETURNED = "returned", "退单", "returned"
    ASSIST_RETURNED = "assist_returned", "协办退单", "returned by a unit that assists"
    DISPUTED = "disputed", "提请裁定", "in dispute"
    EXTENDED = "extended", "延期", "extended"
    SUSPENDED = "suspended", "挂起", "suspended"
    REWORKED = "reworked", "返工", "sent back for rework"
    URGED = "urged", "催办", "urged"
    REOPENED = "reopened", "重启", "reopened"


@dataclass(frozen=True)
class Deviation:
    """One thing that went otherwise than planned, and where the timeline says so."""

    kind: DeviationKind
    at: datetime
    seq: int | None
    """The entry of the timeline; None where it lies between two records."""
    seconds: float | None = None
    """By how much it was late, or how long it lasted."""
    state: State | None = None
    unit_id: str | None = None
    reason_code: str | None = None
    reason: str = ""
    actor: str = ""
    level: int | None = None
    """Of an urge by the platform: 1 or 2."""
    category: str | None = None
    """The category before it was corrected."""


@dataclass(frozen=True)
class Alarm:
    """The moment at which a warning was first grave enough to open an incident."""

    warning_id: str
    title: str
    at: datetime


def deviations(entries: Sequence[TimelineEntry], alarms: Iterable[Alarm], now: datetime) -> list[Deviation]:
    """All deviations, in the order of time; what still lasts is measured up to `now`."""
    if not entries:
        return []
    found = _waits(entries[0].at, alarms) + _late_steps(stays(entries), now) + _late_whole(entries, now)
    category = entries[0].data.get("category")
    holder: str | None = None
    for entry in entries:
        found += _of_entry(entry, holder, category)
        holder = entry.data.get("unit_id", holder) if entry.action != Action.NOTE else holder
        category = entry.data.get("category", category)
    return sorted(found + _pauses(stays(entries), now), key=lambda each: (each.at, each.kind))


def _waits(opened_at: datetime, alarms: Iterable[Alarm]) -> list[Deviation]:
    earlier = [alarm for alarm in alarms if alarm.at <= opened_at]
    if not earlier:
        return []
    first = min(earlier, key=lambda alarm: alarm.at)
    wait = opened_at - first.at
    if wait <= LONG_WAIT:
        return []
    return [Deviation(DeviationKind.SLOW_WARNING, opened_at, 1, wait.total_seconds(), reason=first.title)]


def _late_steps(all_stays: Iterable[Stay], now: datetime) -> list[Deviation]:
    return [
        Deviation(DeviationKind.LATE_STEP, stay.due_at, stay.seq, late, stay.state, stay.unit_id)
        for stay in all_stays
        if stay.due_at is not None and (late := stay.late_seconds(now)) > 0
    ]


def _late_whole(entries: Sequence[TimelineEntry], now: datetime) -> list[Deviation]:
    """The case as a whole, from its last opening: a reopened one gets a new time."""
    due: datetime | None = None
    end = now
    for entry in entries:
        if "close_by" in entry.data:
            due = datetime.fromisoformat(entry.data["close_by"])
        if entry.action == Action.REOPEN:
            end = now
        elif entry.to_state.final and entry.from_state is not entry.to_state:
            end = entry.at
    if due is None or end <= due:
        return []
    return [Deviation(DeviationKind.LATE_WHOLE, due, None, (end - due).total_seconds())]


def _pauses(all_stays: Iterable[Stay], now: datetime) -> list[Deviation]:
    return [
        Deviation(
            DeviationKind.SUSPENDED,
            stay.since,
            stay.seq,
            ((stay.until or now) - stay.since).total_seconds(),
            unit_id=stay.unit_id,
        )
        for stay in all_stays
        if stay.state is State.SUSPENDED
    ]


_KINDS = {
    Action.RECATEGORISE: DeviationKind.RECATEGORISED,
    Action.RETURN: DeviationKind.RETURNED,
    Action.DISPUTE: DeviationKind.DISPUTED,
    Action.EXTEND: DeviationKind.EXTENDED,
    Action.REWORK: DeviationKind.REWORKED,
    Action.URGE: DeviationKind.URGED,
    Action.REOPEN: DeviationKind.REOPENED,
}


def _of_entry(entry: TimelineEntry, holder: str | None, category: str | None) -> list[Deviation]:
    kind = _KINDS.get(Action(entry.action)) if entry.action in _KINDS else None
    if entry.action == Action.NOTE and entry.data.get("assist") == "return":
        kind, holder = DeviationKind.ASSIST_RETURNED, entry.data.get("unit_id")
    if kind is None:
        return []
    return [
        Deviation(
            kind,
            entry.at,
            entry.seq,
            unit_id=holder,
            reason_code=entry.data.get("reason_code"),
            reason=entry.reason,
            actor=entry.actor.name,
            level=entry.data.get("escalation") if kind is DeviationKind.URGED else None,
            category=category if kind is DeviationKind.RECATEGORISED else None,
        )
    ]
