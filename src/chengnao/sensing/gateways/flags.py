"""Flags that follow from what is known of a device and its values: sentinel, stuck, calibrating, duplicate.

Late and out of range are told where times and ranges are compared: `intake.py` for batches, `measuring.py` for frames.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from chengnao.sensing.gateways.registry import Entry
from chengnao.sensing.readings.model import READING_SCHEMA, Quality

SENTINELS: frozenset[float] = frozenset(
    sign * value
    for value in (
        *(99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0, 99.9, 999.9, 9999.9, 99.99, 999.99, 9999.99),
        *(127.0, 128.0, 255.0, 32767.0, 32768.0, 65535.0, 2147483647.0, 2147483648.0, 4294967295.0),
        *(6553.5, 655.35, 3276.7, 3276.8, 327.67, 327.68),
        *(7777.0, 8888.0, 88888.0, 77777.0),
    )
    for sign in (1.0, -1.0)
)
"""What loggers write where they have no value: rows of nines, and the ends of their integers, plain and in tenths and
hundredths. One is taken as such only where it lies outside the metric's range."""

_SENTINELS = np.array(sorted(SENTINELS))
_OF_THE_VALUE = frozenset({Quality.GOOD, Quality.LATE, Quality.OUT_OF_RANGE})


def are_sentinels(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which of these values, all outside their ranges, stand for no value at all."""
    return np.isin(values, _SENTINELS)


def flagged(quality: Quality, metric: str, value: float, raw: float, entry: Entry) -> Quality:
    """The quality of one value of the device, `raw` before it was converted. What the device itself tells stands."""
    if quality not in _OF_THE_VALUE:
        return quality
    if quality is Quality.OUT_OF_RANGE and (value in SENTINELS or raw in SENTINELS):
        return Quality.SENTINEL
    if not entry.on_duty:
        return Quality.CALIBRATING
    if quality is Quality.GOOD and entry.stuck.get(metric) == value:
        return Quality.STUCK
    return quality


class Recent:
    """What was taken in lately, to tell a second, different value of the same moment from the first.

    A table of fixed size: a newer reading takes the place of an older one, so that a second value that comes long
    after the first, or by another process, is not told.
    """

    def __init__(self, slots: int = 2**21) -> None:
        self._key: npt.NDArray[np.uint64] = np.zeros(slots, np.uint64)
        self._value: npt.NDArray[np.float64] = np.zeros(slots)

    def marked(self, table: pa.Table) -> pa.Table:
        """The table, with the quality `duplicate` on good values that differ from what was there at their moment."""
        key, value = _keys(table), table.column("value").to_numpy()
        slot = key % np.uint64(len(self._key))
        again = (self._key[slot] == key) & (self._value[slot] != value)
        order = np.argsort(key, kind="stable")
        same = key[order][1:] == key[order][:-1]
        if same.any():
            again[order[1:][same & (value[order][1:] != value[order][:-1])]] = True
        self._key[slot], self._value[slot] = key, value
        if not again.any():
            return table
        quality = table.column("quality")
        marked = pc.and_(pa.array(again), pc.equal(quality, Quality.GOOD.value).combine_chunks())
        changed = pc.if_else(marked, Quality.DUPLICATE.value, quality.combine_chunks())
        place = READING_SCHEMA.get_field_index("quality")
        return table.set_column(place, READING_SCHEMA.field("quality"), changed)


def _keys(table: pa.Table) -> npt.NDArray[np.uint64]:
    """A number for each (device, metric, time)."""
    time = table.column("time").cast(pa.int64()).to_numpy().astype(np.uint64)
    mixed = time * np.uint64(0x9E3779B97F4A7C15)
    for name, odd in (("device", 0xC2B2AE3D27D4EB4F), ("metric", 0x165667B19E3779F9)):
        encoded = table.column(name).combine_chunks().dictionary_encode()
        names = encoded.dictionary.to_pylist()
        hashes = np.fromiter(map(hash, names), np.int64, len(names)).astype(np.uint64)
        mixed = (mixed ^ hashes[encoded.indices.to_numpy()]) * np.uint64(odd)
        mixed ^= mixed >> np.uint64(29)
    keys: npt.NDArray[np.uint64] = mixed | np.uint64(1)
    return keys
