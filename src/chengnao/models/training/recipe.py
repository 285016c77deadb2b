"""Recipes: kinds of training that modules offer, each with a typed configuration and its own evaluation.

The entry points `chengnao.recipes` name `module:RECIPE`, of this package and of others. A recipe's module is loaded by
the web process too, so it imports what trains inside its `train` alone.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from chengnao.kernel.errors import Invalid, Unavailable
from chengnao.models.card import ModelFormat, ModelKind

log = logging.getLogger(__name__)

C = TypeVar("C", bound=BaseModel)

Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of the data: what it is called in the file, what the recipe calls it, and what may stand in it."""

    source: str
    name: str
    kind: Literal["text", "label", "number", "time"]
    optional: bool = False


@dataclass(frozen=True)
class Step:
    """A part of the work and its share of the whole time, of 1."""

    code: str
    zh: str
    en: str
    share: float


class Work(Protocol):
    """What a recipe is given while it trains."""

    home: Path
    """The data folder of the installation."""
    checkpoints: Path
    """Its own folder for what it needs to go on after it was stopped; it outlives the process."""
    result: Path
    """Where it puts the files that are the result."""
    rival: Path | None
    """The file or folder of the model in use, to be measured on the same rows; None where there is none."""

    def rows(self) -> list[Row]:
        """All rows of the data."""

    def step(self, code: str, done: float) -> None:
        """Tell that so much of the step is done, 0 to 1; raises Stopped where the job is to end."""

    def metric(self, name: str, step: int, value: float) -> None:
        """Tell a value of a curve."""

    @property
    def stopping(self) -> bool:
        """Whether the job is to end: save a checkpoint, then call `step`."""


class Stopped(Exception):
    """The job was asked to end; what it needs to go on lies in its checkpoints."""


@dataclass(frozen=True)
class Outcome:
    """What training came to. Figures are of rows that the model had not seen."""

    evaluation: Mapping[str, float]
    """Figures by name; empty where there were too few rows to tell."""
    items: int
    """Rows that they were measured on."""
    baseline: Mapping[str, float] = field(default_factory=dict)
    """The same figures of something simple in the same folds."""
    rival: Mapping[str, float] | None = None
    """The same figures of the model in use, on the same rows."""
    reference: Mapping[str, Any] = field(default_factory=dict)
    """What its input and output looked like in training, to tell drift later."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """More that a person may want to see: classes, confusions, folds."""
    notes: Sequence[tuple[str, str]] = ()
    """What to know when reading the figures, Chinese and English."""


@dataclass(frozen=True)
class Recipe(Generic[C]):
    """One kind of training."""

    kind: str
    zh: str
    en: str
    config: type[C]
    columns: Callable[[C], Sequence[Column]]
    check: Callable[[C, Sequence[Row]], None]
    """Raises Invalid where nothing can be learnt from these rows."""
    steps: Sequence[Step]
    train: Callable[[Work, C], Outcome]
    model_id: str
    """Under which its results are registered."""
    model_kind: ModelKind
    format: ModelFormat
    metric: str
    """The figure by which two of them are compared."""
    higher_is_better: bool
    needs: Sequence[str] = ()
    """Packages that must be there, of the extra `training`."""
    installed: Callable[[Path], Path] | None = None
    """Where the model in use lies in a data folder; promoting puts the result there. None: the registry alone says."""

    @property
    def missing(self) -> list[str]:
        """The packages that it needs and that are not installed."""
        return [name for name in self.needs if find_spec(name) is None]

    def require_packages(self) -> None:
        """Raises Unavailable where a package that it needs is not installed."""
        if self.missing:
            raise Unavailable("training_extra_missing", packages=", ".join(self.missing))

    def parse(self, values: Mapping[str, Any]) -> C:
        """The configuration; raises Invalid that names the field."""
        try:
            return self.config.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(["config", *(str(part) for part in first["loc"])])
            raise Invalid("training_config_invalid", field=place, reason=first["msg"]) from error


@cache
def recipes() -> dict[str, Recipe[Any]]:
    """All recipes by kind; one that cannot be loaded is left out, and the log says why."""
    found: dict[str, Recipe[Any]] = {}
    for point in entry_points(group="chengnao.recipes"):
        try:
            recipe = point.load()
        except Exception:
            log.exception("the recipe %s is left out", point.value)
            continue
        found.setdefault(recipe.kind, recipe)
    return dict(sorted(found.items()))


def require_recipe(kind: str) -> Recipe[Any]:
    """The recipe; raises Invalid for a kind that nobody offers."""
    found = recipes().get(kind)
    if found is None:
        raise Invalid("training_kind_unknown", field="kind", value=kind, known=", ".join(recipes()))
    return found
