"""From an HJ 212 frame to readings: which factors count, under which metric, with which quality."""

import re
from math import isfinite
from typing import NamedTuple

from chengnao.sensing.gateways.batching import Rows
from chengnao.sensing.gateways.intake import LATE_MS, NEWEST_MS, OLDEST_MS
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.protocols.hj212 import Frame, Refusal, field_time
from chengnao.sensing.readings.model import Quality


class Statistic(NamedTuple):
    """Which part of a factor a command's readings are, and what is added to the metric's name."""

    part: str
    suffix: str
    period_ms: int = 0
    """DataTime is when the period begins; it can be sent only after it has ended."""


DATA_COMMANDS = {
    "2011": Statistic("Rtd", ""),
    "2051": Statistic("Avg", "_minute", 600_000),
    "2061": Statistic("Avg", "_hour", 3_600_000),
    "2031": Statistic("Avg", "_day", 86_400_000),
    "2021": Statistic("RS", ""),
}

QUALITY = {
    "N": Quality.GOOD,
    "C": Quality.CALIBRATING,
    "M": Quality.CALIBRATING,
    "T": Quality.OUT_OF_RANGE,
    "S": Quality.SENTINEL,  # put in by hand: a number, but not measured
    "F": Quality.FAULT,
    "D": Quality.FAULT,
    "B": Quality.FAULT,
}
"""Only N counts as measured; a factor without a flag (2005) counts as N, an unknown flag as a fault."""

_UNFIT = re.compile(r"[^a-z0-9_.]")


def readings_of(frame: Frame, entry: Entry, now: int, data_time: str | None = None) -> Rows | Refusal:
    """The readings of a data frame; `data_time` stands in where a split packet has no DataTime of its own.

    A factor that the device's class does not map is kept under `hj212.<code>`; a value that is no number is
    left out. Refused as a whole: no time, a time outside the window, not one usable value.
    """
    statistic = DATA_COMMANDS[frame.cn]
    text = frame.cp.get("DataTime") or data_time or ""
    moment = field_time(text)
    if moment is None:
        return Refusal("reading_time", frame.raw, {"field": "DataTime", "value": text})
    time = int(moment.timestamp() * 1000)
    if not now - OLDEST_MS <= time <= now + NEWEST_MS:
        return Refusal("reading_time_window", frame.raw, {"field": "DataTime", "value": text})
    rows = Rows()
    names, kind = entry.kind.hj212, entry.kind
    for code, parts in frame.factors.items():
        value = _number(parts.get(statistic.part))
        if value is None:
            continue
        metric = names.get(code)
        quality = QUALITY.get(parts.get("Flag") or "N", Quality.FAULT)
        if metric is None:
            metric = "hj212." + _UNFIT.sub("_", code.lower())[:50]
            if statistic.part == "RS":
                metric += "_rs"
        elif quality is Quality.GOOD and not kind.metrics[metric].low <= value <= kind.metrics[metric].high:
            quality = Quality.OUT_OF_RANGE
        if quality is Quality.GOOD and time < now - statistic.period_ms - LATE_MS:
            quality = Quality.LATE
        rows.metric.append(metric + statistic.suffix)
        rows.value.append(value)
        rows.quality.append(quality.value)
    count = len(rows.metric)
    if count == 0 and frame.factors:
        return Refusal("reading_value", frame.raw, {"field": "CP", "value": statistic.part})
    rows.device = [entry.id] * count
    rows.time = [time] * count
    rows.received_at = [now] * count
    return rows


def _number(text: str | None) -> float | None:
    if not text or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None
