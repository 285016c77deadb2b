"""`python -m tests.support.import_worker URL HOME`: the part of the worker that does imports, for a test to kill."""

import asyncio
import sys
from pathlib import Path

from chengnao.incident.importing.worker import ImportWorker
from chengnao.incident.reports.service import Desk, nothing_understood
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.privacy.vault import Vault


async def main(url: str, home: Path) -> None:
    desk = Desk(Vault.of(home), nothing_understood)
    await ImportWorker(Database.connect(url, SystemClock()), home, desk).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
