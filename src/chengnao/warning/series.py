"""Which number a (device, metric) has, so that whole batches are handled as arrays.

A device class lays out its metrics side by side; a device takes as many numbers as its class has metrics. A
million devices cost one dictionary and two small arrays.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """The rows of one batch that belong to known series, ordered by series, then time, then arrival."""

    series: Ints
    device: Ints
    time: Ints
    received: Ints
    value: Floats
    good: Bools
    unknown_devices: bool
    """Whether the batch spoke of a device that the index does not know."""


class SeriesIndex:
    """Numbers for the series of a fixed set of devices."""

    def __init__(self, devices: Iterable[tuple[str, str]], metrics: Mapping[str, Sequence[str]]) -> None:
        """`devices`: (id, class); `metrics`: the metrics of each class, in any fixed order."""
        self.classes = {code: number for number, code in enumerate(metrics)}
        names = sorted({name for several in metrics.values() for name in several})
        self.metrics = {name: number for number, name in enumerate(names)}
        self._layout: Ints = np.full((len(self.classes) + 1, len(names) + 1), -1, np.int64)
        for code, several in metrics.items():
            for position, name in enumerate(several):
                self._layout[self.classes[code], self.metrics[name]] = position
        known = [(device, code) for device, code in devices if code in self.classes]
        self.ids = [device for device, _ in known]
        self.devices = {device: number for number, device in enumerate(self.ids)}
        self.class_of: Ints = np.fromiter((self.classes[code] for _, code in known), np.int64, len(known))
        width = np.array([len(several) for several in metrics.values()], np.int64)
        ends = np.cumsum(width[self.class_of]) if known else np.zeros(0, np.int64)
        self.size = int(ends[-1]) if known else 0
        self._base: Ints = np.concatenate([ends - width[self.class_of], [0]]) if known else np.zeros(1, np.int64)
        self._metric_names = {
            (self.classes[code], position): name
            for code, several in metrics.items()
            for position, name in enumerate(several)
        }

    def find(self, device: str, metric: str) -> int | None:
        """The number of one series, or None where it has none."""
        row, column = self.devices.get(device), self.metrics.get(metric)
        if row is None or column is None:
            return None
        position = int(self._layout[self.class_of[row], column])
        return None if position < 0 else int(self._base[row]) + position

    def of_class(self, code: str, metric: str) -> tuple[Ints, Ints]:
        """Device numbers and series numbers of one metric of a whole class."""
        column = self.metrics.get(metric)
        if code not in self.classes or column is None or (position := self._layout[self.classes[code], column]) < 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        rows: Ints = np.flatnonzero(self.class_of == self.classes[code])
        return rows, self._base[rows] + position

    def name(self, series: int) -> tuple[str, str]:
        """The device and the metric of a series."""
        row = int(np.searchsorted(self._base[:-1], series, side="right")) - 1
        position = series - int(self._base[row])
        return self.ids[row], self._metric_names[int(self.class_of[row]), position]

    def carry(self, old: "SeriesIndex", column: npt.NDArray[Any], into: npt.NDArray[Any]) -> None:
        """Copy what was known per series under `old` to the same series here."""
        for code in self.classes:
            for metric in self.metrics:
                rows, series = self.of_class(code, metric)
                if len(rows) == 0 or metric not in old.metrics:
                    continue
                before = np.fromiter((old.devices.get(self.ids[row], -1) for row in rows), np.int64, len(rows))
                position = old._layout[old.class_of[before], old.metrics[metric]] if len(old.ids) else before
                same = (before >= 0) & (position >= 0)
                into[series[same]] = column[old._base[before[same]] + position[same]]

    def read(self, table: pa.Table) -> Rows:
        """The rows of a batch of readings whose series are known."""
        row, unknown = _numbers(table.column("device"), self.devices)
        metric, _ = _numbers(table.column("metric"), self.metrics)
        if len(self.ids) == 0:
            keep = np.zeros(len(row), np.bool_)
            position = row
        else:
            position = self._layout[self.class_of[row], metric]
            keep = (row >= 0) & (metric >= 0) & (position >= 0)
        series = (self._base[row] + position)[keep]
        time = _integers(table.column("time"))[keep]
        order = np.lexsort((time, series))
        return Rows(
            series=series[order],
            device=row[keep][order],
            time=time[order],
            received=_integers(table.column("received_at"))[keep][order],
            value=table.column("value").to_numpy()[keep][order],
            good=np.asarray(pc.equal(table.column("quality"), "good"))[keep][order],
            unknown_devices=unknown,
        )


def _numbers(column: pa.ChunkedArray, known: Mapping[str, int]) -> tuple[Ints, bool]:
    encoded = column.combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    lookup = np.fromiter((known.get(name, -1) for name in names), np.int64, len(names))
    numbers: Ints = lookup[encoded.indices.to_numpy()] if len(names) else np.zeros(0, np.int64)
    return numbers, bool((lookup < 0).any())


def _integers(column: pa.ChunkedArray) -> Ints:
    numbers: Ints = column.cast(pa.int64()).to_numpy()
    return numbers
