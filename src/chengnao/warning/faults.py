"""Devices that do not do their duty: values that never move, and silence. Pure; the clock is an argument."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from chengnao.warning.model import FaultKind, FaultStep
from chengnao.warning.series import Bools, Floats, Ints, Rows, SeriesIndex

MISSED_INTERVALS = 3
"""A device is missing once this many of its intervals have passed without a reading."""

Fault = tuple[str, str, FaultKind]


@dataclass(frozen=True)
class Duty:
    """What the classes and devices promise."""

    stuck_seconds: Mapping[tuple[str, str], float]
    """By (class, metric): how long a value may stay exactly the same; a metric that is not here may rest forever."""
    interval_seconds: Mapping[str, float]
    """By device: how often it reports."""
    off: frozenset[str] = frozenset()
    """Devices that are planned, in maintenance or retired: nothing is expected of them, and no fault stands on them."""


@dataclass(frozen=True)
class Presence:
    """Devices that are heard again, and those that no longer are."""

    came: list[str]
    went: list[str]


class FaultDetector:
    """Watches all series; `sweep` tells which faults began and ended since the last sweep."""

    def __init__(
        self, index: SeriesIndex, duty: Duty, known: Iterable[Fault], started_at: int, online: Iterable[str] = ()
    ) -> None:
        """`known`: the open faults; `started_at`: when watching began, since silence before it proves nothing;
        `online`: the devices that were heard when somebody last looked."""
        self.index = index
        self._window: Floats = np.full(index.size, np.inf)
        for (code, metric), seconds in duty.stuck_seconds.items():
            _, series = index.of_class(code, metric)
            self._window[series] = seconds * 1000
        self._value: Floats = np.full(index.size, np.nan)
        self._moved: Ints = np.zeros(index.size, np.int64)
        self._time: Ints = np.zeros(index.size, np.int64)
        intervals = (duty.interval_seconds.get(device, np.inf) for device in index.ids)
        self._patience: Floats = np.fromiter(intervals, np.float64, len(index.ids)) * 1000 * MISSED_INTERVALS
        self._seen: Ints = np.zeros(len(index.ids), np.int64)
        self._started_at = started_at
        self._online: Bools = np.zeros(len(index.ids), np.bool_)
        self._set_online(online, heard=True)
        self._off = duty.off
        self._on_duty: Bools = np.fromiter((device not in duty.off for device in index.ids), np.bool_, len(index.ids))
        self._faults = {fault for fault in known if fault[0] in index.devices}

    def remember(self, devices: Iterable[str], seen: Iterable[int]) -> None:
        """When each device was last heard before watching began; a device never heard of is not called missing."""
        for device, at in zip(devices, seen, strict=True):
            row = self.index.devices.get(device)
            if row is not None:
                self._seen[row] = max(self._seen[row], at)

    def carry_from(self, old: "FaultDetector") -> None:
        """Keep knowing what was seen under the old index."""
        for mine, theirs in ((self._value, old._value), (self._moved, old._moved), (self._time, old._time)):
            self.index.carry(old.index, theirs, mine)
        self.remember(old.index.ids, old._seen.tolist())
        self._started_at = min(self._started_at, old._started_at)
        self._set_online((old.index.ids[row] for row in np.flatnonzero(old._online).tolist()), heard=True)

    def known(self) -> frozenset[Fault]:
        """The faults that stand."""
        return frozenset(self._faults)

    def restore(self, faults: Iterable[Fault]) -> None:
        """Go back to these faults, where what a sweep told could not be kept."""
        self._faults = set(faults)

    def observe(self, rows: Rows) -> None:
        """Take in a batch, whatever the quality of its values: a bad value is a sign of life."""
        if len(rows.series) == 0:
            return
        np.maximum.at(self._seen, rows.device, rows.received)
        keep = rows.time > self._time[rows.series]
        series, time, value = rows.series[keep], rows.time[keep], rows.value[keep]
        if len(series) == 0:
            return
        first = np.ones(len(series), np.bool_)
        first[1:] = series[1:] != series[:-1]
        previous = np.empty_like(value)
        previous[1:] = value[:-1]
        previous[first] = self._value[series[first]]
        moved = value != previous
        self._moved[series[moved]] = time[moved]  # the last of several assignments stands
        last = np.ones(len(series), np.bool_)
        last[:-1] = first[1:]
        self._value[series[last]] = value[last]
        self._time[series[last]] = time[last]

    def sweep(self, now: int, *, missing: bool) -> list[FaultStep]:
        """Faults that began or ended. Silence is judged only where `missing`: not while readings still queue up."""
        steps: list[FaultStep] = []
        stuck = np.flatnonzero(self._time - self._moved >= self._window)
        current: dict[Fault, int] = {}
        values: dict[Fault, float] = {}
        for series in stuck.tolist():
            device, metric = self.index.name(series)
            if device not in self._off:
                current[device, metric, FaultKind.STUCK] = int(self._moved[series])
                values[device, metric, FaultKind.STUCK] = float(self._value[series])
        if missing:
            silent = (
                self._on_duty & (self._seen > 0) & (now - np.maximum(self._seen, self._started_at) > self._patience)
            )
            for row in np.flatnonzero(silent).tolist():
                current[self.index.ids[row], "", FaultKind.MISSING] = int(self._seen[row])
        for fault in sorted(self._faults - current.keys()):
            device, metric, kind = fault
            if device in self._off or self._over(device, metric, kind):
                steps.append(FaultStep(device, metric, kind, False, now))
                self._faults.discard(fault)
        for fault, since in current.items():
            if fault not in self._faults:
                steps.append(FaultStep(*fault, True, since, values.get(fault)))
                self._faults.add(fault)
        return steps

    def presence(self, now: int) -> Presence:
        """Which devices have come and gone since the last `settle`; silence is not judged sooner than a device's
        patience after watching began."""
        heard = (self._seen > 0) & (now - self._seen <= self._patience)
        early = now - self._started_at <= self._patience
        online = heard | (early & self._online)
        changed = np.flatnonzero(online != self._online).tolist()
        came = [self.index.ids[row] for row in changed if online[row]]
        return Presence(came, [self.index.ids[row] for row in changed if not online[row]])

    def settle(self, told: Presence) -> None:
        """What `presence` told is kept."""
        self._set_online(told.came, heard=True)
        self._set_online(told.went, heard=False)

    def _set_online(self, devices: Iterable[str], *, heard: bool) -> None:
        rows = [row for device in devices if (row := self.index.devices.get(device)) is not None]
        self._online[rows] = heard

    def _over(self, device: str, metric: str, kind: FaultKind) -> bool:
        """A known fault ends only by a sign of life after watching began."""
        if kind is FaultKind.MISSING:
            return int(self._seen[self.index.devices[device]]) >= self._started_at
        series = self.index.find(device, metric)
        return series is None or (self._time[series] > 0 and self._moved[series] >= self._started_at)
