"""Places that a text names: divisions, and roads, estates and landmarks with their numbers."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from chengnao.incident.classification.lexicon import lexicon
from chengnao.incident.classification.model import PlaceCandidate, Road
from chengnao.incident.classification.naming import name_before
from chengnao.kernel.organisation.model import CITY, Division
from chengnao.kernel.vocabulary import Tier

_SUFFIX = re.compile(r"(土家族苗族自治县|苗族土家族自治县|土家族自治县|自治县|街道|新区|区|县|镇|乡)$")
_COMMON = frozenset(lexicon()["common_names"])
_PLACE_FOLLOWS = re.compile(
    r"^(街道|镇|乡|这边|那边|片区|附近|地铁|轻轨|轨道|商圈|步行街|正街|新街|老街|古镇|转盘|立交|派出所|社区|广场|菜市场|医院|车站"
    r"|[东南西北中]?(路|街)|大道|[东南西北]?[一二三四五六七八九]路|[\u4e00-\u9fff]{2,4}(路|街|大道|巷)(?![\u4e00-\u9fff]*走))"
)
_WHOLE, _SHORT, _VAGUE = 1.0, 0.7, 0.5
_NEAR = 0.25
"""A candidate whose score lies further below the best is none."""
_IN_DISTRICT = 0.3
"""What a street gains where its district is named too."""
_TOWN = 0.2
"""What a town loses to the street (街道) of the same name in its district."""
_OF_ROAD = 0.6
"""How much of its score a name keeps that is part of a road's name, where nothing else tells."""
_ROAD_FOLLOWS = re.compile(
    r"^[东南西北中]?[一二三四五六七八九]?(路(?![口边上面])|街(?!道)|大道|巷(?!子)|[正新老]街|大桥|立交|隧道)"
)
_ROAD_ITSELF = ("路", "街", "巷")


@dataclass(frozen=True)
class _Name:
    words: str
    division: Division
    score: float
    needs_place: bool
    """Counts only where a word for a place follows or the district is named."""


@dataclass(frozen=True)
class Gazetteer:
    """Names of divisions, whole and short, with what each may mean."""

    names: Mapping[str, tuple[_Name, ...]]
    pattern: re.Pattern[str] | None
    by_code: Mapping[str, Division]

    @classmethod
    def of(cls, divisions: Sequence[Division]) -> "Gazetteer":
        """The names of these divisions. One that was replaced counts as those that replaced it."""
        return _gazetteer(tuple(divisions))

    def full_name(self, division: Division) -> str:
        parent = self.by_code.get(division.parent_code or "")
        return division.name if parent is None or parent.code == CITY else parent.name + division.name


@lru_cache(maxsize=4)
def _gazetteer(divisions: tuple[Division, ...]) -> Gazetteer:
    present = {each.code: each for each in divisions if each.valid_to is None}
    names: dict[str, list[_Name]] = defaultdict(list)
    for each in divisions:
        if each.tier is Tier.CITY:
            continue
        meant = [present[code] for code in _successors(each, present) if code in present]
        short = _SUFFIX.sub("", each.name)
        for division in meant:
            names[each.name].append(_Name(each.name, division, _WHOLE, False))
            if len(short) >= 2 and short != each.name:
                vague = short in _COMMON or (each.tier is Tier.STREET and len(short) == 2)
                names[short].append(_Name(short, division, _VAGUE if vague else _SHORT, vague))
    ordered = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
    return Gazetteer({words: tuple(dict.fromkeys(found)) for words, found in names.items()}, pattern, present)


def _successors(division: Division, present: Mapping[str, Division]) -> list[str]:
    return [division.code] if division.code in present else list(division.successor_codes)


@dataclass(frozen=True)
class _Mention:
    name: _Name
    end: int
    placed: bool
    """A word for a place follows."""
    of_road: bool
    """It is part of a road's name: 人和大道."""

    @property
    def certain(self) -> bool:
        return not self.of_road and (self.placed or not self.name.needs_place)


def divisions_in(text: str, gazetteer: Gazetteer, most: int = 5) -> tuple[PlaceCandidate, ...]:
    """The divisions that the text may mean, the likeliest first: streets where they are named, districts otherwise."""
    mentions = list(_mentions(text, gazetteer))
    districts = {m.name.division.code for m in mentions if m.name.division.tier is Tier.DISTRICT and m.certain}
    streets = [m for m in mentions if m.name.division.tier is Tier.STREET]
    inside = [m for m in streets if m.name.division.parent_code in districts and not m.of_road]
    if districts:
        # A street of another district than the one that is named is somebody's road or shop, not the place.
        kept = inside or [m for m in mentions if m.name.division.code in districts]
    else:
        kept = [m for m in streets if m.certain] or [m for m in streets if m.of_road]
    scored: dict[str, tuple[float, _Name]] = {}
    for mention in kept:
        name = mention.name
        score = name.score * (_OF_ROAD if mention.of_road else 1.0) + _IN_DISTRICT * (mention in inside)
        score -= _TOWN * (name.division.kind != "街道" and name.division.tier is Tier.STREET and name.score < _WHOLE)
        if score > scored.get(name.division.code, (0.0, name))[0]:
            scored[name.division.code] = (min(1.0, score), name)
    best = max((score for score, _ in scored.values()), default=0.0)
    found = [
        PlaceCandidate(code, name.division.name, gazetteer.full_name(name.division), name.words, round(score, 2))
        for code, (score, name) in scored.items()
        if score >= best - _NEAR
    ]
    return tuple(sorted(found, key=lambda each: (-each.score, each.code))[:most])


def _mentions(text: str, gazetteer: Gazetteer) -> Iterator[_Mention]:
    if gazetteer.pattern is None:
        return
    for found in gazetteer.pattern.finditer(text):
        names = gazetteer.names[found.group()]
        after = text[found.end() :]
        if any(name.division.tier is Tier.DISTRICT for name in names):
            # "沙坪坝" alone is the district, though a street of it has the same name.
            names = tuple(name for name in names if name.division.tier is Tier.DISTRICT)
        for name in names:
            whole = name.words == name.division.name
            of_road = not whole and bool(_ROAD_FOLLOWS.match(after) or name.words.endswith(_ROAD_ITSELF))
            yield _Mention(name, found.end(), _PLACE_FOLLOWS.match(after) is not None, of_road)


_ROAD = re.compile(
    r"(大道|滨江路|立交|大桥|正街|新街|老街|高速|隧道|路(?![口面灯边牌基段况上中人旁沿网政费灯])|街(?!道)|巷(?![子口]))"
)
_ROAD_TAIL = re.compile(r"^([东南西北中]?[一二三四五六七八九]段)?(\d{1,4}(?:-\d+)?号(?:附\d+号)?)?")
_ESTATE = re.compile(r"(小区|家园|花园(?![路街])|新村|公寓|家属院|大厦|雅居|苑)")
_LANDMARK = re.compile(
    r"(轻轨站|地铁站|轨道站|火车站|高铁站|汽车站|农贸市场|菜市场|公园|步行街|广场|古镇|码头|机场|转盘)"
)
_BUILDING = re.compile(r"^(\d{1,3}(?:栋|幢|号楼)(?:\d{1,2}单元)?|\d{1,4}号)")
_NO_NAME = frozenset(lexicon()["no_names"])
_NO_ROAD_ENDS = frozenset("公铁马线道跑停走修堵占拦挡扫赶让半电网烂挖断封养认迷带")
_SHORTEST = 2


def roads_in(text: str, gazetteer: Gazetteer) -> tuple[Road, ...]:
    """Roads, estates and landmarks by name, each with the house or building number that follows it."""
    named = list(gazetteer.pattern.finditer(text)) if gazetteer.pattern else []
    breaks = {each.end() for each in named}
    begins = {each.start() for each in named}
    found: dict[tuple[str, str], tuple[int, Road]] = {}
    for kind, pattern, most, tail in (
        ("road", _ROAD, 4, _ROAD_TAIL),
        ("estate", _ESTATE, 5, _BUILDING),
        ("landmark", _LANDMARK, 4, _BUILDING),
    ):
        for match in pattern.finditer(text):
            name = name_before(text, match.start(), most, breaks)
            if match.start() - len(name) + 1 in begins and len(name) > _SHORTEST:
                # One letter before a division's name belongs to something else: 半夜|天生路.
                name = name[1:]
            if len(name) < _SHORTEST or name in _NO_NAME or name[-2:] in _NO_NAME:
                continue
            if kind == "road" and name[-1] in _NO_ROAD_ENDS:
                continue
            section, number = _tail(tail, text[match.end() :])
            road = Road(name + match.group() + section, number, kind)
            found.setdefault((road.name, road.number), (match.start(), road))
    return tuple(road for _, road in sorted(found.values(), key=lambda pair: pair[0]))


def _tail(pattern: re.Pattern[str], after: str) -> tuple[str, str]:
    """The section of a road that belongs to its name, and the number."""
    found = pattern.match(after)
    parts = [part or "" for part in found.groups()] if found else [""]
    return (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
