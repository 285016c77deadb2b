"""From evidence to a probability and its reasons."""

from collections.abc import Sequence
from math import log, nan

import numpy as np

from chengnao.incident.merging.features import Evidence, Floats, Indices
from chengnao.incident.merging.model import Matter, Ramp, Score, Weights, default_weights
from chengnao.incident.merging.reasons import reasons_for

_CHUNK = 500_000


def score(one: Matter, other: Matter, weights: Weights | None = None) -> Score:
    """How probable it is that both are about one matter; the same whichever comes first."""
    found = score_against(one, [other], weights)[0]
    assert found is not None
    return found


def score_against(
    one: Matter, others: Sequence[Matter], weights: Weights | None = None, floor: float = 0.0
) -> list[Score | None]:
    """The scores of one matter with each of the others; None for those below `floor`."""
    evidence = Evidence([one, *others])
    i = np.zeros(len(others), dtype=np.int64)
    j = np.arange(1, len(others) + 1)
    found = probabilities(evidence, i, j, weights or default_weights(), floor)
    return [
        Score(float(found[at]), reasons_for(evidence, 0, at + 1)) if floor <= 0 or found[at] > 0 else None
        for at in range(len(others))
    ]


def probabilities(evidence: Evidence, i: Indices, j: Indices, weights: Weights, floor: float = 0.0) -> Floats:
    """The probability of each pair; 0 for what cannot reach `floor`, which saves reading its texts."""
    result = np.zeros(len(i))
    bar = -np.inf if floor <= 0 else log(floor / (1 - floor))
    for start in range(0, len(i), _CHUNK):
        part = slice(start, start + _CHUNK)
        result[part] = _chunk(evidence, i[part], j[part], weights, bar)
    return result


def _chunk(evidence: Evidence, i: Indices, j: Indices, weights: Weights, bar: float) -> Floats:
    result = np.zeros(len(i))
    odds = np.full(len(i), weights.bias)
    for name, there in evidence.flags(i, j).items():
        odds += weights.flags[name] * there
    odds += _added(weights.ramps["distance"], evidence.metres(i, j), logarithmic=True)
    odds += _added(weights.ramps["time"], evidence.hours(i, j), logarithmic=True)
    to_come = weights.most("meaning") + weights.most("unrelated")
    live = np.flatnonzero(odds + weights.most("words") + to_come >= bar)
    odds = odds[live] + _added(weights.ramps["words"], evidence.words(i[live], j[live]))
    still = odds + to_come >= bar
    live, odds = live[still], odds[still]
    meaning = evidence.meaning(i[live], j[live])
    odds = odds + _added(weights.ramps["meaning"], meaning)
    odds += _added(weights.ramps["unrelated"], np.where(evidence.unrelated(i[live], j[live]), meaning, nan))
    enough = odds >= bar
    result[live[enough]] = 1 / (1 + np.exp(-np.clip(odds[enough], -30, 30)))
    return result


def ramp_column(ramp: Ramp, values: Floats, *, logarithmic: bool = False) -> Floats:
    """How much of the ramp's evidence each value is, 0 to 1; 0 where the value is not known."""
    full, none = ramp.full, ramp.none
    if logarithmic:
        values, full, none = np.log(np.maximum(values, 1e-6)), log(full), log(none)
    return np.nan_to_num(np.clip((none - values) / (none - full), 0, 1))


def _added(ramps: Sequence[Ramp], values: Floats, *, logarithmic: bool = False) -> Floats:
    total = np.zeros(len(values))
    for ramp in ramps:
        if ramp.weight:
            total += ramp.weight * ramp_column(ramp, values, logarithmic=logarithmic)
    return total
