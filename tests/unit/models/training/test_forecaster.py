"""The forecaster's rules: it never looks at what it could not know, and it knows a broken series."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import skops.io  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from chengnao.kernel.errors import Invalid
from chengnao.models.training.recipe import Row
from chengnao.models.training.recipes.forecaster import Forecaster, Series, _features, hourly
from chengnao.models.training.recipes.series import RECIPE, WARM_UP

START = datetime(2026, 3, 2, tzinfo=UTC)


@settings(deadline=None, max_examples=50)
@given(horizon=st.integers(1, 168), hour=st.integers(WARM_UP, WARM_UP + 300), seed=st.integers(0, 1000))
def test_no_feature_knows_an_hour_after_the_forecast_began(horizon: int, hour: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=WARM_UP + 400)
    later = values.copy()
    later[hour - horizon + 1 :] += 1000.0
    asked = np.array([hour])
    before, after = (_features(Series("a", START, each), asked, horizon, 1.0) for each in (values, later))
    assert (before == after).all()


def rows(*hours: int) -> list[Row]:
    return [{"at": (START + timedelta(hours=hour)).isoformat(), "value": float(hour)} for hour in hours]


def test_short_gaps_are_filled_and_what_lies_before_a_long_one_is_left_out() -> None:
    short, notes = hourly(rows(0, 1, 2, 5, 6))
    assert short[0].values.tolist() == [0, 1, 2, 2, 2, 5, 6]
    assert notes == []
    long, notes = hourly(rows(0, 1, 2, 10, 11))
    assert long[0].values.tolist() == [10, 11]
    assert len(notes) == 1


def test_several_values_of_an_hour_are_one_and_series_are_told_apart() -> None:
    twice = [*rows(0, 1), {"at": (START + timedelta(minutes=30)).isoformat(), "value": 4.0}]
    assert hourly(twice)[0][0].values.tolist() == [2, 1]
    apart = [row | {"series": name} for name in ("甲", "乙") for row in rows(0, 1)]
    assert [each.name for each in hourly(apart)[0]] == ["乙", "甲"]


def test_too_few_rows_are_refused_with_how_many_it_takes() -> None:
    with pytest.raises(Invalid) as error:
        RECIPE.check(RECIPE.parse({}), rows(*range(100)))
    assert error.value.params["least"] > WARM_UP


def test_a_file_that_is_no_forecaster_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "forecaster.skops"
    path.write_bytes(skops.io.dumps({"format": "something else"}))
    with pytest.raises(Invalid) as error:
        Forecaster.load(path)
    assert error.value.code == "forecaster_file_invalid"
