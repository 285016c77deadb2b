"""The table of responsibilities as rules, and how one of several units is chosen. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml

from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid

ANY = "*"
"""Stands for every category that no row names, in the division or above it."""

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_MONTHS = re.compile(r"(\d{1,2})-(\d{1,2})")


@dataclass(frozen=True)
class Responsibility:
    """The unit that answers for a category in a division and in those below it that name none.

    `hours` ("08:00-18:00", over midnight too) and `months` ("6-9", over the new year too) bound it; empty is always.
    The deputy stands in where the unit is full or has nobody on duty.
    """

    division_code: str
    category: str
    unit_id: str
    deputy_unit_id: str | None = None
    hours: str = ""
    months: str = ""

    def in_force(self, at: datetime) -> bool:
        local = at.astimezone(CST)
        if self.months:
            first, last = (int(part) for part in _MONTHS.fullmatch(self.months).groups())  # type: ignore[union-attr]
            inside = first <= local.month <= last
            if not (inside if first <= last else local.month >= first or local.month <= last):
                return False
        if not self.hours:
            return True
        begins, ends = (time.fromisoformat(part) for part in self.hours.split("-"))
        now = local.time()
        return begins <= now < ends if begins <= ends else now >= begins or now < ends


def check_bounds(hours: str, months: str) -> None:
    """Raises Invalid where hours or months are not written as they must be."""
    if hours and not _HOURS.fullmatch(hours):
        raise Invalid("responsibility_hours", field="hours", value=hours)
    found = _MONTHS.fullmatch(months)
    if months and (found is None or not all(1 <= int(part) <= 12 for part in found.groups())):
        raise Invalid("responsibility_months", field="months", value=months)


@dataclass(frozen=True)
class Standing:
    """What is known of a unit at this moment."""

    name: str
    open_tasks: int = 0
    capacity: int | None = None
    """How many tasks it can have in work; None is unbounded."""
    keeps_roster: bool = False
    on_duty: Sequence[str] = ()
    """Names of the persons on duty now."""

    @property
    def full(self) -> bool:
        return self.capacity is not None and self.open_tasks >= self.capacity

    @property
    def absent(self) -> bool:
        return self.keeps_roster and not self.on_duty


@dataclass(frozen=True)
class Choice:
    """The unit to dispatch to, and why, in words that a duty officer can check."""

    unit_id: str
    reasons: list[str] = field(default_factory=list)
    deputy_unit_id: str | None = None
    on_duty: Sequence[str] = ()


def choose(
    rows: Sequence[Responsibility],
    standing: Mapping[str, Standing],
    at: datetime,
    where: str,
    returned: Mapping[str, str] = MappingProxyType({}),
) -> Choice | None:
    """The unit for an incident; `rows` are those of its category, the most fitting first.

    `returned`: why units gave this incident back, by their ids; such a unit is replaced by its deputy too.

    Among rows of one division and category one bounded by hours or months goes before one that is not. A full unit, or
    one that keeps a roster and has nobody on duty, is replaced by its deputy where that is better off; a full unit
    without a better deputy still gets the incident, since somebody must. None where no row is in force.
    """
    live = [row for row in rows if row.in_force(at)]
    if not live:
        return None
    fitting = [row for row in live if (row.division_code, row.category) == (live[0].division_code, live[0].category)]
    row = min(fitting, key=lambda each: (not each.hours, not each.months))
    unit = standing[row.unit_id]
    bounds = "、".join(part for part in (row.hours and f"{row.hours} 时段", row.months and f"{row.months} 月") if part)
    reasons = [f"责任清单：{where}{f'（{bounds}）' if bounds else ''}由{unit.name}负责"]
    chosen = row.unit_id
    hindered = _hindrance(unit, returned.get(row.unit_id))
    if hindered and row.deputy_unit_id is None:
        reasons.append(f"{unit.name}{hindered}，无替补")
    elif hindered and row.deputy_unit_id is not None:
        deputy = standing[row.deputy_unit_id]
        too = _hindrance(deputy, returned.get(row.deputy_unit_id))
        if too:
            reasons.append(f"{unit.name}{hindered}，替补{deputy.name}{too}，仍派{unit.name}")
        else:
            reasons.append(f"{unit.name}{hindered}，由替补{deputy.name}承办")
            chosen = row.deputy_unit_id
    if standing[chosen].on_duty:
        reasons.append(f"当班：{'、'.join(standing[chosen].on_duty)}")
    return Choice(chosen, reasons, row.deputy_unit_id, standing[chosen].on_duty)


def _hindrance(unit: Standing, returned: str | None) -> str:
    """Why another would do better; empty where nothing speaks against the unit."""
    if returned is not None:
        return f"已退回本件（{returned}）"
    if unit.full:
        return f"在办 {unit.open_tasks} 件，已满"
    return "当前无人值班" if unit.absent else ""


@dataclass(frozen=True)
class ReturnReason:
    code: str
    name: str
    name_en: str
    wrong_unit: bool


@cache
def return_reasons() -> Mapping[str, ReturnReason]:
    """The reasons for which a unit may give an incident back, by code."""
    text = (files("chengnao.incident.dispatch") / "return_reasons.yaml").read_text("utf-8")
    return {entry["code"]: ReturnReason(**entry) for entry in yaml.safe_load(text)}


def require_return_reason(code: str) -> ReturnReason:
    """The reason; raises Invalid where the list has none of that code."""
    found = return_reasons().get(code)
    if found is None:
        raise Invalid("return_reason_unknown", field="reason_code", value=code, known="、".join(return_reasons()))
    return found
