"""When two reports or incidents are about one matter: the evidence, its weights, and the verdict in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, Self

import yaml

from chengnao.kernel.places import Place


@dataclass(frozen=True)
class Matter:
    """What is known of what somebody or something reported; everything but the id may be missing."""

    id: str
    text: str = ""
    category: str | None = None
    at: datetime | None = None
    place: Place | None = None
    address: str = ""
    source: str | None = None
    """The device or the reporter, where it is the same one again."""
    closed_at: datetime | None = None
    """When it was over."""


@dataclass(frozen=True)
class Reason:
    """One piece of evidence in words; `speaks_for` is false where it speaks against one matter."""

    zh: str
    en: str
    speaks_for: bool = True


@dataclass(frozen=True)
class Score:
    """How probable it is that both are about one matter, from 0 to 1, and why."""

    probability: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Ramp:
    """Evidence that is whole at `full` and fades to none at `none`."""

    full: float
    none: float
    weight: float


@dataclass(frozen=True)
class Settings:
    """From when on the platform acts; a city may set them in `weights.yaml`."""

    automatic: float
    """At this probability a report joins an incident by itself."""
    offered: float
    """At this probability a candidate is shown to the dispatcher, and a file's rows are grouped."""
    metres: float
    hours: float
    """What lies farther apart is not compared."""
    repeat_metres: float
    repeat_days: float
    """A closed incident so near and so recent makes a new one a suspected repeat."""


RAMPED = ("distance", "time", "words", "meaning", "unrelated")
"""Evidence by degree: metres, hours, the likeness of words and that of meaning; and the latter once more for pairs of
unrelated categories, which are one matter only where they mean the same."""

FLAGS: Mapping[str, int] = {
    "place_by_name": 1,
    "time_unknown": 1,
    "text_unknown": 1,
    "category_near": 1,
    "category_same": 1,
    "category_unknown": 1,
    "name_same": 1,
    "name_other": -1,
    "number_same": 1,
    "number_other": -1,
    "source_same": 1,
    "after_close": -1,
}
"""Evidence that is there or not, and whether it may only speak for (1) or against (-1) one matter."""


@dataclass(frozen=True)
class Weights:
    """What each piece of evidence adds to the logarithm of the odds."""

    bias: float
    ramps: Mapping[str, tuple[Ramp, ...]]
    flags: Mapping[str, float]
    settings: Settings

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Weights as they stand in the file; raises ValueError where one is missing or has the wrong sign."""
        ramps = {name: tuple(Ramp(**ramp) for ramp in data["ramps"][name]) for name in RAMPED}
        flags = {name: float(data["flags"][name]) for name in FLAGS}
        wrong = [name for name, sign in FLAGS.items() if flags[name] * sign < 0]
        wrong += [name for name, all_ in ramps.items() if any(ramp.weight < 0 for ramp in all_)]
        if wrong:
            raise ValueError(f"weights of the wrong sign: {', '.join(wrong)}")
        return cls(float(data["bias"]), ramps, flags, Settings(**data["settings"]))

    def most(self, name: str) -> float:
        """The most that a kind of evidence by degree can add."""
        return sum(ramp.weight for ramp in self.ramps[name])


@cache
def default_weights() -> Weights:
    """The weights and settings of `weights.yaml`."""
    return Weights.from_data(yaml.safe_load((files("chengnao.incident.merging") / "weights.yaml").read_text("utf-8")))
