"""Reads documents that were handed in and keeps the index of words up to the database.

It may be killed at any moment: what is left to do stands in the database, and the index tells by its stamp whether it
is the one that the database knows.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from chengnao.kernel.database import Database
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.ids import new_id
from chengnao.knowledge import keeping, service
from chengnao.knowledge.index import Writer
from chengnao.knowledge.reading.work import ReadDocument, read_file
from chengnao.knowledge.repository import KnowledgeRepository, Work

log = logging.getLogger(__name__)

SECONDS = 1.0
"""Between two looks where there is nothing to do."""
ATTEMPTS = 3
TOGETHER = 2
"""Files that are read at a time, each in a process of its own."""
DOCUMENTS_AT_ONCE = 50


class KnowledgeWorker:
    """The one reader of documents and the one writer of the index of an installation."""

    def __init__(self, database: Database, home: Path) -> None:
        self._database = database
        self._home = home
        self._writer: Writer | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self.read_step, "documents"))
            group.create_task(self._repeat(self.index_step, "the index"))

    async def _repeat(self, step: Callable[[], Awaitable[bool]], what: str) -> None:
        while True:
            try:
                busy = await step()
            except (SQLAlchemyError, OSError, ChengnaoError) as error:
                log.warning("%s must wait: %s", what, error)
                busy = False
            except Exception:  # nothing that a document does may end the worker
                log.exception("%s must wait", what)
                busy = False
            await asyncio.sleep(0 if busy else SECONDS)

    async def read_step(self) -> bool:
        """Read a few documents; False where none waits."""
        async with self._database.unit_of_work() as uow:
            waiting = await KnowledgeRepository(uow.session).unread(TOGETHER)
        await asyncio.gather(*(self._read(each) for each in waiting))
        return bool(waiting)

    async def _read(self, work: Work) -> None:
        document_id, number = work.document.id, work.edition.number
        async with self._database.unit_of_work() as uow:
            edition = await keeping.begin_reading(uow, document_id, number)
            await uow.commit()
        if edition is None:
            return
        outcome: ReadDocument | ChengnaoError
        try:
            if edition.attempts > ATTEMPTS:
                raise ChengnaoError("knowledge_reading_died", file=edition.file_name)
            data = await asyncio.to_thread(keeping.file_of, self._home, edition)
            outcome = await read_file(document_id, edition.file_name, data, self._home)
        except ChengnaoError as error:
            log.info("document %s (%s) is not read: %s", document_id, edition.file_name, error)
            outcome = error
        async with self._database.unit_of_work() as uow:
            await keeping.finish_reading(uow, document_id, number, outcome)
            await uow.commit()

    async def index_step(self) -> bool:
        """Bring a few documents in the index up to the database; False where none waits."""
        if self._writer is None:
            self._writer = await self._opened()
        async with self._database.unit_of_work() as uow:
            repository = KnowledgeRepository(uow.session)
            queued = await repository.queued(DOCUMENTS_AT_ONCE)
            if not queued:
                return False
            documents = {each: await repository.indexed(each) for each in queued}
            stamp, following = (await repository.stamps())[0], new_id()
            await repository.set_stamps(stamp, following)
            await uow.commit()
        began = time.monotonic()
        writer = self._writer
        try:
            for document_id, document in documents.items():
                if document is None:
                    writer.remove(document_id)
                else:
                    await asyncio.to_thread(writer.replace, document)
            await asyncio.to_thread(writer.commit, following)
        except BaseException:
            self._writer = None  # what it holds is half done
            writer.close()
            raise
        async with self._database.unit_of_work() as uow:
            repository = KnowledgeRepository(uow.session)
            await repository.unqueue(queued)
            await repository.set_stamps(following, following)
            await uow.commit()
        log.info("%d documents indexed in %.1f s", len(queued), time.monotonic() - began)
        return True

    async def _opened(self) -> Writer:
        """The writer; where the index is not the one that the database knows, it is made anew."""
        writer = await asyncio.to_thread(Writer, service.index_folder(self._home))
        async with self._database.unit_of_work() as uow:
            repository = KnowledgeRepository(uow.session)
            found = writer.stamp()
            if found is None or found not in await repository.stamps():
                log.info("the index of knowledge is made anew")
                writer.clear()
                made = new_id()
                writer.commit(made)
                await repository.queue_all(new_id())
                await repository.set_stamps(made, made)
                await uow.commit()
        return writer

    def close(self) -> None:
        """Let another process write."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
