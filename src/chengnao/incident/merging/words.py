"""What a report says: the named places in it, and the matter without them."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from zlib import crc32

import yaml

NGRAM_BINS = 1 << 20
_HAN = "\u4e00-\u9fff"
_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_LONGEST_NAME = 6


@dataclass(frozen=True)
class Named:
    """The places that a text names: by key, the name as it was written and the numbers given with it."""

    names: Mapping[str, str]
    numbers: Mapping[str, frozenset[str]]


def tidy(text: str) -> str:
    """One form for what looks alike: width, case, white space."""
    return " ".join(unicodedata.normalize("NFKC", text).lower().split())


def named_places(text: str, address: str) -> Named:
    """Roads, estates and the like in a text and in an address; an address without any counts as one itself."""
    names: dict[str, str] = {}
    numbers: dict[str, set[str]] = {}
    address = tidy(address)
    for part in (address, tidy(text)):
        for match in _chinese_places().finditer(part):
            if _no_name(match):
                continue
            key = match["name"] + match["kind"]
            names.setdefault(key, _written(part, match))
            if match["number"]:
                numbers.setdefault(key, set()).add(f"{_number(match['number'])}{_unit(match['unit'])}")
        for match in _english_roads().finditer(part):
            key = f"{match['name']} {_words()['english_roads'][match['kind']]}"
            names.setdefault(key, match["whole"])
            if match["number"]:
                numbers.setdefault(key, set()).add(match["number"])
    if address and not names:
        names[address] = address
    return Named(names, {key: frozenset(found) for key, found in numbers.items()})


def matter_of(text: str) -> str:
    """The text without the names of places and without what is said for politeness."""
    text = tidy(text)
    text = _chinese_places().sub(lambda match: match[0] if _no_name(match) else " ", text)
    text = _english_roads().sub(" ", text)
    text = _fillers().sub(" ", text)
    text = re.sub(r"\d{5,}", " ", text)
    return " ".join(re.sub(r"[^\w" + _HAN + r"]+", " ", text).split())


def ngrams(matter: str) -> dict[int, float]:
    """Pairs of Chinese characters, and words and triples of letters of others, by bin, with their weights."""
    counts: Counter[str] = Counter()
    idle = set(_words()["idle"])
    for run in re.findall(rf"[{_HAN}]+|[^\W{_HAN}]+", matter):
        if "\u4e00" <= run[0] <= "\u9fff":
            clean = "".join(each for each in run if each not in idle)
            counts.update(clean[at : at + 2] for at in range(len(clean) - 1))
            counts.update(clean)
        else:
            counts[run] += 1
            padded = f"_{run}_"
            counts.update(padded[at : at + 3] for at in range(len(padded) - 2))
    return {
        crc32(gram.encode()) % NGRAM_BINS: (1 + (count > 1) * 0.5) * _weight(gram) for gram, count in counts.items()
    }


def is_chinese(text: str) -> bool:
    """Whether at least a fifth of the letters are Chinese: the rest reads as English."""
    letters = [each for each in text if each.isalpha()]
    return sum("\u4e00" <= each <= "\u9fff" for each in letters) * 5 >= len(letters)


def shared_name(one: Named, other: Named) -> str | None:
    """A place that both name, as people write it."""
    shared = one.names.keys() & other.names.keys()
    if not shared:
        return None
    key = max(shared, key=lambda each: (len(one.numbers.get(each, ())), len(each)))
    first, second = one.names[key], other.names[key]
    length = 0
    while length < min(len(first), len(second)) and first[-length - 1] == second[-length - 1]:
        length += 1
    return first[len(first) - length :] or key


def _weight(gram: str) -> float:
    """One Chinese character says less than two together."""
    return 0.5 if len(gram) == 1 else 1.0


def _no_name(match: re.Match[str]) -> bool:
    if match["kind"] in _words()["roads"]:
        return match["name"][-1] in _words()["not_roads"]
    return any(each in _words()["not_estates"] for each in match["name"])


def _written(text: str, match: re.Match[str]) -> str:
    """The name with what stands before it, as far as it may belong to it."""
    begin = max(match.start() - _LONGEST_NAME + len(match["name"]), 0)
    before = re.search(rf"[{_HAN}]*$", text[begin : match.start()])
    return (before[0] if before else "") + match["name"] + match["kind"]


def _number(text: str) -> int:
    """An Arabic or a Chinese number below 1000."""
    if text.isdigit():
        return int(text)
    total, digit = 0, 0
    for each in text:
        if each in _DIGITS:
            digit = _DIGITS[each]
        else:
            total, digit = total + max(digit, 1) * {"十": 10, "百": 100}[each], 0
    return total + digit


def _unit(unit: str) -> str:
    return "号" if unit in ("号", "弄", "附") else "栋"


@cache
def _words() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((files("chengnao.incident.merging") / "words.yaml").read_text("utf-8"))
    return loaded


@cache
def _chinese_places() -> re.Pattern[str]:
    kinds = "|".join(sorted(_words()["roads"] + _words()["estates"], key=len, reverse=True))
    number = r"(?:(?P<number>\d{1,4}|[一二三四五六七八九十百两零]{1,5})(?P<unit>号楼|号|栋|幢|弄|附))?"
    return re.compile(rf"(?P<name>[{_HAN}]{{2}})(?P<kind>{kinds}){number}")


@cache
def _english_roads() -> re.Pattern[str]:
    kinds = "|".join(_words()["english_roads"])
    no_name, no_road = ("|".join(_words()[key]) for key in ("not_english_names", "not_english_roads"))
    return re.compile(
        rf"(?:\b(?P<number>\d{{1,5}})\s+(?!(?:{kinds})\b))?(?P<whole>(?:\b(?:east|west|north|south|e|w|n|s)\.? )?"
        rf"\b(?!(?:{no_name}) )(?P<name>[a-z0-9']+) (?P<kind>{kinds})\b(?! (?:{no_road})))"
    )


@cache
def _fillers() -> re.Pattern[str]:
    chinese = "|".join(map(re.escape, sorted(_words()["fillers"], key=len, reverse=True)))
    english = "|".join(map(re.escape, sorted(_words()["english_fillers"], key=len, reverse=True)))
    return re.compile(rf"{chinese}|\b(?:{english})\b")
