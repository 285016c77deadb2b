"""A made-up city and what its made-up people report: pairs of one matter and of two, for fitting the weights.

Beside the plain cases it holds what is hard: another matter in the same street, the same matter elsewhere in the same
hour, the same matter at the same place weeks later, and a new one after the first was put right.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from math import cos, radians, sin
from typing import Any

import yaml

from chengnao.incident.catalogue import categories
from chengnao.incident.merging.model import Matter
from chengnao.kernel.places import Place

START = datetime(2026, 1, 1, tzinfo=UTC)
_DAYS = 60
_WEST, _SOUTH, _WIDE = 106.50, 29.53, 0.06
_METRE = 1 / 111_195.0
_ACCURACY = ((12.0, 0.5), (40.0, 0.33), (120.0, 0.09), (None, 0.08))
"""How far off a place is, in metres, and how often; None: not given."""
_FIXED = 0.5
"""Of the matters, how many are put right within the time."""


@dataclass(frozen=True)
class Told:
    """A report and the matter it is truly about."""

    matter: Matter
    truth: int


@dataclass(frozen=True)
class _Site:
    lon: float
    lat: float
    road: str
    number: int
    estate: str | None
    landmark: str | None = None
    """What people name who do not know the road: nobody has a list of these."""


class City:
    """Made from a seed: the same one each time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - made-up people, not secrets
        self.stuff = _stuff()
        chance = self.random
        self.roads = []
        for name in chance.sample([n + k for n in self.stuff["names"] for k in self.stuff["kinds"]], 110):
            angle = chance.uniform(0, 3.14159)
            self.roads.append((name, self._anywhere(), (cos(angle), sin(angle)), chance.uniform(300, 1500)))
        self.estates = [(name, self._anywhere()) for name in chance.choices(self.stuff["estates"], k=60)]

    def reports(self, matters: int) -> list[Told]:
        """What is reported of so many matters and of the hard ones that come with them."""
        told: list[Told] = []
        truths = iter(range(10**9))
        for _ in range(matters):
            site, kind = self._site(), self.random.choice(self.stuff["matters"])
            begin = START + timedelta(hours=self.random.uniform(0, _DAYS * 24))
            told += self._tell(next(truths), site, kind, begin)
            told += self._hard(truths, site, kind, begin)
        return told

    def _hard(self, truths: Iterator[int], site: _Site, kind: Mapping[str, Any], begin: datetime) -> list[Told]:
        chance, told = self.random, []
        lasts = kind["lasts"]
        if chance.random() < 0.45:  # other matters in the same building or street
            for _ in range(chance.choice((1, 1, 2, 3))):
                other = chance.choice([each for each in self.stuff["matters"] if each is not kind])
                site_two = site if chance.random() < 0.5 else self._along(site)
                told += self._tell(next(truths), site_two, other, begin + timedelta(hours=chance.uniform(-24, 48)))
        if chance.random() < 0.3:  # a busy spot: other matters at the same place in the same hours
            for _ in range(chance.choice((1, 2, 3))):
                other = chance.choice([each for each in self.stuff["matters"] if each is not kind])
                told += self._tell(next(truths), site, other, begin + timedelta(hours=chance.gauss(0, 1.5)))
        if chance.random() < 0.4:  # the same matter elsewhere
            for _ in range(chance.choice((1, 1, 2, 4))):
                away = self._away(site, chance.uniform(90, 900)) if chance.random() < 0.7 else self._along(site, 100)
                told += self._tell(next(truths), away, kind, begin + timedelta(hours=chance.uniform(-12, 24)))
        if chance.random() < 0.25:  # the same again, weeks later
            later = begin + timedelta(hours=lasts * 3 + chance.uniform(6, 35) * 24)
            told += self._tell(next(truths), site, kind, later)
        return told

    def _tell(self, truth: int, site: _Site, kind: Mapping[str, Any], begin: datetime) -> list[Told]:
        chance = self.random
        count = 1
        while chance.random() < 0.42 and count < 12:
            count += 1
        lasts = kind["lasts"]
        moments = [begin]
        for _ in range(count - 1):
            moments.append(begin + timedelta(hours=min(chance.expovariate(3 / lasts), lasts * 1.5)))
        fixed = None
        if chance.random() < _FIXED:
            fixed = max(moments) + timedelta(hours=lasts * chance.uniform(0.05, 1))
        person = f"p{truth}"
        return [
            Told(self._report(f"{truth}-{row}", site, kind, moment, fixed, person), truth)
            for row, moment in enumerate(moments)
        ]

    def _report(
        self, id_: str, site: _Site, kind: Mapping[str, Any], at: datetime, fixed: datetime | None, person: str
    ) -> Matter:
        chance = self.random
        manner = chance.random()
        metres = chance.choices([m for m, _ in _ACCURACY], [share for _, share in _ACCURACY])[0]
        place = None
        if metres is not None:
            lon, lat = _moved(site.lon, site.lat, chance.gauss(0, metres / 1.5), chance.gauss(0, metres / 1.5))
            digits = 3 if chance.random() < 0.2 else 6
            place = Place(round(lon, digits), round(lat, digits))
        where = self._where(site, must=place is None and chance.random() < 0.8)
        in_address = chance.random() < 0.35
        category = self._category(kind, chance.random())
        if manner < 0.06:
            text = ""
        elif manner < 0.2:
            known = categories()[kind["category"]]
            text = known.name if chance.random() < 0.5 else known.name_en
        elif manner < 0.36:
            text = chance.choice(kind["en"])
            text = (
                f"{chance.choice(self.stuff['english_prefixes'])}{text}{chance.choice(self.stuff['english_suffixes'])}"
            )
        else:
            said = chance.choice(kind["zh"])
            spoken = "" if in_address else where
            order = f"{spoken}{said}" if chance.random() < 0.8 else f"{said}，在{spoken}" if spoken else said
            text = f"{chance.choice(self.stuff['prefixes'])}{order}{chance.choice(self.stuff['suffixes'])}"
        source = person if chance.random() < 0.04 else f"s{chance.randrange(10**9)}" if chance.random() < 0.3 else None
        return Matter(id_, text, category, at, place, where if in_address else "", source, fixed)

    def _where(self, site: _Site, must: bool) -> str:
        chance = self.random
        if not must and chance.random() < 0.25:
            return ""
        if site.landmark and chance.random() < 0.6:
            road = site.road if chance.random() < 0.4 else ""
            return f"{road}{site.landmark}{chance.choice(self.stuff['spots'])}"
        if site.estate and chance.random() < 0.6:
            building = f"{site.number % 12 + 1}栋" if chance.random() < 0.4 else ""
            return f"{site.estate}{building}{chance.choice(self.stuff['spots']) if not building else ''}"
        number = f"{site.number}号" if chance.random() < 0.45 else ""
        return f"{site.road}{number}{chance.choice(self.stuff['spots'])}"

    def _category(self, kind: Mapping[str, Any], draw: float) -> str | None:
        if draw < 0.12:
            return None if draw < 0.06 else "other"
        if draw < 0.22 and kind["near"]:
            return str(self.random.choice(kind["near"]))
        if draw < 0.235:
            return self.random.choice(list(categories()))
        return str(kind["category"])

    def _anywhere(self) -> tuple[float, float]:
        return _WEST + self.random.random() * _WIDE, _SOUTH + self.random.random() * _WIDE

    def _site(self) -> _Site:
        name, (lon, lat), (east, north), length = self.random.choice(self.roads)
        along = self.random.uniform(0, length)
        lon, lat = _moved(lon, lat, along * east, along * north)
        near = [estate for estate, (x, y) in self.estates if abs(x - lon) < 0.004 and abs(y - lat) < 0.004]
        landmark = self.random.choice(self.stuff["landmarks"]) if self.random.random() < 0.5 else None
        return _Site(lon, lat, name, int(along / 8) + 1, near[0] if near else None, landmark)

    def _along(self, site: _Site, least: float = 40.0) -> _Site:
        """Another spot of the same road."""
        road = next(each for each in self.roads if each[0] == site.road)
        metres = self.random.choice((-1, 1)) * self.random.uniform(least, least + 350)
        lon, lat = _moved(site.lon, site.lat, metres * road[2][0], metres * road[2][1])
        return _Site(lon, lat, site.road, abs(site.number + int(metres / 8)) + 1, None)

    def _away(self, site: _Site, metres: float) -> _Site:
        angle = self.random.uniform(0, 6.2832)
        lon, lat = _moved(site.lon, site.lat, metres * cos(angle), metres * sin(angle))
        road = self.random.choice(self.roads)[0]
        return _Site(lon, lat, road, self.random.randrange(1, 200), None)


def _moved(lon: float, lat: float, east: float, north: float) -> tuple[float, float]:
    return lon + east * _METRE / cos(radians(lat)), lat + north * _METRE


@cache
def _stuff() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = yaml.safe_load((files(__package__) / "matters.yaml").read_text("utf-8"))
    return loaded
