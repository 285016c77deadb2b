"""The newest reading of every series in memory: the map of a city asks for thousands of them many times a second.

The table is filled from the store once and follows the log from there on, so that it is ahead of the store and never
behind what it once knew. Where it cannot follow, or is not filled yet, the store answers in its place.
"""

import asyncio
import logging
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from chengnao.kernel.bus import Bus
from chengnao.kernel.errors import Unavailable
from chengnao.sensing.readings.model import Quality, UnreadableBatchError, decode
from chengnao.sensing.readings.store import ReadingsStore

log = logging.getLogger(__name__)

_QUALITIES = [quality.value for quality in Quality]
_QUALITY_NUMBER = {value: number for number, value in enumerate(_QUALITIES)}
_NONE = -1
_ROOM = 1024
_SECONDS_BETWEEN_LOOKS = 5.0
_MOST_HELD = 2_000
"""Messages kept while the store is being read; a start that takes longer begins again."""


class Newest(NamedTuple):
    """The newest reading of one metric of a device."""

    metric: str
    time: datetime
    value: float
    quality: str


class LatestTable:
    """About 150 bytes a series, in columns; the series of one device are linked to one another."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}
        self._following = array("i")
        self._metric_of = array("h")
        self._metrics: list[str] = []
        self._metric_number: dict[str, int] = {}
        self._time = np.zeros(_ROOM, np.int64)
        self._received = np.zeros(_ROOM, np.int64)
        self._value = np.zeros(_ROOM, np.float64)
        self._quality = np.zeros(_ROOM, np.uint8)

    def __len__(self) -> int:
        return len(self._following)

    def put(self, table: pa.Table) -> None:
        """Take up readings (READING_SCHEMA): the newest by its own time stands, at the same time the last received."""
        metrics = table.column("metric").combine_chunks().dictionary_encode()
        numbers = [self._number_of(name) for name in metrics.dictionary.to_pylist()]
        wanted = [numbers[index] for index in metrics.indices.to_pylist()]
        series = self._series(table.column("device").to_pylist(), wanted)
        time = table.column("time").cast(pa.int64()).to_numpy()
        received = table.column("received_at").cast(pa.int64()).to_numpy()
        qualities = table.column("quality").combine_chunks().dictionary_encode()
        known = np.array([_QUALITY_NUMBER.get(name, 0) for name in qualities.dictionary.to_pylist()], np.uint8)
        quality = known[qualities.indices.to_numpy()]
        value = table.column("value").to_numpy()
        order = np.lexsort((received, time))
        at = series[order]
        newer = (time[order] > self._time[at]) | (
            (time[order] == self._time[at]) & (received[order] >= self._received[at])
        )
        order, at = order[newer], at[newer]  # of a series that is there twice the later one is written last
        self._time[at], self._received[at] = time[order], received[order]
        self._value[at], self._quality[at] = value[order], quality[order]

    def of(self, devices: Sequence[str], metric: str = "") -> dict[str, list[Newest]]:
        """The newest reading of each metric, or of one, by device; one never heard of is left out."""
        owners, series = [], []
        for device in devices:
            at = self._first.get(device, _NONE)
            while at != _NONE:
                if not metric or self._metrics[self._metric_of[at]] == metric:
                    owners.append(device)
                    series.append(at)
                at = self._following[at]
        rows = np.array(series, np.int64)
        columns = (self._time[rows] / 1000).tolist(), self._value[rows].tolist(), self._quality[rows].tolist()
        found: dict[str, list[Newest]] = {}
        for device, at, time, value, quality in zip(owners, series, *columns, strict=True):
            moment = datetime.fromtimestamp(time, UTC)
            each = Newest(self._metrics[self._metric_of[at]], moment, value, _QUALITIES[quality])
            found.setdefault(device, []).append(each)
        return found

    def _number_of(self, metric: str) -> int:
        number = self._metric_number.get(metric)
        if number is None:
            number = self._metric_number[metric] = len(self._metrics)
            self._metrics.append(metric)
        return number

    def _series(self, devices: Sequence[str], metrics: Sequence[int]) -> npt.NDArray[np.int64]:
        first, following, metric_of = self._first, self._following, self._metric_of
        series = np.empty(len(devices), np.int64)
        for row, (device, metric) in enumerate(zip(devices, metrics, strict=True)):
            start = at = first.get(device, _NONE)
            while at != _NONE and metric_of[at] != metric:
                at = following[at]
            if at == _NONE:
                at = len(following)
                following.append(start)
                metric_of.append(metric)
                first[device] = at
            series[row] = at
        if len(following) > len(self._time):
            self._grow(len(following))
        return series

    def _grow(self, least: int) -> None:
        room = max(least, len(self._time) * 3 // 2)
        for name in ("_time", "_received", "_value", "_quality"):
            before = getattr(self, name)
            after = np.zeros(room, before.dtype)
            after[: len(before)] = before
            setattr(self, name, after)


class LatestValues:
    """The newest readings: out of memory where they are there, else out of the store."""

    def __init__(self, store: ReadingsStore) -> None:
        self._store = store
        self._table = LatestTable()
        self._held: list[pa.Table] | None = []
        self._sequence = 0
        self._gap = asyncio.Event()
        self.ready = False

    async def of(self, devices: Sequence[str], metric: str = "") -> Mapping[str, list[Newest]]:
        """By device; one never heard of is left out. Raises Unavailable where only the store knows and is away."""
        if self.ready:
            return self._table.of(devices, metric)
        newest: dict[str, list[Newest]] = {}
        for row in (await self._store.latest(list(devices))).to_pylist():
            if not metric or row["metric"] == metric:
                each = Newest(row["metric"], row["time"], row["value"], row["quality"])
                newest.setdefault(row["device"], []).append(each)
        return newest

    async def run(self, bus: Bus) -> None:
        """Follow the log until cancelled; log and store may come and go."""
        while True:
            try:
                await self._follow(bus)
            except (Unavailable, NatsError, OSError) as error:
                log.warning("latest values are read from the store: %s", error)
            self.ready = False
            await asyncio.sleep(1.0)

    async def _follow(self, bus: Bus) -> None:
        """Until what was heard has a gap."""
        self._held, self._sequence = [], 0
        self._gap.clear()
        tail = await bus.tail_readings(self._hear)
        try:
            await self._fill()
            self.ready = True
            while not self._gap.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._gap.wait(), _SECONDS_BETWEEN_LOOKS)
                await tail.consumer_info()  # raises where the log has forgotten us
        finally:
            with suppress(NatsError, OSError):
                await tail.unsubscribe()

    async def _fill(self) -> None:
        """Newer wins, so what the store gives and what came meanwhile may be taken up in any order."""
        table = await self._store.latest_all()
        for start in range(0, len(table), 20_000):
            self._table.put(table.slice(start, 20_000))
            await asyncio.sleep(0)
        held, self._held = self._held or [], None
        for each in held:
            self._table.put(each)
            await asyncio.sleep(0)

    async def _hear(self, message: Msg) -> None:
        sequence = message.metadata.sequence.stream
        if self._sequence and sequence != self._sequence + 1:
            self._gap.set()
        self._sequence = sequence
        try:
            table = decode(message.data)
        except UnreadableBatchError:
            return  # the writer keeps it
        if self._held is None:
            self._table.put(table)
        elif len(self._held) < _MOST_HELD:
            self._held.append(table)
        else:
            self._gap.set()
