"""Makes texts as people might report them: phrase banks, places, dialect, slips of the keyboard, and a seed.

Each row says `synthetic: true`. The set serves to start a classifier before a city has closed cases of its own, and
says nothing of how well it works on these: that is measured on texts written apart from these banks.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from chengnao.incident.classification.model import NO_MATTER, Row

BANKS = ("components", "events", "hotline", "plain")
ROWS = 900
SEED = 20_261_125
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_SHARE_NONE = 0.05
_SHARE_SEVERAL = 0.06


@dataclass(frozen=True)
class SyntheticReport:
    """A made text with what is known of it, since it was made so."""

    text: str
    labels: tuple[str, ...]
    """The category of each matter in the order told; NO_MATTER alone where there is none."""
    division: str | None
    street: str | None
    road: str | None
    phrases: tuple[str, ...]
    """The phrases of the banks that it was made from."""
    synthetic: bool = True


@cache
def phrases() -> Mapping[str, Sequence[str]]:
    """The phrases of each category, and of no matter."""
    found: dict[str, list[str]] = {}
    for bank in BANKS:
        for code, texts in _load(bank).items():
            found.setdefault(code, []).extend(texts)
    return found


@cache
def _manner() -> Mapping[str, Any]:
    found: Mapping[str, Any] = _load("manner")
    return found


def _load(name: str) -> Any:
    return yaml.safe_load((files(__package__) / f"{name}.yaml").read_text("utf-8"))


def bank_texts() -> list[str]:
    """Every phrase and manner of speaking, choices unfolded into plain text one after another: what a test compares."""
    manner = _manner()
    spoken = [phrase for found in phrases().values() for phrase in found] + [*manner["requests"], *manner["contacts"]]
    spoken += [word for group in ("openers", "times", "spots") for words in manner[group] for word in words]
    return [text for phrase in spoken for text in _unfolded(phrase)]


def _unfolded(phrase: str) -> list[str]:
    """The phrase once for each place in the longest of its choices, so that every word of it occurs."""
    choices = [found.group(1).split("|") for found in _CHOICE.finditer(phrase)]
    texts = []
    for number in range(max(map(len, choices), default=1)):
        picks = iter(options[number % len(options)] for options in choices)
        texts.append(_CHOICE.sub(lambda _, picks=picks: next(picks), phrase))  # type: ignore[misc]
    return texts


def generate(rows: int = ROWS, seed: int = SEED) -> list[SyntheticReport]:
    """That many different texts, the same for the same seed; every category occurs where rows allow it."""
    chance = random.Random(seed)  # noqa: S311  (nothing secret)
    codes = sorted(set(phrases()) - {NO_MATTER})
    found: dict[str, SyntheticReport] = {}
    misses = 0
    while len(found) < rows and misses < 50 * rows:
        draw = chance.random()
        if draw < _SHARE_NONE:
            made = _nothing(chance)
        elif draw < _SHARE_NONE + _SHARE_SEVERAL:
            made = _report(chance, chance.sample(codes, 2))
        else:
            made = _report(chance, [codes[(len(found) + misses) % len(codes)]])
        if made.text in found:
            misses += 1
        else:
            found[made.text] = made
    return list(found.values())


def training_rows(rows: int = ROWS, seed: int = SEED) -> list[Row]:
    """What a classifier is trained on: each phrase as it stands, then that many reports, less those of several matters.

    Texts of one phrase form a group.
    """
    chance = random.Random(seed)  # noqa: S311  (nothing secret)
    bare = [Row(_said(chance, phrase), code, phrase) for code, found in phrases().items() for phrase in found]
    made = [Row(each.text, each.labels[0], each.phrases[0]) for each in generate(rows, seed) if len(each.labels) == 1]
    return [*bare, *made]


def _nothing(chance: random.Random) -> SyntheticReport:
    phrase = chance.choice(phrases()[NO_MATTER])
    return SyntheticReport(_mangled(chance, _said(chance, phrase)), (NO_MATTER,), None, None, None, (phrase,))


def _report(chance: random.Random, codes: Sequence[str]) -> SyntheticReport:
    manner = _manner()
    place = chance.choice(manner["places"])
    road = chance.choice(place["roads"])
    where, told = _where(chance, place, road)
    chosen = [chance.choice(phrases()[code]) for code in codes]
    matters = [_said(chance, phrase) for phrase in chosen]
    middle = matters[0] + "".join(chance.choice(manner["joins"]) + matter for matter in matters[1:])
    when = chance.choice(chance.choice(manner["times"])) if chance.random() < 0.35 else ""
    opener = chance.choice(chance.choice(manner["openers"])) if chance.random() < 0.35 else ""
    front = [where, when] if chance.random() < 0.7 else [when, where]
    text = opener + "".join(front) + middle
    if chance.random() < 0.5:
        text += "，" + _said(chance, chance.choice(manner["requests"]))
    if chance.random() < 0.12:
        text += _said(chance, chance.choice(manner["contacts"])).format(
            surname=chance.choice(manner["surnames"]), phone=f"100{chance.randrange(10**8):08d}"
        )
    return SyntheticReport(
        _mangled(chance, text),
        tuple(codes),
        place["district"] if "district" in told else None,
        place["street"] if "street" in told else None,
        road if "road" in told else None,
        tuple(chosen),
    )


def _where(chance: random.Random, place: Mapping[str, Any], road: str) -> tuple[str, set[str]]:
    """A place as it is told, and which of district, street and road it names."""
    manner = _manner()
    spot = chance.choice(chance.choice(manner["spots"])).format(n=chance.randint(1, 180))
    if chance.random() < 0.3:
        spot = chance.choice(manner["estates"]) + chance.choice(["", spot])
    district, street = place["district"], place["street"]
    forms: list[tuple[str, set[str]]] = [
        (f"{district}{street}{road}{spot}", {"district", "street", "road"}),
        (f"{district}{road}{spot}", {"district", "road"}),
        (f"{street.removesuffix('街道')}{road}{spot}", {"street", "road"}),
        (f"{street}{spot}", {"street"}),
        (f"{road}{spot}", {"road"}),
        (f"{district.removesuffix('区')}{spot}", {"district"}),
        (f"我们{spot}", set()),
        ("", set()),
        ("", set()),
    ]
    return chance.choice(forms)


def _said(chance: random.Random, phrase: str) -> str:
    return _CHOICE.sub(lambda found: chance.choice(found.group(1).split("|")), phrase)


def _mangled(chance: random.Random, text: str) -> str:
    """The text in dialect, with a slip of the keyboard, with less punctuation: each now and then."""
    manner = _manner()
    for standard, spoken in manner["dialect"].items():
        if standard in text and chance.random() < 0.3:
            text = text.replace(standard, chance.choice(spoken), 1)
    if chance.random() < 0.15:
        slips = [(right, wrong) for right, wrong in manner["slips"].items() if right in text]
        if slips:
            text = text.replace(*chance.choice(slips), 1)
    if chance.random() < 0.12:
        text = text.rstrip("。！") + chance.choice(manner["tails"])
    if chance.random() < 0.15:
        text = re.sub("[，。；！]", lambda found: chance.choice([" ", "", found.group()]), text)
    return text.strip()
