"""The drafts that wait to be read; they are read beside the requests, one after the other."""

import asyncio
import logging

from chengnao.incident.drafts import service
from chengnao.incident.drafts.model import Reading
from chengnao.incident.drafts.reader import Reader
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.privacy.vault import Vault
from chengnao.kernel.web import Context

log = logging.getLogger(__name__)


class ReadingQueue:
    """Has drafts read that are kept already; one that is lost with the process shows as interrupted."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn = asyncio.Semaphore(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, draft_id: str) -> None:
        """Have the draft read when its turn comes."""
        task = asyncio.create_task(self._read(draft_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Return when nothing waits any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def _read(self, draft_id: str) -> None:
        home, database = self._context.settings.home, self._context.database
        try:
            async with self._turn:
                async with database.unit_of_work() as uow:
                    draft = await service.begin_reading(uow, draft_id)
                    await uow.commit()
                if draft is None:
                    return
                outcome: Reading | ChengnaoError
                try:
                    outcome = await Reader(home).read(draft.channel, service.file_of(home, draft))
                except ChengnaoError as error:
                    outcome = error
                async with database.unit_of_work() as uow:
                    await service.finish_reading(uow, Vault.of(home), draft_id, outcome)
                    await uow.commit()
        except Exception:
            log.exception("draft %s was not read", draft_id)
