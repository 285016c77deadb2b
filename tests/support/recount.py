"""The indicators a second time, by plain SQL over the timeline and the reports: no code is shared with the platform."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil, floor
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

GROUPINGS = ("unit", "tier", "category", "division", "channel", "day", "week", "month")
RATES = {
    "accept_rate": ("accepted_on_time", "accept_due"),
    "handle_rate": ("handled_on_time", "handle_due"),
    "verify_rate": ("verified_on_time", "verify_due"),
    "close_rate": ("closed", "closable"),
    "on_time_close_rate": ("closed_on_time", "close_due"),
    "return_rate": ("returned", "dispatched"),
    "rework_rate": ("reworked", "dispatched"),
    "misdispatch_rate": ("misdispatched", "led"),
    "reopen_rate": ("reopened", "ended"),
    "source_on_time_rate": ("source_on_time", "source_due"),
    "answer_rate": ("answered", "reports"),
    "satisfaction_rate": ("satisfied", "rated"),
}
TOTAL = ""
"""Under this name beside the groupings: all together."""


@dataclass
class Recounted:
    """The figures of one group. What is not there is nothing: 0, or unknown."""

    subjects: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Who is behind each count, and behind each time."""
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def count(self, key: str) -> int:
        return len(self.subjects[key])

    def rate(self, key: str) -> float | None:
        above, below = RATES[key]
        return round(self.count(above) / self.count(below), 4) if self.count(below) else None

    def odd(self, key: str) -> int:
        return sum(each < 0 for each in self.seconds[key])

    def quantile(self, key: str, share: float) -> float | None:
        """Between the two nearest of the times that are not negative."""
        times = sorted(each for each in self.seconds[key] if each >= 0)
        if not times:
            return None
        place = (len(times) - 1) * share
        low, high = times[floor(place)], times[ceil(place)]
        return low + (high - low) * (place - floor(place))


def recount(url: str, since: datetime, until: datetime, now: datetime) -> Mapping[str, Mapping[str, Recounted]]:
    """For each grouping, and for TOTAL, each group with its figures; `now` is the moment that they are looked at."""
    text = (Path(__file__).parent / "recount.sql").read_text("utf-8")
    found: dict[str, defaultdict[str, Recounted]] = {by: defaultdict(Recounted) for by in (*GROUPINGS, TOTAL)}
    with psycopg.connect(url, row_factory=dict_row) as connection:
        for row in connection.execute(text.encode(), {"since": since, "until": until, "now": now}):
            year, week, _ = row["at"].isocalendar()
            times = {"day": f"{row['at']:%Y-%m-%d}", "week": f"{year}-W{week:02}", "month": f"{row['at']:%Y-%m}"}
            for by, groups in found.items():
                group = groups[TOTAL if by == TOTAL else (row | times)[by]]
                assert row["subject"] not in group.subjects[row["key"]], row
                group.subjects[row["key"]].add(row["subject"])
                if row["seconds"] is not None:
                    group.seconds[row["key"]].append(row["seconds"])
    return found
