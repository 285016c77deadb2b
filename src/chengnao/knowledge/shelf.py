"""A few documents in memory, searched and asked as the platform's own are, with nothing started."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chengnao.knowledge.grounding.answer import answered
from chengnao.knowledge.grounding.model import Grounded
from chengnao.knowledge.grounding.question import Rarity
from chengnao.knowledge.index import Index, IndexedDocument, Writer
from chengnao.knowledge.model import PLATFORM, DocumentKind, Filter, Hit, Passage, Source
from chengnao.knowledge.search import DEPTH, Ranking, fuse
from chengnao.models.client import ModelClient
from chengnao.models.embedded.embedding import embed

LOOKED_AT = 20
"""Passages that are looked at for an answer."""


class Shelf:
    """Documents with their passages and vectors; the index of words lies in `folder`, which may be a scratch one."""

    def __init__(self, folder: Path) -> None:
        self._writer: Writer | None = Writer(folder)
        self._index = Index(folder)
        self._hits: dict[str, Hit] = {}
        self._order: list[str] = []
        self._rows: list[NDArray[np.float32]] = []
        self._vectors = np.zeros((0, 0), dtype=np.float32)

    def add(self, source: Source, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
        """Put a document on the shelf; it is found after `close`."""
        assert self._writer is not None
        about = source.about
        self._writer.replace(
            IndexedDocument(
                source.id,
                source.base_id,
                about.title,
                DocumentKind(about.kind),
                about.number,
                ("everyone",),
                about.valid_from,
                source.ends,
                passages,
            )
        )
        for passage, row in zip(passages, vectors, strict=True):
            self._hits[passage.id] = Hit(passage, source, 0.0, 0.0)
            self._order.append(passage.id)
            self._rows.append(row)

    def close(self) -> None:
        """No more documents come."""
        assert self._writer is not None
        self._writer.commit("shelf")
        self._writer.close()
        self._writer = None
        self._vectors = np.stack(self._rows)
        self._rows = []

    @cached_property
    def rarity(self) -> Rarity:
        """How much a pair of characters tells among these documents."""
        return rarity_of(self._index)

    def words(self, query: str, limit: int = DEPTH) -> Ranking:
        """Passages by their words alone."""
        return self._index.search(query, Filter(PLATFORM), limit)

    def meaning(self, query: str, limit: int = DEPTH) -> Ranking:
        """Passages by their meaning alone."""
        cosines = self._vectors @ embed([query])[0]
        best = np.argsort(-cosines, kind="stable")[:limit]
        return [(self._order[place], float(cosines[place])) for place in best]

    def search(self, query: str, limit: int = 10) -> list[Hit]:
        """The passages that answer best to the query, whether in force or not."""
        meaning = self.meaning(query, max(DEPTH, limit))
        cosines = dict(meaning)
        best = fuse(self.words(query, max(DEPTH, limit)), meaning, limit)
        least = meaning[-1][1] if meaning else 0.0
        return [replace(self._hits[each], score=score, cosine=cosines.get(each, least)) for each, score in best]

    async def ask(self, question: str, day: date, client: ModelClient | None = None, **more: Any) -> Grounded:
        """The answer that these documents give, as `service.ask` gives it over the platform's."""
        hits = self.search(question, LOOKED_AT)
        return await answered(question, hits, self.rarity, day, client, **more)


def rarity_of(index: Index) -> Rarity:
    """How much a pair of characters tells, from the counts of an index."""
    known: dict[str, float] = {}

    def rarity(word: str) -> float:
        if word not in known:
            counts, total = index.frequencies([word])
            known[word] = math.log(1 + total / (1 + counts[word]))
        return known[word]

    return rarity
