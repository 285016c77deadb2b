"""Forecasts: by the season, by the network, and the choice between them."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from chengnao.kernel.errors import Invalid
from chengnao.models.embedded import fracast
from chengnao.models.embedded.forecast import Method, backtest, forecast, seasonal

HOUR = timedelta(hours=1)
NOWHERE = Path("/nonexistent")
WEEKDAYS = np.tile(np.concatenate([np.tile(np.arange(24.0), 5), np.full(48, 3.0)]), 5)
"""Five weeks whose weekends differ from their weekdays."""


def test_the_day_before_is_the_forecast_where_days_are_alike() -> None:
    days = np.tile(np.arange(24.0), 20)
    found = forecast(days, 30, HOUR, NOWHERE)
    assert found.method is Method.DAY
    assert found.middle == tuple(float(hour % 24) for hour in range(30))
    assert found.low == found.middle == found.high
    assert found.errors == {Method.DAY: 0.0, Method.WEEK: 0.0}


def test_the_week_before_is_chosen_where_weekends_differ() -> None:
    found = forecast(WEEKDAYS, 48, HOUR, NOWHERE)
    assert found.method is Method.WEEK
    assert found.middle == tuple(WEEKDAYS[:48])
    assert found.errors[Method.WEEK] == 0 < found.errors[Method.DAY]


def test_missing_values_are_taken_from_a_period_before() -> None:
    days = np.tile(np.arange(24.0), 6)
    days[-24:-20] = np.nan
    days[-48:-46] = np.nan
    assert forecast(days, 24, HOUR, NOWHERE).middle == tuple(float(hour) for hour in range(24))


def test_the_spread_is_that_of_the_past() -> None:
    rng = np.random.default_rng(0)
    days = np.tile(10 * np.sin(np.arange(24) / 24 * 2 * np.pi), 40) + rng.normal(0, 1, 960)
    past, truth = days[:-48], days[-48:]
    found = forecast(past, 48, HOUR, NOWHERE)
    inside = (truth >= np.array(found.low)) & (truth <= np.array(found.high))
    assert 0.6 <= inside.mean() <= 1
    assert all(low <= middle <= high for low, middle, high in zip(found.low, found.middle, found.high, strict=True))


def test_only_the_second_half_of_the_past_is_a_test_of_methods() -> None:
    methods = {Method.DAY: seasonal(24)}
    assert backtest(np.zeros(30), 24, methods) == {}
    assert backtest(np.zeros(96), 24, methods) == {Method.DAY: 0.0}


def test_too_little_or_uneven_history_is_said() -> None:
    with pytest.raises(Invalid) as short:
        forecast(np.zeros(23), 5, HOUR, NOWHERE)
    assert (short.value.code, short.value.params["known"], short.value.params["needed"]) == (
        "forecast_too_short", 23, 24,
    )  # fmt: skip
    with pytest.raises(Invalid) as odd:
        forecast(np.zeros(500), 5, timedelta(minutes=7), NOWHERE)
    assert odd.value.code == "forecast_step"


def test_periods_stand_out_of_noise_and_noise_has_none() -> None:
    rng = np.random.default_rng(3)
    place = np.arange(2048)
    noise = rng.normal(0, 1, 2048)
    waves = (3 * np.sin(2 * np.pi * place / 24) + 2 * np.sin(2 * np.pi * place / 168) + noise).astype(np.float32)
    found = fracast.find_periods(waves)
    assert found[0] == 24
    assert abs(found[1] - 168) <= 4  # the spectrum has no bin nearer
    assert fracast.find_periods(noise.astype(np.float32)).count(0) >= 3
    assert fracast.find_periods(np.ones(2048, dtype=np.float32)) == [0, 0, 0, 0]


def test_arrays_are_read_from_safetensors() -> None:
    header = b'{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,2],"data_offsets":[4,20]}}'
    content = np.array([9, 1, 2, 3, 4], dtype="<f4").tobytes()
    (found,) = fracast.read_tensors(len(header).to_bytes(8, "little") + header + content).values()
    assert found.tolist() == [[1, 2], [3, 4]]
