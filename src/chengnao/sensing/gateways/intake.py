"""What every gateway does with readings: check them, take the good ones onto the log, hold the others back."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from chengnao.kernel.access.model import Scope
from chengnao.kernel.clock import Clock
from chengnao.sensing.devices.model import METRIC_SHAPE, Life, Protocol
from chengnao.sensing.gateways.batching import Committer
from chengnao.sensing.gateways.bodies import Body, Refused, shown_row
from chengnao.sensing.gateways.desk import Desk
from chengnao.sensing.gateways.flags import are_sentinels
from chengnao.sensing.gateways.limits import DeviceLimiter
from chengnao.sensing.gateways.registry import Entry, Feed, RegistryCache, may_write
from chengnao.sensing.protocols.shape import Picture, Receipt
from chengnao.sensing.quarantine.model import Form
from chengnao.sensing.readings.model import READING_SCHEMA, Quality

OLDEST_MS = 31 * 86_400_000
NEWEST_MS = 600_000
"""A clock that runs ahead would make its next true readings look old, and those of a real warning pass unseen."""
LATE_MS = 3_600_000
STEP = 500
"""So many refused rows are dealt with before others have their turn."""

_METRIC = re.compile(METRIC_SHAPE)
_GOOD, _OUTSIDE, _LATE, _SENTINEL, _STUCK, _CALIBRATING = range(6)
_QUALITIES = pa.array(
    [
        each.value
        for each in (
            Quality.GOOD,
            Quality.OUT_OF_RANGE,
            Quality.LATE,
            Quality.SENTINEL,
            Quality.STUCK,
            Quality.CALIBRATING,
        )
    ]
)
_OK, _UNKNOWN, _NOT_YOURS, _METRIC_SHAPE, _VALUE, _TIME, _LIMITED, _RETIRED = range(8)
_CODES = (
    "",
    "unknown_device",
    "device_not_yours",
    "reading_metric",
    "reading_value",
    "reading_time_window",
    "rate_limited",
    "device_retired",
)
_FIELDS = ("", "device", "device", "metric", "value", "time", "device", "device")

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Verdict(NamedTuple):
    """Why each row may not pass (0 where it may), which rows say the same again, and the quality of each."""

    reason: npt.NDArray[np.uint8]
    repeated: Bools
    quality: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Outcome:
    """`accepted` readings are on the log's disk; the others are told one by one."""

    accepted: int
    refused: list[Refused]

    @property
    def all_limited(self) -> bool:
        return self.accepted == 0 and bool(self.refused) and all(each.code == "rate_limited" for each in self.refused)


def _nobody_waits(device_id: str, receipt: Receipt) -> None:
    """Answers to commands that nobody gave from here."""


def _not_kept(device_id: str, picture: Picture) -> None:
    """Pictures where there is no place for them."""


class Intake:
    """Shared by the gateways of one process."""

    def __init__(
        self,
        cache: RegistryCache,
        feed: Feed,
        limiter: DeviceLimiter,
        committer: Committer,
        desk: Desk,
        clock: Clock,
        receipts: Callable[[str, Receipt], None] = _nobody_waits,
        pictures: Callable[[str, Picture], None] = _not_kept,
    ) -> None:
        self.cache = cache
        self.feed = feed
        self.limiter = limiter
        self.committer = committer
        self.desk = desk
        self.clock = clock
        self.receipts = receipts
        """Told of each device's answer to a command, by the device's id."""
        self.pictures = pictures
        """Keeps what a device's camera took, by the device's id; done when it returns."""

    async def offer(self, body: Body, scope: Scope, source: Protocol, peer: str, *, only: str | None = None) -> Outcome:
        """Take in what may pass and return once it is on disk; `only`: the sender is this device and no other.

        Raises Unavailable where the log does not take it, or where it names a device that is not known here and the
        database is away: the sender tries again, and nothing is refused that may be right.
        """
        if not self._all_known(body.table):
            await self.feed.refresh()
        accepted, refused = await self.take_in(body, scope, only=only)
        for number, each in enumerate(refused):
            self._hold(each, scope, source, peer)
            if number % STEP == STEP - 1:
                await asyncio.sleep(0)
        return Outcome(accepted, refused)

    async def take_in(
        self, body: Body, scope: Scope, *, limited: bool = True, only: str | None = None
    ) -> tuple[int, list[Refused]]:
        """Like `offer`, but what may not pass is only told, not held."""
        refused = list(body.refused)
        accepted = 0
        if len(body.table):
            now = self.now_ms()
            verdict = self._judge(body.table, scope, now, limited=limited, only=only)
            passing = verdict.reason == _OK
            rejected = np.flatnonzero(~passing)
            for start in range(0, len(rejected), STEP):
                refused += _refusals(body, verdict.reason, rejected[start : start + STEP], int(self.limiter.rate))
                await asyncio.sleep(0)
            accepted = int(passing.sum())
            done = self._commit(body.table, verdict, passing & ~verdict.repeated, now)
            if done is not None:
                await asyncio.shield(done)
        return accepted, sorted(refused, key=lambda each: each.index)

    def now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    def _all_known(self, table: pa.Table) -> bool:
        return all(device in self.cache.devices for device in table.column("device").unique().to_pylist())

    def _commit(self, table: pa.Table, verdict: Verdict, keep: Bools, now: int) -> asyncio.Future[None] | None:
        quality = verdict.quality
        if not keep.all():
            table, quality = table.filter(pa.array(keep)), quality[keep]
        if len(table) == 0:
            return None
        received = pa.repeat(pa.scalar(now, pa.int64()), len(table)).cast(READING_SCHEMA.field("received_at").type)
        readings = pa.Table.from_arrays(
            [*table.columns, _QUALITIES.take(pa.array(quality)), received], schema=READING_SCHEMA
        )
        return self.committer.add_table(readings)

    def _judge(self, table: pa.Table, scope: Scope, now: int, *, limited: bool, only: str | None) -> Verdict:
        device_code, devices = _encoded(table.column("device"))
        metric_code, metrics = _encoded(table.column("metric"))
        entries = [self.cache.devices.get(device) for device in devices]
        value = table.column("value").to_numpy()
        time = table.column("time").cast(pa.int64()).to_numpy()

        shaped = np.array([_METRIC.match(metric) is not None for metric in metrics])
        reason = np.where((time < now - OLDEST_MS) | (time > now + NEWEST_MS), np.uint8(_TIME), np.uint8(_OK))
        reason[~np.isfinite(value)] = _VALUE
        reason[~shaped[metric_code]] = _METRIC_SHAPE
        standing = np.array([_standing(entry, scope, only) for entry in entries], np.uint8)[device_code]
        reason = np.where(standing != _OK, standing, reason)
        if limited:
            self._limit(reason, device_code, entries)

        low, high = self._ranges(entries, metrics)
        quality = np.where(time < now - LATE_MS, np.uint8(_LATE), np.uint8(_GOOD))
        outside = (value < low[device_code, metric_code]) | (value > high[device_code, metric_code])
        quality[outside] = np.where(are_sentinels(value[outside]), np.uint8(_SENTINEL), np.uint8(_OUTSIDE))
        _flag(quality, device_code, metric_code, value, entries, metrics)
        key = device_code.astype(np.int64) * len(metrics) + metric_code
        return Verdict(reason, _repeated(key, time, reason == _OK), quality)

    def _ranges(
        self, entries: list[Entry | None], metrics: list[str]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Valid range by device and metric of this batch."""
        unknown = len(self.cache.metrics)
        columns = [self.cache.metrics.get(metric, unknown) for metric in metrics]
        rows = [0 if entry is None else entry.class_index for entry in entries]
        picked = np.ix_(rows, columns)
        return self.cache.low[picked], self.cache.high[picked]

    def _limit(self, reason: npt.NDArray[np.uint8], device_code: Ints, entries: list[Entry | None]) -> None:
        """Mark the rows of each device beyond what its bucket holds, the last ones of the batch first."""
        passing = np.flatnonzero(reason == _OK)
        counts = np.bincount(device_code[passing], minlength=len(entries)).astype(np.int64)
        sending = np.flatnonzero(counts)
        rows = np.array([entry.index if entry else 0 for entry in entries], np.int64)[sending]
        allowed = self.limiter.take_many(rows, counts[sending])
        for device, count in zip(sending[allowed < counts[sending]], allowed[allowed < counts[sending]], strict=True):
            of_device = passing[device_code[passing] == device]
            reason[of_device[count:]] = _LIMITED

    def _hold(self, refused: Refused, scope: Scope, source: Protocol, peer: str) -> None:
        row = refused.row
        hint = str(row.get("device", ""))[:64] if isinstance(row, dict) else ""
        payload = orjson.dumps(row, default=str) if not isinstance(row, str) else row.encode("utf-8", "replace")
        self.desk.hold(source, peer, hint, refused.code, refused.params, payload, Form.ROW, scope)


def _flag(
    quality: npt.NDArray[np.uint8],
    device_code: Ints,
    metric_code: Ints,
    value: npt.NDArray[np.float64],
    entries: list[Entry | None],
    metrics: list[str],
) -> None:
    """Mark what comes from devices that are off duty, or stuck: few of a batch, mostly none."""
    for number, entry in enumerate(entries):
        if entry is None or (entry.on_duty and not entry.stuck):
            continue
        own = device_code == number
        if not entry.on_duty:
            quality[own & (quality != _SENTINEL)] = _CALIBRATING
            continue
        for place, metric in enumerate(metrics):
            if metric in entry.stuck:
                stuck = own & (metric_code == place) & (value == entry.stuck[metric])
                quality[stuck & (quality == _GOOD)] = _STUCK


def _standing(entry: Entry | None, scope: Scope, only: str | None) -> int:
    if entry is None:
        return _UNKNOWN
    if not may_write(scope, entry) or (only is not None and entry.id != only):
        return _NOT_YOURS
    return _RETIRED if entry.life is Life.RETIRED else _OK


def _encoded(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """The column as numbers into a list of its different texts."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary.to_pylist()


def _repeated(key: Ints, time: Ints, passing: Bools) -> Bools:
    """Rows that a later row of the same device, metric and time replaces."""
    repeated = np.zeros(len(key), np.bool_)
    mixed = key * np.int64(1_000_003) ^ time
    if len(np.unique(mixed)) == len(mixed):
        return repeated
    order = np.lexsort((np.arange(len(key)), ~passing, time, key))
    same = (key[order][1:] == key[order][:-1]) & (time[order][1:] == time[order][:-1])
    repeated[order[:-1][same & passing[order][1:]]] = True
    return repeated


def _refusals(body: Body, reason: npt.NDArray[np.uint8], rejected: Ints, limit: int) -> list[Refused]:
    refused = []
    for number in rejected.tolist():
        row = shown_row(body.table, number)
        why = int(reason[number])
        params: dict[str, Any] = {"field": _FIELDS[why], "value": row[_FIELDS[why]]}
        if why == _LIMITED:
            params |= {"limit": limit, "retry_after": 1}
        refused.append(Refused(int(body.index[number]), _CODES[why], params, row))
    return refused
