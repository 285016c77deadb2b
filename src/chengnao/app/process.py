"""`python -m chengnao.app.process NAME`: one process of the platform, started by the supervisor.

`gateway-2` is the second of several processes of the kind `gateway`.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module

from chengnao.kernel.settings import Settings, load_settings

# Imported only in the process that runs it, which keeps the memory of the others small.
PROCESSES = {
    "prepare": "chengnao.app.bootstrap:prepare",
    "store": "chengnao.sensing.store.process:run",
    "gateway": "chengnao.sensing.gateways.process:run",
    "writer": "chengnao.sensing.readings.writer:run",
    "worker": "chengnao.app.worker:run",
    "web": "chengnao.api.process:run",
    "models": "chengnao.models.process:run",
    "agents": "chengnao.agents.process:run",
    "city": "chengnao.demonstration.process:run",
}


def main(name: str) -> None:
    """Run the process until it ends by itself or is asked to by SIGTERM."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    kind, _, number = name.partition("-")
    module, _, function = PROCESSES[kind].partition(":")
    run: Callable[..., Awaitable[None]] = getattr(import_module(module), function)
    if number:
        run = partial(run, number=int(number))
    asyncio.run(_until_told(run, load_settings()))


async def _until_told(run: Callable[[Settings], Awaitable[None]], settings: Settings) -> None:
    """SIGTERM cancels `run`, whose `finally` blocks finish what is under way."""
    task = asyncio.ensure_future(run(settings))
    told = False

    def tell() -> None:
        nonlocal told
        told = True
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tell)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise


if __name__ == "__main__":
    main(sys.argv[1])
