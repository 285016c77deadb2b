"""The residents of the demonstration: what they report, where, and how often."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.kernel.places import Place

MEAN_SECONDS = 115.0
"""Real seconds between two reports, before the longest gaps are cut, while the city has as much to do as it should."""

LONGEST_SECONDS = 190.0
"""Nothing is duller to watch than a city in which nothing happens."""

ENOUGH = 32
"""Open incidents from which on nobody reports."""

_METRES = 1 / 111_000  # degrees of latitude in a metre


@dataclass(frozen=True)
class Spot:
    """A road that residents write from."""

    division_code: str
    street: str
    road: str
    lon: float
    lat: float


@dataclass(frozen=True)
class Text:
    """One complaint; `when` is empty, or what must be the case for anybody to write it: `rain` or `burst`."""

    category: str
    content: str
    when: str = ""


@dataclass(frozen=True)
class Residents:
    spots: tuple[Spot, ...]
    reporters: tuple[str, ...]
    texts: tuple[Text, ...]


@cache
def load_residents() -> Residents:
    raw = yaml.safe_load((files("chengnao.demonstration") / "data" / "residents.yaml").read_text("utf-8"))
    return Residents(
        tuple(Spot(**entry) for entry in raw["places"]),
        tuple(raw["reporters"]),
        tuple(Text(**entry) for entry in raw["texts"]),
    )


def write_report(rng: random.Random, conditions: Mapping[str, Place | None]) -> dict[str, Any]:
    """A report for `POST /api/reports`; a text about the present conditions is four times as likely as another.

    `conditions` may tell where something is the case: then it is reported from the roads around there.
    """
    residents = load_residents()
    texts = [text for text in residents.texts if not text.when or text.when in conditions]
    text = rng.choices(texts, [4 if each.when else 1 for each in texts])[0]
    spot = rng.choice(_nearest(residents.spots, conditions.get(text.when)))
    address = f"{spot.street}{spot.road}{rng.randint(1, 260)}号附近"
    return {
        "content": f"{text.content}（{address}）",
        "category": text.category,
        "division_code": spot.division_code,
        "lon": round(spot.lon + rng.uniform(-120, 120) * _METRES / math.cos(math.radians(spot.lat)), 6),
        "lat": round(spot.lat + rng.uniform(-120, 120) * _METRES, 6),
        "address": address,
        "reporter_name": rng.choice(residents.reporters),
    }


def _nearest(spots: Sequence[Spot], place: Place | None) -> Sequence[Spot]:
    if place is None:
        return spots
    return sorted(spots, key=lambda spot: place.distance_m(Place(spot.lon, spot.lat)))[:3]


def seconds_to_next(rng: random.Random, open_incidents: int) -> float:
    """Real seconds until somebody reports again: sooner in a city that has little to do, later in a busy one."""
    mean = MEAN_SECONDS
    if open_incidents < 5:
        mean /= 12  # a visitor's first minute
    elif open_incidents < 9:
        mean /= 4
    elif open_incidents < 14:
        mean /= 1.6
    elif open_incidents >= 24:
        mean *= 2
    return min(max(rng.expovariate(1 / mean), 4.0), 1.6 * mean, LONGEST_SECONDS)
