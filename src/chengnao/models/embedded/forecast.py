"""How a series goes on: as a day or a week before, or as a small network says, whichever did best lately.

No method is best for all series, so each series chooses by its own past: the last stretches of it are forecast from
what came before them, and the method with the smallest error is taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chengnao.kernel.errors import Invalid, Unavailable
from chengnao.kernel.vocabulary import Named
from chengnao.models.embedded import fracast as network
from chengnao.models.embedded.weights import weights

ROUNDS = 4
"""So many stretches of the past are forecast to choose by."""
_LOW, _MIDDLE, _HIGH = (network.QUANTILES.index(share) for share in (0.1, 0.5, 0.9))

Values = NDArray[np.float64]


class Method(Named):
    DAY = "day", "同前一日同一时刻", "as the day before"
    WEEK = "week", "同前一周同一时刻", "as the week before"
    NETWORK = "fracast", "Fracast-0 小模型", "the small network Fracast-0"


@dataclass(frozen=True)
class Forecast:
    """What is to be expected, in the series' own unit and step."""

    method: Method
    low: tuple[float, ...]
    middle: tuple[float, ...]
    high: tuple[float, ...]
    """Four values of five should lie between low and high; see the model's card for how many did."""
    errors: dict[Method, float]
    """The mean absolute error of each method on the last stretches; empty where the history is too short to tell."""


Guess = Callable[[Values, int], Values]
"""From the past and a number of steps to low, middle and high (steps x 3)."""


def forecast(history: Sequence[float] | Values, horizon: int, step: timedelta, home: Path) -> Forecast:
    """The next `horizon` values of a series with a value each `step`; nan stands for a value that is missing.

    The network is among the methods where `chengnao models pull fracast-0` has fetched it. Raises Invalid where the
    history is shorter than a day, or the step does not divide a day.
    """
    values = np.asarray(history, dtype=np.float64)
    day = round(timedelta(days=1) / step)
    if day < 1 or timedelta(days=1) % step:
        raise Invalid("forecast_step", field="step", value=str(step))
    if np.isfinite(values).sum() < max(day, network.LEAST):
        raise Invalid("forecast_too_short", field="history", known=int(np.isfinite(values).sum()), needed=day)
    methods = methods_for(values, day, home)
    errors = backtest(values, horizon, methods)
    best = min(errors, key=lambda method: errors[method]) if errors else next(iter(methods))
    low, middle, high = methods[best](values, horizon).T.tolist()
    return Forecast(best, tuple(low), tuple(middle), tuple(high), errors)


def methods_for(values: Values, day: int, home: Path) -> dict[Method, Guess]:
    """The methods that the length of the history and what is installed allow; `day` counts steps."""
    found: dict[Method, Guess] = {Method.DAY: seasonal(day)}
    if len(values) >= 14 * day:  # so that the week before is there for each stretch that is forecast to choose by
        found[Method.WEEK] = seasonal(7 * day)
    try:
        weights(home, network.MODEL)
    except Unavailable:
        return found
    return found | {Method.NETWORK: _by_network(home)}


def backtest(values: Values, horizon: int, methods: dict[Method, Guess], rounds: int = ROUNDS) -> dict[Method, float]:
    """The mean absolute error of each method over the last stretches, each forecast from what came before it.

    Stretches that begin in the first half of the past do not count; empty where none is left.
    """
    errors: dict[Method, list[float]] = {method: [] for method in methods}
    for back in range(rounds, 0, -1):
        end = len(values) - back * horizon
        if end < len(values) // 2:
            continue
        past, truth = values[:end], values[end : end + horizon]
        known = np.isfinite(truth)
        if not known.any():
            continue
        for method, guess in methods.items():
            errors[method].append(float(np.abs(guess(past, horizon)[known, 1] - truth[known]).mean()))
    return {method: float(np.mean(found)) for method, found in errors.items() if found}


def seasonal(period: int) -> Guess:
    """As one period before; the spread is that of the differences between one period and the next in the past."""

    def guess(past: Values, horizon: int) -> Values:
        filled = _filled(past, period)
        middle = filled[-period:][np.arange(horizon) % period]
        changes = (past[period:] - past[:-period])[-8 * period :]
        changes = changes[np.isfinite(changes)]
        low, high = np.quantile(changes, (0.1, 0.9)) if len(changes) else (0.0, 0.0)
        return np.column_stack([middle + min(low, 0.0), middle, middle + max(high, 0.0)])

    return guess


def _filled(past: Values, period: int) -> Values:
    """The last period, a missing value taken from a period before, at last from the mean of what is known."""
    last = np.full(period, np.nan)
    for end in range(len(past), 0, -period):
        piece = past[max(0, end - period) : end]
        place = last[period - len(piece) :]
        place[np.isnan(place)] = piece[np.isnan(place)]
        if np.isfinite(last).all():
            break
    last[np.isnan(last)] = np.nanmean(past)
    return last


def _by_network(home: Path) -> Guess:
    def guess(past: Values, horizon: int) -> Values:
        return network.fracast(past, horizon, home)[:, [_LOW, _MIDDLE, _HIGH]]

    return guess
