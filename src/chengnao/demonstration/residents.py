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

CATEGORISED_SHARE = 0.6
REPEATED_SHARE = 0.12
"""Reports that a neighbour makes too."""

UNSOLVED_SHARE = 0.06
"""Answers that the reporter does not accept."""

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
    # Some callers' matters are put into a category by the operator, the others' by the platform.
    category = {"category": text.category} if rng.random() < CATEGORISED_SHARE else {}
    return category | {
        "content": f"{text.content}（{address}）",
        "channel": rng.choices(["hotline", "citizen", "patrol"], [6, 3, 1])[0],
        "division_code": spot.division_code,
        "lon": round(spot.lon + rng.uniform(-120, 120) * _METRES / math.cos(math.radians(spot.lat)), 6),
        "lat": round(spot.lat + rng.uniform(-120, 120) * _METRES, 6),
        "address": address,
        "reporter_name": rng.choice(residents.reporters),
    }


def write_again(rng: random.Random, report: Mapping[str, Any]) -> dict[str, Any]:
    """What a neighbour says of the same matter, some steps away and in other words."""
    words = rng.choice(["我也来反映一下：", "同一个地方，", "我们楼里好几家都看到了，", "路过看到的，"])
    again = {key: value for key, value in report.items() if key not in ("category", "reporter_name")}
    return again | {
        "content": words + report["content"],
        "lon": round(report["lon"] + rng.uniform(-25, 25) * _METRES, 6),
        "lat": round(report["lat"] + rng.uniform(-25, 25) * _METRES, 6),
        "reporter_name": rng.choice(load_residents().reporters),
    }


def judge(rng: random.Random) -> dict[str, Any]:
    """What a resident says of an answer."""
    if rng.random() < UNSOLVED_SHARE:
        return {"solved": False, "satisfaction": rng.choice([1, 2]), "comment": "去看了，问题还在，请再处理一下"}
    points = rng.choices([5, 4, 3], [6, 3, 1])[0]
    return {"solved": True, "satisfaction": points, "comment": rng.choice(["", "", "处理得很快，谢谢", "已经好了"])}


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
