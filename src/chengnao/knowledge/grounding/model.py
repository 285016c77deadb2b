"""What a grounded answer consists of."""

from dataclasses import dataclass
from typing import Literal

from chengnao.knowledge.model import Hit

By = Literal["model", "extract"]

NOT_FOUND = "未找到依据"
NOT_FOUND_EN = "no basis found"


@dataclass(frozen=True)
class Citation:
    """Where a sentence comes from; `quote` stands in the passage, word for word."""

    hit: Hit
    quote: str


@dataclass(frozen=True)
class Sentence:
    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True)
class Conflict:
    """Two texts in force that give different amounts for what seems to be one thing: a person must decide."""

    first: Citation
    second: Citation
    amounts: tuple[str, str]


@dataclass(frozen=True)
class Grounded:
    """An answer to a question. Where `found` is false there are no sentences; `outdated` shows texts that would have
    answered and are no longer (or not yet) in force. `confidence`: how sure it is that there is an answer, 0 to 1."""

    found: bool
    sentences: tuple[Sentence, ...]
    by: By
    confidence: float
    conflicts: tuple[Conflict, ...] = ()
    outdated: tuple[Citation, ...] = ()
    dropped: int = 0
    """Sentences that a model wrote and no passage carried."""
    suspects: tuple[Hit, ...] = ()
    """Passages left out of the answer because they speak to machines."""

    @property
    def text(self) -> str:
        return "".join(each.text for each in self.sentences) if self.found else NOT_FOUND
