"""`python -m tests.support.knowledge_worker URL HOME`: the worker that keeps knowledge, for a test to kill."""

import asyncio
import sys
from pathlib import Path

from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.knowledge import worker


async def main(url: str, home: Path) -> None:
    worker.DOCUMENTS_AT_ONCE = 3  # many commits, so that a kill falls between or into them
    await worker.KnowledgeWorker(Database.connect(url, SystemClock()), home).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
