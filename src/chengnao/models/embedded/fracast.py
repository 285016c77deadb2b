"""The network Fracast-0 (85,001 parameters, Apache-2.0), run by NumPy: a forecast of any series, with its spread.

Its makers run it by PyTorch; the weights are the same file, `model.safetensors` of the package fracast. A series is
scaled to 0..1, its periods are found in its spectrum, one block of causal convolutions goes over it ten times at
steps of 1, 2, 4 ... 512, and a head turns what it found into nine quantiles of the next 48 values.
"""

import json
import math
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chengnao.models.embedded.weights import weights

MODEL = "fracast-0"
CONTEXT = 2048
"""So many values of the past are seen."""
HORIZON = 48
"""So many values are forecast at a time; what is further off builds on them."""
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
LEAST = 8
"""So many known values are needed."""

_FILE = "model.safetensors"
_STAGES, _AHEAD_STAGES, _SEED = 10, 6, 128
_PERIODS, _SIGNIFICANCE, _PHASES = 4, 0.05, 16
_EPSILON = float(np.finfo(np.float32).eps)

Floats = NDArray[np.float32]
Values = NDArray[np.float64]
Tensors = Mapping[str, Floats]


def fracast(history: Values, horizon: int, home: Path) -> Values:
    """The next values as quantiles (horizon x 9), from at least 8 known ones; nan is a value that is missing.

    About 60 ms for each 48 values. Raises Unavailable where the model was not fetched
    (`chengnao models pull fracast-0`).
    """
    tensors = _tensors(weights(home, MODEL) / _FILE)
    blocks: list[Values] = []
    for _ in range(math.ceil(horizon / HORIZON)):
        blocks.append(_block(tensors, history[-CONTEXT:]))
        history = np.concatenate([history[-CONTEXT:], blocks[-1][:, len(QUANTILES) // 2]])
    return np.concatenate(blocks)[:horizon]


def read_tensors(data: bytes) -> dict[str, Floats]:
    """The arrays of a safetensors file: a header in JSON, then their content."""
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    content = memoryview(data)[8 + size :]
    return {
        name: np.frombuffer(content[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def find_periods(values: Floats) -> list[int]:
    """Periods of a series that stand out of noise, the strongest first, 0 where there are fewer than four."""
    size = 1 << math.ceil(math.log2(max(2, len(values))))
    power = np.abs(np.fft.rfft(values - values.mean(), size)[1:]) ** 2
    share = power / max(float(power.sum()), 1e-12)
    peaks = np.zeros(len(share), dtype=bool)
    peaks[1:-1] = (share[1:-1] > share[:-2]) & (share[1:-1] > share[2:])
    peaks &= share >= math.log(len(share) / _SIGNIFICANCE) / len(share)
    peaks[: max(0, size // max(2, len(values) // 2) - 1)] = False
    strongest = sorted(np.flatnonzero(peaks), key=lambda place: -share[place])[:_PERIODS]
    found = [round(size / (int(place) + 1)) for place in strongest]
    return found + [0] * (_PERIODS - len(found))


def _block(tensors: Tensors, history: Values) -> Values:
    known = np.isfinite(history)
    low = float(np.min(history[known]))
    span = max(float(np.max(history[known])) - low, 1e-5)
    values, mask = np.zeros(CONTEXT, dtype=np.float32), np.zeros(CONTEXT, dtype=bool)
    values[CONTEXT - len(history) :] = np.where(known, (np.where(known, history, low) - low) / span, 0)
    mask[CONTEXT - len(history) :] = known
    periods = find_periods(np.where(mask, values, values[mask].mean()).astype(np.float32))
    hidden = _encode(tensors, values, mask, periods)
    return _head(tensors, hidden, values, mask, periods[0]).astype(np.float64) * span + low


def _encode(tensors: Tensors, values: Floats, mask: NDArray[np.bool_], periods: list[int]) -> Floats:
    places = np.arange(CONTEXT)
    inputs = np.column_stack([values, mask, _recency(places)]).astype(np.float32)
    x = _linear(tensors, "core.in_proj", inputs) + _linear(tensors, "core.periodic.proj", _phases(places, periods))
    for stage in range(_STAGES):
        angles = stage * math.pi / 2.0 ** np.arange(4)
        scale = np.concatenate([np.sin(angles), np.cos(angles)]).astype(np.float32)
        gain, shift = np.split(_linear(tensors, "core.scale.to_gb", scale), 2)
        x = _convolve(tensors, "core.block", x * (1 + gain) + shift, 2**stage)
    return _normal(tensors, "core.norm", x)


def _head(tensors: Tensors, hidden: Floats, values: Floats, mask: NDArray[np.bool_], period: int) -> Floats:
    places = np.arange(CONTEXT, CONTEXT + HORIZON)
    recency = _recency(places)
    summary = np.concatenate([hidden.mean(axis=0), hidden[-1]])
    inputs = np.hstack([recency, np.broadcast_to(summary, (HORIZON, len(summary)))])
    x = _linear(tensors, "head.summary_proj", inputs) + tensors["head.queries"]
    x = _normal(tensors, "head.decoder_norms.0", x + _gated(tensors, "head.decoder_ffns.0", x))
    for number in range(2):
        name = f"head.fc_blocks.{number}"
        x = _normal(tensors, f"{name}.norm", x + _causal(tensors, name, x, 2**number))
    season = _fold(values, mask, places, max(1, period))
    ahead = _linear(tensors, "head.future_conv.in_proj", np.column_stack([season, recency]).astype(np.float32))
    z = np.concatenate([hidden[-_SEED:], ahead])
    for stage in range(_AHEAD_STAGES):
        z = _convolve(tensors, "head.future_conv.block", z, 2**stage)
    return _linear(tensors, "head.out_proj", x + _linear(tensors, "head.future_conv.out_proj", z[-HORIZON:]))


def _recency(places: NDArray[np.int64]) -> Floats:
    """How far a place is from now: five bounded shapes of it."""
    distance = (places - (CONTEXT - 1)) / CONTEXT
    size = np.abs(distance)
    logarithm = np.sign(distance) * np.log1p(size) / math.log(2)
    shapes = [distance, logarithm, *(np.exp(-rate * size) for rate in (0.5, 2.0, 8.0))]
    return np.column_stack(shapes).astype(np.float32)


def _phases(places: NDArray[np.int64], periods: list[int]) -> Floats:
    columns = []
    for period in periods:
        angle = 2 * math.pi * places / max(1, period)
        columns += [np.sin(angle) * (period > 0), np.cos(angle) * (period > 0)]
    return np.column_stack(columns).astype(np.float32)


def _fold(values: Floats, mask: NDArray[np.bool_], places: NDArray[np.int64], period: int) -> Floats:
    """The mean of what was at the same phase of the period."""
    phase = _phase(np.arange(len(values)), period)[mask]
    counts = np.bincount(phase, minlength=_PHASES)
    totals = np.bincount(phase, weights=values[mask], minlength=_PHASES)
    means = np.where(counts > 0, totals / np.maximum(counts, 1), values[mask].mean())
    folded: Floats = means[_phase(places, period)].astype(np.float32)
    return folded


def _phase(places: NDArray[np.int64], period: int) -> NDArray[np.int64]:
    share = (places % period).astype(np.float32) / np.float32(period)
    phase: NDArray[np.int64] = np.minimum(share * _PHASES, _PHASES - 1).astype(np.int64)
    return phase


def _convolve(tensors: Tensors, name: str, x: Floats, step: int) -> Floats:
    x = _normal(tensors, f"{name}.norm1", x + _linear(tensors, f"{name}.pw", _causal(tensors, name, x, step)))
    return _normal(tensors, f"{name}.norm2", x + _gated(tensors, f"{name}.ffn", x))


def _causal(tensors: Tensors, name: str, x: Floats, step: int) -> Floats:
    """Each value with the two that lie one and two steps before it, channel by channel."""
    taps = tensors[f"{name}.dw_weight"][:, 0]
    out = x * taps[:, 2] + tensors[f"{name}.dw_bias"]
    for back in (1, 2):
        if (shift := back * step) < len(x):
            out[shift:] += x[:-shift] * taps[:, 2 - back]
    return out


def _gated(tensors: Tensors, name: str, x: Floats) -> Floats:
    gate, value = np.split(_linear(tensors, f"{name}.up", x), 2, axis=-1)
    return _linear(tensors, f"{name}.down", gate / (1 + np.exp(-gate)) * value)


def _linear(tensors: Tensors, name: str, x: Floats) -> Floats:
    out: Floats = x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]
    return out


def _normal(tensors: Tensors, name: str, x: Floats) -> Floats:
    size = np.sqrt(np.square(x).mean(axis=-1, keepdims=True) + _EPSILON)
    out: Floats = x / size * tensors[f"{name}.weight"]
    return out


@cache
def _tensors(path: Path) -> Tensors:
    return read_tensors(path.read_bytes())
