"""Hourly series forecast by gradient boosting over lags and the calendar, beside the same hour of earlier days.

All series share one model: each is divided by its own mean size, so that a large one does not drown the small ones.
Every lag is at least as old as the horizon is long, so the forecast of an hour never leans on one that was forecast.
"""

import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import skops.io  # type: ignore[import-untyped]
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from chengnao.kernel.calendar import WorkingCalendar
from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.kernel.files import write_atomically
from chengnao.models.training.recipe import Outcome, Row, Work
from chengnao.models.training.recipes.series import WARM_UP, WEEK, SeriesConfig

TRUSTED = frozenset({"sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"})
"""Types beyond skops' own list that a forecaster's file may hold; a file with any other is refused."""
FILE = "forecaster.skops"
QUANTILES = (0.1, 0.5, 0.9)
_FORMAT = "chengnao-forecaster-1"
_LONGEST_GAP = 3
"""Hours that are filled in by the last value; a series with longer gaps is used from after the last of them."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    name: str
    start: datetime
    """The hour of the first value."""
    values: Floats
    """One for each hour."""

    def until(self, hours: int) -> "Series":
        return Series(self.name, self.start, self.values[:hours])


@dataclass(frozen=True)
class Forecast:
    low: Floats
    middle: Floats
    high: Floats
    """Between low and high lie eight of ten values, as far as the past goes on."""


@dataclass(frozen=True)
class Forecaster:
    """Forecasts any hourly series that is like those it was trained on."""

    models: Sequence[HistGradientBoostingRegressor]
    horizon: int
    non_negative: bool

    def forecast(self, series: Series) -> Forecast:
        """The hours after the series' end; raises Invalid where it is shorter than two weeks."""
        if len(series.values) < WARM_UP:
            raise Invalid("training_data_few", field="series", rows=len(series.values), least=WARM_UP)
        size = _size(series.values)
        rows = _features(series, np.arange(len(series.values), len(series.values) + self.horizon), self.horizon, size)
        found = np.sort(np.stack([model.predict(rows) for model in self.models]), axis=0) * size
        if self.non_negative:
            found = np.maximum(found, 0.0)
        return Forecast(*found)

    def save(self, path: Path) -> None:
        content = {
            "format": _FORMAT,
            "models": list(self.models),
            "horizon": self.horizon,
            "non_negative": self.non_negative,
        }
        write_atomically(path, skops.io.dumps(content, compression=zipfile.ZIP_DEFLATED), mode=0o644)

    @classmethod
    def load(cls, path: Path) -> "Forecaster":
        """The forecaster in the file; raises Invalid for one that holds anything but its parts."""
        foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED)
        content = None if foreign else skops.io.load(path, trusted=sorted(TRUSTED))
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise Invalid("forecaster_file_invalid", field="file", file=path.name, types=", ".join(foreign))
        return cls(content["models"], content["horizon"], content["non_negative"])


def hourly(rows: Sequence[Row]) -> tuple[list[Series], list[tuple[str, str]]]:
    """One series for each name, with the mean of each hour; short gaps are filled in, and notes tell of long ones."""
    found: defaultdict[str, defaultdict[datetime, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        at = datetime.fromisoformat(row["at"]).astimezone(CST).replace(minute=0, second=0, microsecond=0)
        found[row.get("series", "")][at].append(row["value"])
    series, notes = [], []
    for name, hours in sorted(found.items()):
        one, dropped = _one_series(name, {at: float(np.mean(values)) for at, values in hours.items()})
        series.append(one)
        if dropped:
            note = f"序列“{name}”有长于 {_LONGEST_GAP} 小时的缺口，只用了最后一个缺口之后的 {len(one.values)} 小时。"
            note_en = (
                f"Series '{name}' has gaps of over {_LONGEST_GAP} h; only the {len(one.values)} h after them count."
            )
            notes.append((note, note_en))
    return series, notes


def _one_series(name: str, hours: Mapping[datetime, float]) -> tuple[Series, bool]:
    times = sorted(hours)
    start, dropped = times[0], False
    for before, after in pairwise(times):
        if after - before > timedelta(hours=_LONGEST_GAP + 1):
            start, dropped = after, True
    count = int((times[-1] - start) / timedelta(hours=1)) + 1
    values = np.empty(count)
    last = hours[start]
    for hour in range(count):
        last = hours.get(start + timedelta(hours=hour), last)
        values[hour] = last
    return Series(name, start, values), dropped


def train_forecaster(work: Work, config: SeriesConfig) -> Outcome:
    """Backtest on the last windows, then train on all; raises Invalid where no series is long enough."""
    series, notes = hourly(work.rows())
    least = WARM_UP + (config.folds + 1) * config.horizon + 24
    usable = [each for each in series if len(each.values) >= least]
    if not usable:
        raise Invalid("training_data_few", field="file", rows=max(len(each.values) for each in series), least=least)
    rival = None if work.rival is None else Forecaster.load(work.rival / FILE)
    errors: dict[str, list[Floats]] = {"model": [], "day": [], "week": [], "rival": []}
    inside: list[NDArray[np.bool_]] = []
    folds = []
    for fold in range(config.folds):
        back = (config.folds - fold) * config.horizon
        known = [each.until(len(each.values) - back) for each in usable]
        model = _fit(known, config)
        part: dict[str, list[Floats]] = {key: [] for key in errors}
        for whole, seen in zip(usable, known, strict=True):
            ahead = np.arange(len(seen.values), len(seen.values) + config.horizon)
            truth, scale = whole.values[ahead], _naive_error(seen.values)
            guess = model.forecast(seen)
            inside.append((truth >= guess.low) & (truth <= guess.high))
            guesses = {
                "model": guess.middle,
                "day": whole.values[ahead - _lag(config.horizon, 24)],
                "week": whole.values[ahead - _lag(config.horizon, WEEK)],
            }
            if rival is not None and rival.horizon >= config.horizon:
                guesses["rival"] = rival.forecast(seen).middle[: config.horizon]
            for key, values in guesses.items():
                part[key].append(np.abs(truth - values) / scale)
        for key, found in part.items():
            errors[key] += found
        folds.append({key: float(np.mean(np.concatenate(found))) for key, found in part.items() if found})
        work.metric("mase", fold + 1, folds[-1]["model"])
        work.metric("mase_naive_day", fold + 1, folds[-1]["day"])
        work.step("backtest", (fold + 1) / config.folds)
    final = _fit(usable, config)
    work.step("fit", 0.9)
    final.save(work.result / FILE)
    work.step("fit", 1.0)
    figures = {key: float(np.mean(np.concatenate(found))) for key, found in errors.items() if found}
    return Outcome(
        evaluation={"mase": figures["model"], "coverage_80": float(np.mean(np.concatenate(inside)))},
        items=len(inside) * config.horizon,
        baseline={"mase": min(figures["day"], figures["week"])},
        rival=None if "rival" not in figures else {"mase": figures["rival"]},
        reference={each.name or "series": _statistics(each.values) for each in usable[:100]},
        detail={"folds": folds, "naive_day": figures["day"], "naive_week": figures["week"], "series": len(usable)},
        notes=notes,
    )


def _fit(series: Sequence[Series], config: SeriesConfig) -> Forecaster:
    rows, targets = [], []
    for each in series:
        hours, size = np.arange(WARM_UP, len(each.values)), _size(each.values)
        rows.append(_features(each, hours, config.horizon, size))
        targets.append(each.values[hours] / size)
    inputs, wanted = np.concatenate(rows), np.concatenate(targets)
    models = [
        HistGradientBoostingRegressor(
            loss="quantile",
            quantile=quantile,
            max_iter=config.rounds,
            learning_rate=config.learning_rate,
            random_state=config.seed,
        ).fit(inputs, wanted)
        for quantile in QUANTILES
    ]
    return Forecaster(models, config.horizon, config.non_negative)


def _features(series: Series, hours: NDArray[np.intp], horizon: int, size: float) -> Floats:
    """What is known of each of the hours when the horizon before it begins; hours may lie after the series' end."""
    values = series.values / size
    day, week = _lag(horizon, 24), _lag(horizon, WEEK)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = hours - horizon + 1
    columns: list[Any] = [
        values[hours - day],
        values[hours - day - 24],
        values[hours - week],
        (sums[ends] - sums[ends - 24]) / 24,
        (sums[ends] - sums[ends - WEEK]) / WEEK,
    ]
    calendar = WorkingCalendar()
    local = [series.start.astimezone(CST) + timedelta(hours=int(hour)) for hour in hours]
    columns += [
        [at.hour for at in local],
        [at.weekday() for at in local],
        [calendar.is_working_day(at.date()) for at in local],
    ]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])


def _lag(horizon: int, period: int) -> int:
    """The shortest multiple of the period that is no shorter than the horizon."""
    return -(-horizon // period) * period


def _size(values: Floats) -> float:
    return max(float(np.mean(np.abs(values))), 1e-9)


def _naive_error(values: Floats) -> float:
    """The mean error of "as a day ago" over the known past: what errors are measured by (MASE)."""
    return max(float(np.mean(np.abs(values[24:] - values[:-24]))), 1e-9)


def _statistics(values: Floats) -> dict[str, float]:
    low, middle, high = np.quantile(values, QUANTILES)
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "p10": float(low),
        "p50": float(middle),
        "p90": float(high),
    }
