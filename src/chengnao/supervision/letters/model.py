"""A weekly letter: its week, its numbers, and the cases behind each of them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chengnao.incident.duty_measures import LetterCase, Part
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid

PARTS: Mapping[Part, tuple[str, str]] = {
    Part.DISPATCHED: ("派发", "dispatched"),
    Part.ACCEPT_DUE: ("应签收", "to accept"),
    Part.ACCEPT_LATE: ("签收超时", "accepted late or not"),
    Part.HANDLE_DUE: ("应办理", "to handle"),
    Part.HANDLE_LATE: ("办理超时", "handled late or not"),
    Part.OVERDUE: ("周末超期未结", "overdue at the end"),
    Part.RETURNED: ("退单", "returned"),
    Part.REWORKED: ("返工", "reworked"),
    Part.REOPENED: ("办结后重启", "reopened"),
    Part.URGED: ("被催办", "urged"),
    Part.UNANSWERED: ("催办未按时回应", "urge not answered in time"),
}
"""The numbers in their order, with their names."""


@dataclass(frozen=True)
class Letter:
    """`units`: for each unit with anything in the week, its name and the cases of each number."""

    week: str
    since: datetime
    until: datetime
    """When it was looked at, where the week is not over."""
    over: bool
    division: str
    unit: str | None
    """The one that it is for; None for a letter about the whole division."""
    units: tuple[tuple[str, Mapping[Part, tuple[LetterCase, ...]]], ...]
    answer_by: datetime
    issued: datetime


def read_week(text: str | None, now: datetime) -> tuple[str, datetime, datetime]:
    """The ISO week's name and bounds in Chongqing's time, by default the present one; raises Invalid for none."""
    if text is None:
        year, week, _ = now.astimezone(CST).isocalendar()
        text = f"{year}-W{week:02}"
    found = re.fullmatch(r"(20\d\d)-W(\d\d)", text)
    try:
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1) if found else None
    except ValueError:
        monday = None
    if monday is None:
        raise Invalid(
            "invalid_value",
            field="week",
            value=text,
            reason_zh="应为周次，如 2026-W48",
            reason_en="it must be a week, as 2026-W48",
        )
    since = datetime(monday.year, monday.month, monday.day, tzinfo=CST)
    if since > now:
        raise Invalid(
            "invalid_value", field="week", value=text, reason_zh="这一周还没有开始", reason_en="it has not begun"
        )
    return text, since, since + timedelta(days=7)
