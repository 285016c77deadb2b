"""Use cases of knowledge for those who look something up: search and grounded answers. None commits."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

from chengnao.kernel.clock import CST
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import NotFound, Unavailable
from chengnao.knowledge.grounding.answer import answered
from chengnao.knowledge.grounding.model import Grounded
from chengnao.knowledge.grounding.question import Rarity
from chengnao.knowledge.index import Index
from chengnao.knowledge.model import (
    Document,
    DocumentKind,
    Filter,
    Hit,
    KnowledgeBase,
    Readership,
    Validity,
)
from chengnao.knowledge.repository import KnowledgeRepository
from chengnao.knowledge.search import DEPTH, fuse
from chengnao.knowledge.shelf import LOOKED_AT, rarity_of
from chengnao.models.client import ModelClient
from chengnao.models.embedded.embedding import embed

_OUTDATED = 10
"""Passages that are looked at for texts that are no longer, or not yet, in force."""

log = logging.getLogger(__name__)


async def require_base(uow: UnitOfWork, readership: Readership, base_id: str) -> KnowledgeBase:
    base = await KnowledgeRepository(uow.session).base(readership, base_id)
    if base is None:
        raise NotFound("not_found", kind="知识库 knowledge base", id=base_id)
    return base


async def require_document(
    uow: UnitOfWork, readership: Readership, document_id: str, *, lock: bool = False
) -> Document:
    document = await KnowledgeRepository(uow.session).document(readership, document_id, lock=lock)
    if document is None:
        raise NotFound("not_found", kind="文档 document", id=document_id)
    return document


@cache
def index_at(home: Path) -> Index:
    """The index of words of this data folder, for those who search."""
    return Index(index_folder(home))


def index_folder(home: Path) -> Path:
    return home / "knowledge" / "index"


async def search(
    uow: UnitOfWork,
    home: Path,
    readership: Readership,
    query: str,
    *,
    on: date | None = None,
    base_ids: Sequence[str] = (),
    kinds: Sequence[DocumentKind] = (),
    limit: int = 10,
) -> list[Hit]:
    """The passages that answer best to the query, by words and meaning, best first.

    What may not be read, lies outside the bases or kinds, or was not in force `on` that day is left out before anything
    is ranked. Without the index of words (it is being made anew) what counts is meaning alone.
    """
    wanted = Filter(readership, tuple(base_ids), tuple(kinds), on)
    query = " ".join(query.split())
    if not query:
        return []
    repository = KnowledgeRepository(uow.session)
    vector = (await asyncio.to_thread(embed, [query]))[0]
    depth = max(DEPTH, limit)
    try:
        words = await asyncio.to_thread(index_at(home).search, query, wanted, depth)
    except Unavailable as error:
        log.warning("a search goes by meaning alone: %s", error)
        words = []
    meaning = await repository.nearest(wanted, vector, depth)
    best = fuse(words, meaning, limit)
    found = await repository.hits(wanted, [passage_id for passage_id, _ in best], vector)
    return [replace(found[passage_id], score=score) for passage_id, score in best if passage_id in found]


async def passage(uow: UnitOfWork, readership: Readership, passage_id: str) -> Hit:
    """One passage with its document; raises NotFound where there is none that the asker may read."""
    found = await KnowledgeRepository(uow.session).hits(Filter(readership), [passage_id])
    if passage_id not in found:
        raise NotFound("not_found", kind="段落 passage", id=passage_id)
    return found[passage_id]


async def ask(
    uow: UnitOfWork,
    home: Path,
    readership: Readership,
    question: str,
    *,
    on: date | None = None,
    base_ids: Sequence[str] = (),
    client: ModelClient | None = None,
    **asker: str | None,
) -> Grounded:
    """An answer whose every sentence stands in a passage that the asker may read, or "no basis found".

    `on` is the day whose law counts, today where it is None. Without a client, or where no model answers, the answer
    is made of the passages' own sentences. `asker` (purpose, unit_id, division_code, trace) is told to the gateway.
    """
    day = on or today(uow)
    hits = await search(uow, home, readership, question, on=day, base_ids=base_ids, limit=LOOKED_AT)
    others = await search(uow, home, readership, question, base_ids=base_ids, limit=_OUTDATED)
    hits += [each for each in others if each.source.validity(day) is not Validity.IN_FORCE]
    return await answered(question, hits, _rarity(home), day, client, **asker)


def _rarity(home: Path) -> Rarity:
    """How much a pair of characters tells; all the same where there is no index at the moment."""
    known = rarity_of(index_at(home))

    def rarity(word: str) -> float:
        try:
            return known(word)
        except Unavailable:
            return 1.0

    return rarity


def today(uow: UnitOfWork) -> date:
    """The day that it is in the city."""
    return uow.clock.now().astimezone(CST).date()
