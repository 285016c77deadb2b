"""The threshold evaluator against readings written out by hand, and against a slow reference."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.kernel.vocabulary import Level
from chengnao.sensing.readings.model import READING_SCHEMA
from chengnao.warning.evaluator import Evaluator
from chengnao.warning.model import Direction, Phase, SeriesState, Step, ThresholdRule
from chengnao.warning.series import SeriesIndex

START = 1_790_000_000_000
LEVELS = {Level.RED: 10.0, Level.ORANGE: 8.0, Level.YELLOW: 6.0}


def rule(**changes: object) -> ThresholdRule:
    values: dict[str, object] = {
        "id": "high",
        "device_class": "gauge",
        "device_id": None,
        "metric": "level",
        "direction": Direction.ABOVE,
        "levels": LEVELS,
        "duration_seconds": 0.0,
        "hysteresis": 0.0,
        "category": "flood",
        "source": "made for the test",
        "division_code": "500000",
        "unit_id": None,
    }
    return ThresholdRule(**(values | changes))  # type: ignore[arg-type]


def index(count: int = 2) -> SeriesIndex:
    return SeriesIndex([(f"d{n}", "gauge") for n in range(count)], {"gauge": ["flow", "level"]})


def batch(rows: Iterable[tuple[str, str, float, float] | tuple[str, str, float, float, str]]) -> pa.Table:
    """Rows of (device, metric, seconds after START, value[, quality])."""
    columns: list[list[object]] = [[], [], [], [], [], []]
    for device, metric, second, value, *quality in rows:
        at = datetime.fromtimestamp(START / 1000 + second, UTC)
        cells = (device, metric, at, value, quality[0] if quality else "good", at)
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, READING_SCHEMA, strict=True)],
        schema=READING_SCHEMA,
    )


def play(evaluator: Evaluator, values: Iterable[tuple[float, float]], device: str = "d0") -> list[Step]:
    """One batch for each (second, value)."""
    steps = []
    for second, value in values:
        steps += evaluator.evaluate(evaluator.index.read(batch([(device, "level", second, value)])))
    return steps


def levels(steps: list[Step]) -> list[tuple[int, int]]:
    """(second, level) wherever the level changed; 0 is none."""
    return [
        ((step.state.last_time - START) // 1000, step.state.level or 0)
        for step in steps
        if step.state.level != step.before
    ]


def test_opens_rises_falls_and_clears() -> None:
    steps = play(Evaluator([rule()], index()), [(0, 5), (1, 6), (2, 9), (3, 12), (4, 7), (5, 5.9)])
    assert levels(steps) == [(1, 3), (2, 2), (3, 1), (4, 3), (5, 0)]


def test_stays_silent_while_nothing_changes() -> None:
    steps = play(Evaluator([rule()], index()), [(0, 7), (1, 7.5), (2, 6.1), (3, 7)])
    assert levels(steps) == [(0, 3)]
    assert len(steps) == 1


def test_needs_the_duration_without_a_break() -> None:
    evaluator = Evaluator([rule(duration_seconds=60)], index())
    steps = play(evaluator, [(0, 7), (30, 7), (40, 5), (50, 7), (100, 7), (109, 7), (110, 7)])
    assert levels(steps) == [(110, 3)]
    assert [step.state.phase for step in steps] == [Phase.PENDING, Phase.NORMAL, Phase.PENDING, Phase.OPEN]


def test_each_level_waits_for_its_own_duration() -> None:
    steps = play(Evaluator([rule(duration_seconds=60)], index()), [(0, 6), (30, 8), (60, 10), (90, 10), (120, 10)])
    assert levels(steps) == [(60, 3), (90, 2), (120, 1)]


def test_clearing_needs_the_duration_too() -> None:
    evaluator = Evaluator([rule(duration_seconds=60)], index())
    steps = play(evaluator, [(0, 7), (60, 7), (70, 5), (100, 7), (110, 5), (170, 5)])
    assert levels(steps) == [(60, 3), (170, 0)]
    assert Phase.CLEARING in [step.state.phase for step in steps]


def test_hysteresis_holds_a_level_until_the_value_is_well_back() -> None:
    steps = play(Evaluator([rule(hysteresis=0.5)], index()), [(0, 6), (1, 5.6), (2, 5.5), (3, 5.49), (4, 5.9), (5, 6)])
    assert levels(steps) == [(0, 3), (3, 0), (5, 3)]


def test_below_turns_everything_round() -> None:
    low = rule(direction=Direction.BELOW, levels={Level.RED: 1.0, Level.YELLOW: 2.0}, hysteresis=0.2)
    steps = play(Evaluator([low], index()), [(0, 3), (1, 2), (2, 0.5), (3, 1.1), (4, 1.3), (5, 2.3)])
    assert levels(steps) == [(1, 3), (2, 1), (4, 3), (5, 0)]


def test_rules_above_and_below_live_on_one_metric() -> None:
    low = rule(id="low", direction=Direction.BELOW, levels={Level.YELLOW: 2.0})
    steps = play(Evaluator([rule(), low], index()), [(0, 7), (1, 1), (2, 4)])
    changed = [(step.state.rule_id, step.state.level or 0) for step in steps]
    assert changed == [("high", 3), ("high", 0), ("low", 3), ("low", 0)]


def test_a_rule_for_a_device_replaces_that_of_its_class() -> None:
    own = rule(id="own", device_class=None, device_id="d1", levels={Level.BLUE: 3.0})
    evaluator = Evaluator([own, rule()], index())
    assert levels(play(evaluator, [(0, 7)], "d0")) == [(0, 3)]
    assert [step.state.rule_id for step in play(evaluator, [(0, 7)], "d1")] == ["own"]


def test_a_disabled_rule_is_silent() -> None:
    assert play(Evaluator([rule(enabled=False)], index()), [(0, 99)]) == []


@pytest.mark.parametrize("quality", ["late", "stuck", "out_of_range", "sentinel", "fault", "calibrating"])
def test_a_doubtful_value_never_warns(quality: str) -> None:
    evaluator = Evaluator([rule()], index())
    assert evaluator.evaluate(evaluator.index.read(batch([("d0", "level", 0, 99, quality)]))) == []


def test_late_readings_do_not_touch_the_state() -> None:
    steps = play(Evaluator([rule()], index()), [(10, 7), (5, 1), (10, 1), (11, 7)])
    assert levels(steps) == [(10, 3)]


def test_order_inside_a_batch_is_that_of_time() -> None:
    evaluator = Evaluator([rule(duration_seconds=20)], index())
    rows = batch([("d0", "level", 20, 7), ("d1", "level", 0, 1), ("d0", "level", 0, 7), ("d0", "level", 10, 7)])
    assert levels(evaluator.evaluate(evaluator.index.read(rows))) == [(20, 3)]


def test_unknown_devices_and_metrics_are_passed_over_and_told() -> None:
    evaluator = Evaluator([rule()], index())
    rows = evaluator.index.read(batch([("stranger", "level", 0, 99), ("d0", "colour", 0, 99)]))
    assert rows.unknown_devices
    assert evaluator.evaluate(rows) == []


def test_an_empty_city_reads_nothing() -> None:
    evaluator = Evaluator([rule()], index(0))
    assert evaluator.evaluate(evaluator.index.read(batch([("d0", "level", 0, 99)]))) == []


def test_state_survives_a_restart_and_redelivery_is_harmless() -> None:
    readings = [(0, 7.0), (30, 7.0), (60, 7.0), (70, 9.0), (130, 9.0), (140, 1.0), (200, 1.0)]
    whole = play(Evaluator([rule(duration_seconds=60)], index()), readings)
    assert levels(whole) == [(60, 3), (130, 2), (200, 0)]
    for cut in range(1, len(readings) + 1):
        first = play(Evaluator([rule(duration_seconds=60)], index()), readings[:cut])
        stored = {step.state.rule_id: step.state for step in first}
        again = Evaluator([rule(duration_seconds=60)], index())
        assert again.restore(stored.values()) == []
        assert first + play(again, readings) == whole


def test_states_without_a_rule_in_force_are_orphans() -> None:
    step = play(Evaluator([rule()], index()), [(0, 7)])[0]
    for rules in ([], [rule(enabled=False)], [rule(revision=2)], [rule(device_class="other")]):
        assert Evaluator(rules, index()).restore([step.state]) == [step.state]
    own = rule(id="own", device_class=None, device_id="d0")
    assert Evaluator([rule(), own], index()).restore([step.state]) == [step.state]


def test_a_new_index_keeps_what_was_seen() -> None:
    old = Evaluator([rule()], index(2))
    play(old, [(10, 1)], "d1")
    new = Evaluator([rule()], SeriesIndex([("d1", "gauge"), ("d0", "gauge")], {"gauge": ["level"]}))
    new.carry_from(old)
    assert play(new, [(9, 99)], "d1") == []
    assert levels(play(new, [(9, 99)], "d0")) == [(9, 1)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"device_id": "d0"}, "threshold_target"),
        ({"device_class": None}, "threshold_target"),
        ({"levels": {}}, "threshold_levels_empty"),
        ({"levels": {Level.RED: 1.0, Level.ORANGE: 2.0}}, "threshold_levels_order"),
        ({"levels": {Level.RED: 1.0, Level.ORANGE: 1.0}}, "threshold_levels_order"),
        ({"duration_seconds": -1}, "threshold_negative"),
        ({"hysteresis": -0.1}, "threshold_negative"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as error:
        rule(**changes)
    assert error.value.code == code
    assert error.value.text("zh") != error.value.text("en")


class Reference:
    """The same switches, one reading at a time, with no shortcuts."""

    def __init__(self, of: ThresholdRule) -> None:
        self.rule = of
        self.on = dict.fromkeys(of.levels, False)
        self.since: dict[Level, int] = {}
        self.last = -1

    def feed(self, time: int, value: float) -> int:
        if time > self.last:
            self.last = time
            for level, threshold in self.rule.levels.items():
                bound = threshold - self.rule.hysteresis if self.on[level] else threshold
                if (value >= bound) == self.on[level]:
                    self.since.pop(level, None)
                elif time - self.since.setdefault(level, time) >= self.rule.duration_seconds * 1000:
                    self.on[level] = not self.on[level]
                    del self.since[level]
        return min((int(level) for level, on in self.on.items() if on), default=0)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from([1.0, 5.6, 6.0, 7.9, 8.0, 9.6, 10.0])), max_size=60),
    st.sampled_from([0.0, 5.0, 20.0]),
    st.sampled_from([0.0, 0.5]),
    st.integers(1, 7),
)
def test_agrees_with_the_reference(
    readings: list[tuple[int, float]], duration: float, hysteresis: float, size: int
) -> None:
    of = rule(duration_seconds=duration, hysteresis=hysteresis)
    evaluator, reference = Evaluator([of], index()), Reference(of)
    level = 0
    for start in range(0, len(readings), size):
        part = readings[start : start + size]
        for step in evaluator.evaluate(evaluator.index.read(batch([("d0", "level", *each) for each in part]))):
            assert (step.before or 0) == level
            level = step.state.level or 0
        for second, value in sorted(part, key=lambda each: each[0]):
            expected = reference.feed(START + second * 1000, value)
        assert level == expected


def test_a_state_tells_its_phase() -> None:
    assert SeriesState("r", "d", 1, 0, {}).phase is Phase.NORMAL
