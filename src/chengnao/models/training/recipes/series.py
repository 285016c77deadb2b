"""The recipe `series-forecaster`: hourly series some hours ahead, learnt from lags and the calendar."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from chengnao.kernel.errors import Invalid
from chengnao.models.card import ModelFormat, ModelKind
from chengnao.models.training.recipe import Column, Outcome, Recipe, Row, Step, Work

WEEK = 168
WARM_UP = 2 * WEEK
"""Hours that the longest lag reaches back."""


class SeriesConfig(BaseModel):
    """`horizon` in hours; `folds` windows of that length at the end are forecast by models that have not seen them."""

    model_config = ConfigDict(extra="forbid")

    time: Annotated[str, Field(min_length=1, max_length=100)] = "at"
    value: Annotated[str, Field(min_length=1, max_length=100)] = "value"
    series: Annotated[str, Field(max_length=100)] = "series"
    """The column that tells several series apart, where the file has one."""
    horizon: Annotated[int, Field(ge=1, le=WEEK)] = 24
    folds: Annotated[int, Field(ge=1, le=14)] = 4
    rounds: Annotated[int, Field(ge=10, le=1000)] = 150
    """Trees of each model."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.08
    non_negative: bool = True
    """The values cannot fall below zero, such as counts and flows."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0


def columns(config: SeriesConfig) -> Sequence[Column]:
    return [
        Column(config.time, "at", "time"),
        Column(config.value, "value", "number"),
        *([Column(config.series, "series", "label", optional=True)] if config.series else []),
    ]


def check(config: SeriesConfig, rows: Sequence[Row]) -> None:
    """Raises Invalid where the rows cannot hold one series that is long enough."""
    least = WARM_UP + (config.folds + 1) * config.horizon + 24
    if len(rows) < least:
        raise Invalid("training_data_few", field="file", rows=len(rows), least=least)


def train(work: Work, config: SeriesConfig) -> Outcome:
    """Train and measure; needs scikit-learn, which only the job's own process loads."""
    from chengnao.models.training.recipes.forecaster import train_forecaster  # noqa: PLC0415

    return train_forecaster(work, config)


RECIPE = Recipe(
    kind="series-forecaster",
    zh="时序预测（梯度提升）",
    en="hourly series, gradient boosting",
    config=SeriesConfig,
    columns=columns,
    check=check,
    steps=(
        Step("backtest", "回测", "backtest", 0.7),
        Step("fit", "训练最终模型", "final model", 0.3),
    ),
    train=train,
    model_id="series-forecaster",
    model_kind=ModelKind.FORECAST,
    format=ModelFormat.SKOPS,
    metric="mase",
    higher_is_better=False,
)
