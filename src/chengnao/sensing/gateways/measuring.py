"""From what a device reports to readings: under which metric, in which unit, with which quality."""

import re
from datetime import datetime

from chengnao.sensing.devices.model import Life
from chengnao.sensing.gateways.batching import Rows
from chengnao.sensing.gateways.flags import flagged
from chengnao.sensing.gateways.intake import LATE_MS, NEWEST_MS, OLDEST_MS
from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.protocols.shape import Refusal, Report
from chengnao.sensing.readings.model import Quality

_UNFIT = re.compile(r"[^a-z0-9_.]")


def rows_of(report: Report, entry: Entry, now: int) -> Rows | Refusal:
    """The readings of a report; `now` in milliseconds.

    A point that neither the device nor its class maps is kept under `<protocol>.<point>`, or left out where it is
    personal. Refused as a whole: what a retired device sends, and a time outside the window, the report's own or that
    of one of its values.
    """
    if entry.life is Life.RETIRED:
        return Refusal("device_retired", report.raw, {"field": "address", "value": entry.address})
    times = [report.time] if report.time is not None else []
    for moment in (*times, *(each.time for each in report.values if each.time is not None)):
        if not now - OLDEST_MS <= _milliseconds(moment) <= now + NEWEST_MS:
            return Refusal("reading_time_window", report.raw, {"field": "time", "value": moment.isoformat()})
    common = now if report.time is None else _milliseconds(report.time)
    late_before = now - report.period_ms - LATE_MS
    points, metrics = entry.points, entry.kind.metrics
    rows = Rows()
    for point, value, quality, suffix, own in report.values:
        time = common if own is None else _milliseconds(own)
        late = time < late_before
        mapped, raw = points.get(point), value
        if mapped is None:
            if point in report.personal:
                continue
            metric = f"{entry.protocol}.{_UNFIT.sub('_', point.lower())[:50]}"
        else:
            metric = mapped.metric
            value = value * mapped.factor + mapped.offset  # noqa: PLW2901
            known = metrics.get(metric)
            if quality is Quality.GOOD and known is not None and not known.low <= value <= known.high:
                quality = Quality.OUT_OF_RANGE  # noqa: PLW2901
        rows.metric.append(metric + suffix)
        rows.value.append(value)
        rows.time.append(time)
        quality = Quality.LATE if late and quality is Quality.GOOD else quality  # noqa: PLW2901
        rows.quality.append(flagged(quality, metric, value, raw, entry).value)
    count = len(rows.metric)
    rows.device = [entry.id] * count
    rows.received_at = [now] * count
    return rows


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
