"""Readings in, level changes out: pure, and cheap for the many rows that change nothing.

Each level of a rule is a switch with hysteresis and a delay. For each series there is a quiet band: a value inside
it cannot move any switch. Whole batches are compared with the bands as arrays, and only series with a value outside
are walked reading by reading. While a delay runs the band is empty, so every reading of that series counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from chengnao.kernel.vocabulary import Level
from chengnao.warning.model import LevelMark, SeriesState, Step, ThresholdRule
from chengnao.warning.series import Floats, Ints, Rows, SeriesIndex

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True)
class _Ladder:
    """A rule made ready: its levels from the gravest, with values turned so that greater is worse."""

    rule: ThresholdRule
    sign: int
    levels: tuple[Level, ...]
    enter: tuple[float, ...]
    delay: float

    @staticmethod
    def of(rule: ThresholdRule) -> "_Ladder":
        levels = tuple(sorted(rule.levels))
        sign = rule.direction.sign
        return _Ladder(
            rule, sign, levels, tuple(sign * rule.levels[level] for level in levels), rule.duration_seconds * 1000
        )

    def walk(self, marks: tuple[LevelMark, ...], time: int, value: float) -> tuple[LevelMark, ...]:
        """The switches after one more reading."""
        signed = self.sign * value
        after = []
        for mark, enter in zip(marks, self.enter, strict=True):
            beyond = signed >= (enter - self.rule.hysteresis if mark.on else enter)
            if beyond == mark.on:
                after.append(mark if mark.since is None else LevelMark(mark.on))
                continue
            since = time if mark.since is None else mark.since
            after.append(LevelMark(beyond) if time - since >= self.delay else LevelMark(mark.on, since))
        return tuple(after)

    def band(self, marks: tuple[LevelMark, ...]) -> tuple[float, float]:
        """The signed values [low, high) that change nothing."""
        if any(mark.since is not None for mark in marks):
            return np.inf, np.inf
        high = min((enter for mark, enter in zip(marks, self.enter, strict=True) if not mark.on), default=np.inf)
        low = max((enter for mark, enter in zip(marks, self.enter, strict=True) if mark.on), default=-np.inf)
        return low - self.rule.hysteresis, high


class _Layer:
    """At most one rule for each series. A metric with a rule above and one below needs two layers."""

    def __init__(self, size: int) -> None:
        self.ladder: Ints = np.full(size, -1, np.int64)
        self.sign: Floats = np.ones(size)
        self.low: Floats = np.full(size, -np.inf)
        self.high: Floats = np.full(size, np.inf)
        self.marks: dict[int, tuple[LevelMark, ...]] = {}

    def put(self, series: Ints, number: int, ladder: _Ladder) -> None:
        self.ladder[series] = number
        self.sign[series] = ladder.sign
        self.low[series], self.high[series] = ladder.band((LevelMark(),) * len(ladder.levels))

    def set(self, series: int, ladder: _Ladder, marks: tuple[LevelMark, ...]) -> None:
        self.low[series], self.high[series] = ladder.band(marks)
        if all(mark == LevelMark() for mark in marks):
            self.marks.pop(series, None)
        else:
            self.marks[series] = marks


class Evaluator:
    """The thresholds of a city, with their state. Feed it batches; store the steps that it returns."""

    def __init__(self, rules: Iterable[ThresholdRule], index: SeriesIndex) -> None:
        """A rule for a device stands in the place of the rule of its class with that metric and direction."""
        self.index = index
        self._last: Ints = np.full(index.size, _NEVER, np.int64)
        enabled = [rule for rule in rules if rule.enabled]
        enabled.sort(key=lambda rule: (rule.device_id is not None, rule.id))
        self._ladders = [_Ladder.of(rule) for rule in enabled]
        self._layers: list[_Layer] = []
        self._layer_of: dict[tuple[str, str], _Layer] = {}
        for number, ladder in enumerate(self._ladders):
            self._place(number, ladder)

    def _place(self, number: int, ladder: _Ladder) -> None:
        rule = ladder.rule
        if rule.device_id is None:
            _, series = self.index.of_class(rule.device_class or "", rule.metric)
        else:
            found = self.index.find(rule.device_id, rule.metric)
            series = np.array([] if found is None else [found], np.int64)
        for position in range(len(self._layers) + 1):
            if position == len(self._layers):
                self._layers.append(_Layer(self.index.size))
            layer = self._layers[position]
            free = layer.ladder[series] < 0
            same = ~free & (layer.sign[series] == ladder.sign)
            if rule.device_id is not None and same.all():
                free = same
            layer.put(series[free], number, ladder)
            series = series[~free]
            if len(series) == 0:
                return

    def restore(self, states: Iterable[SeriesState]) -> list[SeriesState]:
        """Take up stored states. Returns those that no rule in force stands behind any more."""
        orphans = []
        by_id = {ladder.rule.id: (number, ladder) for number, ladder in enumerate(self._ladders)}
        for state in states:
            number, ladder = by_id.get(state.rule_id, (-1, None))
            series = self.index.find(state.device_id, ladder.rule.metric) if ladder else None
            layer = next((each for each in self._layers if series is not None and each.ladder[series] == number), None)
            if ladder is None or series is None or layer is None or ladder.rule.revision != state.revision:
                orphans.append(state)
                continue
            layer.set(series, ladder, tuple(state.marks.get(level, LevelMark()) for level in ladder.levels))
            self._last[series] = max(self._last[series], state.last_time)
        return orphans

    def carry_from(self, old: "Evaluator") -> None:
        """Keep knowing which readings of each series were already seen."""
        known = np.full(self.index.size, _NEVER, np.int64)
        self.index.carry(old.index, old._last, known)
        np.maximum(self._last, known, out=self._last)

    def evaluate(self, rows: Rows) -> list[Step]:
        """The steps that this batch makes, ordered by time. Readings that are late or not good are passed over."""
        keep = rows.good & (rows.time > self._last[rows.series])
        series, time, value = rows.series[keep], rows.time[keep], rows.value[keep]
        steps: list[Step] = []
        for layer in self._layers:
            signed = layer.sign[series] * value
            hot = (signed >= layer.high[series]) | (signed < layer.low[series])
            if hot.any():
                self._walk(layer, np.unique(series[hot]), series, time, value, steps)
        last_of_series = np.ones(len(series), np.bool_)
        last_of_series[:-1] = series[1:] != series[:-1]
        self._last[series[last_of_series]] = time[last_of_series]
        steps.sort(key=lambda step: step.state.last_time)
        return steps

    def _walk(self, layer: _Layer, hot: Ints, series: Ints, time: Ints, value: Floats, steps: list[Step]) -> None:
        starts = np.searchsorted(series, hot, side="left").tolist()
        ends = np.searchsorted(series, hot, side="right").tolist()
        for number, start, end in zip(hot.tolist(), starts, ends, strict=True):
            ladder = self._ladders[int(layer.ladder[number])]
            marks = layer.marks.get(number) or (LevelMark(),) * len(ladder.levels)
            device, _ = self.index.name(number)
            previous = _NEVER
            for at, reading in zip(time[start:end].tolist(), value[start:end].tolist(), strict=True):
                if at == previous:
                    continue
                previous = at
                after = ladder.walk(marks, at, reading)
                if after == marks:
                    continue
                before = next((level for level, mark in zip(ladder.levels, marks, strict=True) if mark.on), None)
                marks = after
                state = SeriesState(
                    ladder.rule.id, device, ladder.rule.revision, at, dict(zip(ladder.levels, marks, strict=True))
                )
                steps.append(Step(state, before, reading))
            layer.set(number, ladder, marks)
