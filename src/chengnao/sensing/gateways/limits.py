"""How much one device may send: a bucket that fills by `rate` readings a second, up to `burst`."""

import time

import numpy as np
import numpy.typing as npt

RATE = 100.0
BURST = 20_000.0  # a station that was cut off for a day may send what it has kept


class DeviceLimiter:
    """Buckets of all devices, by their index in the registry cache. Real time: a flood is real load."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self.rate = rate
        self.burst = burst
        self.refused = 0
        self._level: npt.NDArray[np.float64] = np.zeros(0)
        self._at: npt.NDArray[np.float64] = np.zeros(0)

    def take(self, index: int, count: int) -> bool:
        """Take `count` readings of one device, all or none."""
        self._grow(index + 1)
        now = time.monotonic()
        level = min(self.burst, self._level[index] + (now - self._at[index]) * self.rate)
        taken = bool(level >= count)
        self._level[index] = level - count if taken else level
        self._at[index] = now
        self.refused += 0 if taken else count
        return taken

    def take_many(self, index: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Take up to `counts` readings of each of several different devices; how many each may send."""
        if len(index) == 0:
            return counts
        self._grow(int(index.max()) + 1)
        now = time.monotonic()
        level = np.minimum(self.burst, self._level[index] + (now - self._at[index]) * self.rate)
        allowed = np.minimum(counts, np.floor(level)).astype(np.int64)
        self._level[index] = level - allowed
        self._at[index] = now
        self.refused += int(counts.sum() - allowed.sum())
        return allowed

    def _grow(self, size: int) -> None:
        old = len(self._level)
        if size > old:
            size = max(size, old * 2, 1024)
            self._level = np.concatenate([self._level, np.full(size - old, self.burst)])
            self._at = np.concatenate([self._at, np.full(size - old, time.monotonic())])
