"""Processes of the platform under a hand that kills and starts them."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from chengnao.kernel.health import health_path, read_health
from chengnao.kernel.settings import Settings


class ChildProcess:
    """One process, as its supervisor would start it."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.name = name
        self._settings = settings
        self._environment = os.environ | {
            "CHENGNAO_HOME": str(settings.home),
            "CHENGNAO_BASE_PORT": str(settings.base_port),
            "CHENGNAO_DATABASE_URL": settings.database_url or "",
            "CHENGNAO_NATS_URLS": json.dumps(settings.nats_urls),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.kills = 0

    @property
    def log(self) -> Path:
        return self._settings.home / f"{self.name}.log"

    def start(self) -> None:
        health_path(self._settings.home, self.name).unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "chengnao.app.process", self.name],
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    async def ready(self, seconds: float = 60.0) -> None:
        async with asyncio.timeout(seconds):
            while (health := read_health(self._settings.home, self.name)) is None or not health.ready:
                assert self._process is not None
                assert self._process.poll() is None, self.log.read_text()[-2000:]
                await asyncio.sleep(0.05)

    async def end(self, with_signal: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(with_signal)
        await asyncio.to_thread(self._process.wait, 30)

    async def kill_and_start(self) -> None:
        await self.end(signal.SIGKILL)
        self.kills += 1
        self.start()
        await self.ready()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


async def kill_at_random(children: list[ChildProcess], seconds: float, chance: random.Random) -> None:
    """One after another, whichever it is, until the time is over; three at least, however slow the machine."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until or sum(child.kills for child in children) < 3:
        await asyncio.sleep(chance.uniform(0.1, 1.0))
        await chance.choice(children).kill_and_start()
