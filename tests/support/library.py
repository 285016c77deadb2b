"""A library over a real database: documents in, the worker's steps by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.database import Database
from chengnao.kernel.vocabulary import DataClass
from chengnao.knowledge import keeping, service
from chengnao.knowledge.grounding.model import Grounded
from chengnao.knowledge.model import PLATFORM, About, Document, Edition, Hit, KnowledgeBase, Ownership, Readership
from chengnao.knowledge.reading.blocks import Block
from chengnao.knowledge.reading.work import ReadDocument
from chengnao.knowledge.repository import KnowledgeRepository
from chengnao.knowledge.splitting import split
from chengnao.knowledge.worker import KnowledgeWorker

CITY = "500000"
KEEPER = Principal("keeper", "知识管理员", "user", frozenset({Role.STEWARD}), CITY, "city-office")


@dataclass
class Library:
    database: Database
    home: Path
    worker: KnowledgeWorker = field(init=False)

    def __post_init__(self) -> None:
        self.worker = KnowledgeWorker(self.database, self.home)

    async def base(self, owner: Ownership | None = None, name: str = "规章") -> KnowledgeBase:
        async with self.database.unit_of_work() as uow:
            owned = owner or Ownership(CITY, "city-office", DataClass.PUBLIC)
            base = await keeping.add_base(uow, KEEPER, name, "", owned)
            await uow.commit()
        return base

    async def hand_in(
        self, base: KnowledgeBase, name: str, data: bytes | str, owner: Ownership | None = None, **about: Any
    ) -> Document:
        file = keeping.Handed(name, data.encode() if isinstance(data, str) else data)
        async with self.database.unit_of_work() as uow:
            said = About(**{"title": name} | about)
            document = await keeping.add_document(uow, self.home, KEEPER, base, said, owner or base.owner, file)
            await uow.commit()
        return document

    async def put(self, base: KnowledgeBase, texts: Sequence[str], owner: Ownership | None = None) -> Document:
        """A document whose passages are these texts, with vectors that mean nothing: for counting, not for meaning."""
        document = await self.hand_in(base, "放入.txt", "\n".join(texts), owner)
        passages = split(document.id, [Block("paragraph", f"第{n}条 {text}") for n, text in enumerate(texts, start=1)])
        vectors = np.random.default_rng(1).normal(size=(len(passages), 384)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        async with self.database.unit_of_work() as uow:
            await keeping.begin_reading(uow, document.id, 1)
            read = ReadDocument("text", "text", None, (), tuple(passages), vectors)
            await keeping.finish_reading(uow, document.id, 1, read)
            await uow.commit()
        return document

    async def work(self) -> None:
        """All that is left to do."""
        while await self.worker.read_step() or await self.worker.index_step():
            pass

    async def document(self, document_id: str) -> tuple[Document, Edition]:
        async with self.database.unit_of_work() as uow:
            repository = KnowledgeRepository(uow.session)
            document = await service.require_document(uow, PLATFORM, document_id)
            return document, (await repository.editions(document_id))[0]

    async def search(self, query: str, readership: Readership = PLATFORM, **how: Any) -> list[Hit]:
        async with self.database.unit_of_work() as uow:
            return await service.search(uow, self.home, readership, query, **how)

    async def ask(
        self, question: str, readership: Readership = PLATFORM, on: date | None = None, **how: Any
    ) -> Grounded:
        async with self.database.unit_of_work() as uow:
            return await service.ask(uow, self.home, readership, question, on=on, **how)
