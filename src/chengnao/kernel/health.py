"""How a process tells its supervisor that it works."""

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True)
class Health:
    """The last word of a process: `at` in real seconds since the epoch, `lag` in messages or rows behind."""

    at: float
    ready: bool
    lag: int | None = None
    detail: str = ""


class Heartbeat:
    """Writes `<home>/run/<name>.health.json` every second while it is entered; set `ready`, `lag`, `detail` freely."""

    def __init__(self, home: Path, name: str) -> None:
        self.path = health_path(home, name)
        self.ready = False
        self.lag: int | None = None
        self.detail = ""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Heartbeat":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write()
        self._task = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self.path.unlink(missing_ok=True)

    async def _beat(self) -> None:
        while True:
            self._write()
            await asyncio.sleep(1.0)

    def _write(self) -> None:
        # Not fsynced: after a power cut the file is stale anyway, and a fsync each second is not free.
        scratch = self.path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(Health(time.time(), self.ready, self.lag, self.detail))))
        scratch.replace(self.path)


def health_path(home: Path, name: str) -> Path:
    return home / "run" / f"{name}.health.json"


def read_health(home: Path, name: str) -> Health | None:
    """The last heartbeat of the process, or None where it has left none."""
    try:
        return Health(**json.loads(health_path(home, name).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
