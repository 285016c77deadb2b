"""What a text was understood to say, and the rules that a city writes for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chengnao.kernel.errors import Invalid
from chengnao.kernel.organisation.model import ancestors

CLASSIFIER = "incident-classifier"
"""What the registry of models calls the one that says the category."""
NO_MATTER = "none"
"""The label of a text that holds nothing to handle: a greeting, thanks, a wrong number."""


CLEAR = 0.15
"""How far a place must be ahead of the next to be taken for the one that is meant."""


@dataclass(frozen=True)
class Row:
    """One text with the label that it was given."""

    text: str
    label: str
    group: str = ""
    """Rows of one group were made from each other: an evaluation never learns from one to guess another."""


@dataclass(frozen=True)
class Alternative:
    label: str
    confidence: float


@dataclass(frozen=True)
class Classification:
    """What a classifier says of one text."""

    category: str | None
    """None where it abstains."""
    best: str
    confidence: float
    """Of `best`: how often texts like this one are really of it."""
    alternatives: tuple[Alternative, ...]
    """The three likeliest labels, `best` first."""

    @property
    def abstained(self) -> bool:
        return self.category is None


@dataclass(frozen=True)
class CategoryRule:
    """Words that decide a category before any classifier is asked."""

    id: str
    category: str
    all_words: tuple[str, ...] = ()
    """Each of these stands in the text..."""
    any_words: tuple[str, ...] = ()
    """...and at least one of these, where any are given."""
    division_code: str | None = None
    """Where it holds: this division and those below it; None everywhere."""
    note: str = ""
    """Why the city made it."""

    def __post_init__(self) -> None:
        if not any(word.strip() for word in (*self.all_words, *self.any_words)):
            raise Invalid("category_rule_no_words", field="any_words")

    def holds_in(self, division_code: str | None) -> bool:
        """Whether the rule holds in the division; one of a division holds nowhere where the place is not known."""
        return self.division_code is None or (
            division_code is not None and self.division_code in ancestors(division_code)
        )

    def matches(self, text: str) -> tuple[str, ...]:
        """The rule's words in the text, empty where it does not match."""
        lower = text.lower()
        if not all(word.lower() in lower for word in self.all_words):
            return ()
        found = tuple(word for word in self.any_words if word.lower() in lower)
        return () if self.any_words and not found else (*self.all_words, *found)


def deciding_rule(
    rules: Sequence[CategoryRule], text: str, division_code: str | None
) -> tuple[CategoryRule, tuple[str, ...]] | None:
    """The rule that decides, with the words it found: that of the nearest division, then that with most words."""
    found = [(rule, rule.matches(text)) for rule in rules if rule.holds_in(division_code)]
    found = [(rule, words) for rule, words in found if words]

    def weight(pair: tuple[CategoryRule, tuple[str, ...]]) -> tuple[int, int, str]:
        rule, words = pair
        return len(rule.division_code or ""), sum(map(len, words)), rule.id

    return max(found, key=weight, default=None)


@dataclass(frozen=True)
class Reason:
    """Why something was decided, as the screen shows it."""

    zh: str
    en: str


@dataclass(frozen=True)
class PlaceCandidate:
    """A division that the text may mean."""

    code: str
    name: str
    full_name: str
    """With the names of the divisions above it."""
    words: str
    """As the text has it."""
    score: float
    """1 for the whole name with its district; less for what is short or could be another."""


@dataclass(frozen=True)
class Road:
    """A road, a housing estate or a landmark as the text names it, with its house number where one follows."""

    name: str
    number: str
    kind: str
    """road, estate or landmark."""


@dataclass(frozen=True)
class TimeFound:
    """A time that the text names: from `start` to `end`, or every time that a habit comes back."""

    words: str
    start: datetime | None
    """None where the text leaves the beginning open."""
    end: datetime | None
    recurring: bool = False


@dataclass(frozen=True)
class Party:
    """A body that the text names: a company, a school, a property manager; never a person."""

    name: str
    kind: str


@dataclass(frozen=True)
class Matter:
    """One of several matters in one text."""

    text: str
    category: str | None
    confidence: float


@dataclass(frozen=True)
class Understanding:
    """What one text was understood to say; each part is a proposal that a person may change."""

    category: str | None
    """None where nothing decides: a person must choose. NO_MATTER where there is nothing to handle."""
    confidence: float
    abstained: bool
    alternatives: tuple[Alternative, ...]
    category_reasons: tuple[Reason, ...]
    grade: int
    grade_reasons: tuple[Reason, ...]
    divisions: tuple[PlaceCandidate, ...]
    """The likeliest first; more than one where the words could mean several."""
    roads: tuple[Road, ...]
    times: tuple[TimeFound, ...]
    parties: tuple[Party, ...]
    matters: tuple[Matter, ...]
    """Two or more where the text tells several; empty otherwise."""

    @property
    def division_code(self) -> str | None:
        """The division, where the text leaves no doubt of it."""
        return clear_place(self.divisions)


def clear_place(candidates: Sequence[PlaceCandidate]) -> str | None:
    """The code of the first candidate where it is alone or well ahead of the second."""
    if not candidates:
        return None
    clear = len(candidates) == 1 or candidates[0].score - candidates[1].score >= CLEAR
    return candidates[0].code if clear else None


def classifier_path(home: Path) -> Path:
    """Where an installation keeps the classifier in use."""
    return home / "models" / "classifier.skops"
