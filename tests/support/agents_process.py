"""`python -m tests.support.agents_process DATABASE HOME`: runs agents with the tests' tools until it is killed."""

import asyncio
import random
import sys
from pathlib import Path

from chengnao.kernel.clock import SystemClock
from chengnao.kernel.database import Database
from chengnao.kernel.durable import sweeper
from chengnao.kernel.settings import load_settings
from tests.support import agents


async def main(url: str, home: str) -> None:
    sweeper.SECONDS = 0.3
    # A kill shall also come within a tool's transaction, before and after its effect.
    agents.pause = lambda: asyncio.sleep(random.uniform(0, 0.1))
    async with agents.bureau(Database.connect(url, SystemClock(), pool_size=20), load_settings(Path(home))):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
