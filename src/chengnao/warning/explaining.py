"""What the readings around a warning say: since when, which way, how far. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from chengnao.warning.model import Direction

Trend = Literal["rising", "falling", "steady", "unknown"]
TRENDS: dict[Trend, str] = {"rising": "上升", "falling": "下降", "steady": "平稳", "unknown": "不明"}

Point = tuple[datetime, float]
_FEWEST = 3
_LATEST = 12
"""So many readings at the end tell the trend."""
_SCATTER = 2.5
"""A change over those readings that is no more than so many times their scatter around the line is none."""


@dataclass(frozen=True)
class Course:
    """How the readings went up to the last one."""

    count: int
    first: Point | None = None
    last: Point | None = None
    lowest: float | None = None
    highest: float | None = None
    trend: Trend = "unknown"
    per_hour: float | None = None
    """Change of the value in an hour over the readings that tell the trend."""
    beyond_since: datetime | None = None
    """From when on every reading lay beyond the threshold; None where the last one does not."""


def course_of(points: Sequence[Point], threshold: float | None, direction: Direction) -> Course:
    """The course of readings in order of time; those that are no numbers are passed over."""
    known = [(at, value) for at, value in points if np.isfinite(value)]
    if not known:
        return Course(0)
    values = [value for _, value in known]
    trend, per_hour = _trend(known)
    return Course(
        count=len(known),
        first=known[0],
        last=known[-1],
        lowest=min(values),
        highest=max(values),
        trend=trend,
        per_hour=per_hour,
        beyond_since=None if threshold is None else _beyond_since(known, threshold, direction),
    )


def _trend(points: Sequence[Point]) -> tuple[Trend, float | None]:
    latest = points[-_LATEST:]
    if len(latest) < _FEWEST:
        return "unknown", None
    hours = np.array([(at - latest[0][0]).total_seconds() / 3600 for at, _ in latest])
    values = np.array([value for _, value in latest])
    if hours[-1] <= 0:
        return "unknown", None
    slope, start = (float(each) for each in np.polyfit(hours, values, 1))
    scatter = float((values - (slope * hours + start)).std())
    if abs(slope) * float(hours[-1]) <= _SCATTER * scatter or values.min() == values.max():
        return "steady", slope
    return ("rising" if slope > 0 else "falling"), slope


def _beyond_since(points: Sequence[Point], threshold: float, direction: Direction) -> datetime | None:
    since = None
    for at, value in reversed(points):
        if direction.sign * (value - threshold) < 0:
            break
        since = at
    return since


def lasted(since: datetime, until: datetime) -> str:
    """How long that is, in the two largest units."""
    minutes = max(0, round((until - since).total_seconds() / 60))
    hours, days = minutes // 60 % 24, minutes // 1440
    if days:
        return f"{days} 天 {hours} 小时"
    return f"{hours} 小时 {minutes % 60} 分钟" if hours else f"{minutes} 分钟"


def in_words(course: Course, threshold: float, direction: Direction, unit: str, now: datetime) -> str:
    """The course as people read it, every figure from the readings."""
    if course.last is None:
        return "没有读到此前的数据，无法判断走势。"
    value = course.last[1]
    gap = abs(value - threshold)
    share = f"（{gap / abs(threshold):.0%}）" if threshold else ""
    parts = [f"最近读数 {value:.4g} {unit}".rstrip()]
    if direction.sign * (value - threshold) >= 0:
        parts[0] += f"，{direction.zh}阈值 {threshold:g} {unit}".rstrip() + f"，相差 {gap:.4g}{share}"
    else:
        parts[0] += f"，已回到阈值 {threshold:g} {unit}".rstrip() + "以内"
    if course.beyond_since is not None:
        parts.append(f"已连续越限 {lasted(course.beyond_since, now)}")
    if course.trend == "unknown":
        parts.append("数据太少，走势不明")
    else:
        pace = f"，每小时约 {abs(course.per_hour or 0.0):.3g} {unit}".rstrip() if course.trend != "steady" else ""
        parts.append(f"近期走势{TRENDS[course.trend]}{pace}")
    return "；".join(parts) + "。"
