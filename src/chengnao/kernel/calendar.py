"""Lengths of time as rules state them, and the working time that some of them run in."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise

import yaml
from chinese_calendar import Holiday, constants

from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.kernel.vocabulary import Named

_DAY = timedelta(days=1)
_FEASTS = ((1, 1), (5, 1), (10, 1))
"""Days of rest in every year: a city that has entered them has entered that year."""


class TimeUnit(Named):
    SECOND = "s", "秒", "s"
    MINUTE = "min", "分钟", "min"
    HOUR = "h", "小时", "h"
    DAY = "d", "天", "d"
    WORKING_HOUR = "wh", "个工作小时", "working hours"
    WORKING_DAY = "wd", "个工作日", "working days"


_SECONDS = {TimeUnit.SECOND: 1, TimeUnit.MINUTE: 60, TimeUnit.HOUR: 3600, TimeUnit.DAY: 86400}
_AT_MOST = {
    TimeUnit.SECOND: 86_400,
    TimeUnit.MINUTE: 14_400,
    TimeUnit.HOUR: 8_784,
    TimeUnit.DAY: 3_660,
    TimeUnit.WORKING_HOUR: 2_500,
    TimeUnit.WORKING_DAY: 2_500,
}


@dataclass(frozen=True)
class Amount:
    """A length of time: in natural time, or in working hours or days."""

    number: float
    unit: TimeUnit

    @property
    def working(self) -> bool:
        """Whether it runs in working time alone."""
        return self.unit in (TimeUnit.WORKING_HOUR, TimeUnit.WORKING_DAY)

    @property
    def zh(self) -> str:
        return f"{self.number:g} {self.unit.zh}"

    @property
    def en(self) -> str:
        return f"{self.number:g} {self.unit.en}"

    def __str__(self) -> str:
        return f"{self.number:g} {self.unit}"


def parse_amount(text: str) -> Amount:
    """The amount that a text such as `15 min`, `8 wh` or `3 wd` states; raises Invalid that says what is wrong."""
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*([a-z]{1,3})", text.strip())
    if found is None:
        raise _invalid(text, "应为一个数和一个单位，如“15 min”“3 wd”", "it must be a number and a unit, as '3 wd'")
    number, name = float(found[1]), found[2]
    if name not in list(TimeUnit):
        known = "、".join(TimeUnit), ", ".join(TimeUnit)
        raise _invalid(text, f"单位“{name}”未知，可用：{known[0]}", f"the unit '{name}' is none of {known[1]}")
    unit = TimeUnit(name)
    if unit is TimeUnit.WORKING_DAY and number != int(number):
        raise _invalid(text, "工作日应为整数；不足一日的请用 wh", "working days must be whole; use wh for parts")
    if number > _AT_MOST[unit]:
        most = _AT_MOST[unit]
        raise _invalid(text, f"过长，至多 {most} {unit}", f"it is too long; the most is {most} {unit}")
    return Amount(number, unit)


def _invalid(text: str, reason_zh: str, reason_en: str) -> Invalid:
    return Invalid("invalid_value", field="amount", value=text, reason_zh=reason_zh, reason_en=reason_en)


@cache
def working_hours() -> tuple[tuple[time, time], ...]:
    """From when to when work is done on a working day, in order."""
    raw: list[str] = yaml.safe_load((files("chengnao.kernel") / "calendar.yaml").read_text("utf-8"))["hours"]
    spans = tuple((time.fromisoformat(span[:5]), time.fromisoformat(span[6:])) for span in raw)
    bounds = [bound for span in spans for bound in span]
    if not bounds or any(earlier >= later for earlier, later in pairwise(bounds)):
        raise ValueError(f"calendar.yaml: the hours {raw} must follow each other")
    return spans


def national_days(year: int) -> dict[date, tuple[bool, str]]:
    """The country's holidays and make-up days of a year: whether work is done, and the name of the holiday."""
    return {
        day: (working, Holiday(name).chinese)
        for working, named in ((False, constants.holidays), (True, constants.workdays))
        for day, name in named.items()
        if day.year == year
    }


@dataclass(frozen=True)
class WorkingCalendar:
    """Tells working days and counts working time; all of it in Chongqing's time, which knows no summer time."""

    exceptions: Mapping[date, bool] = field(default_factory=dict)
    """The city's own days: whether work is done, whatever the country does."""
    hours: tuple[tuple[time, time], ...] = field(default_factory=working_hours)

    def is_working_day(self, day: date) -> bool:
        """The city's own word; else the country's holidays and make-up days; beyond their data, weekdays."""
        if day in self.exceptions:
            return self.exceptions[day]
        if day in constants.workdays:
            return True
        return day.weekday() < 5 and day not in constants.holidays

    def known_until(self) -> date:
        """The last day of the last year whose holidays are known; after it weekends alone decide."""
        year = max(constants.holidays).year
        while all(date(year + 1, month, day) in self.exceptions for month, day in _FEASTS):
            year += 1
        return date(year, 12, 31)

    def after(self, moment: datetime, amount: Amount) -> datetime:
        """When the amount of time that begins at `moment` is over.

        Working days end with the hours of work of the n-th working day after the day of `moment`, which itself does
        not count (Civil Code, article 201). With none at all it is the end of the hours of work that come first.
        """
        match amount.unit:
            case TimeUnit.WORKING_DAY:
                return self._days_after(moment, int(amount.number))
            case TimeUnit.WORKING_HOUR:
                return self.add_working_seconds(moment, amount.number * 3600)
            case _:
                return moment.astimezone(UTC) + timedelta(seconds=amount.number * _SECONDS[amount.unit])

    def _days_after(self, moment: datetime, number: int) -> datetime:
        day = moment.astimezone(CST).date()
        if number == 0:
            while not self.is_working_day(day) or self._end(day) < moment:
                day += _DAY
        while number:
            day += _DAY
            number -= self.is_working_day(day)
        return self._end(day).astimezone(UTC)

    def _end(self, day: date) -> datetime:
        return datetime.combine(day, self.hours[-1][1], CST)

    def working_seconds(self, since: datetime, until: datetime) -> float:
        """The working time between the two; 0 where `until` is not after `since`."""
        total = 0.0
        for opens, closes in self._spans(since):
            if opens >= until:
                break
            total += max(0.0, (min(closes, until) - max(opens, since)).total_seconds())
        return total

    def add_working_seconds(self, moment: datetime, seconds: float) -> datetime:
        """The moment up to which so much working time has passed; with none, `moment` or when work begins next."""
        left = timedelta(seconds=seconds)
        for opens, closes in self._spans(moment):
            begin = max(opens, moment)
            if begin + left <= closes:
                return (begin + left).astimezone(UTC)
            left -= max(closes - begin, timedelta())
        raise AssertionError("the days do not end")

    def _spans(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The hours of work, from those of the day of `since` on."""
        day = since.astimezone(CST).date()
        while True:
            if self.is_working_day(day):
                for opens, closes in self.hours:
                    yield datetime.combine(day, opens, CST), datetime.combine(day, closes, CST)
            day += _DAY
