"""Real engines for tests, kept up by the platform's own runners in a thread of their own."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

from chengnao.app.runner import Runner
from chengnao.app.spec import Spec
from chengnao.app.supervisor import prepare_home
from chengnao.kernel.logs import tail

T = TypeVar("T")


def make_home() -> Path:
    """A data folder in /tmp with a short path that PostgreSQL's own account may enter; the caller removes it."""
    home = Path(tempfile.mkdtemp(prefix="chengnao-test-", dir="/tmp"))
    prepare_home(home)
    return home


def remove_home(home: Path) -> None:
    shutil.rmtree(home, ignore_errors=True)


class Stack:
    """Runs processes by their specs until it is closed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runners: dict[str, Runner] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self, spec: Spec, seconds: float = 60.0) -> Runner:
        """Start the process and return once it is ready."""
        return self._call(self._start(spec, seconds))

    def stop(self, name: str) -> None:
        self._call(self.runners.pop(name).stop())

    def close(self) -> None:
        for name in reversed(list(self.runners)):
            self.stop(name)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _start(self, spec: Spec, seconds: float) -> Runner:
        runner = self.runners[spec.name] = Runner(spec, self.home / "logs")
        runner.start()
        waits = [asyncio.create_task(event.wait()) for event in (runner.ready, runner.gave_up)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()
        if not runner.ready.is_set():
            raise AssertionError(f"{spec.name} is not ready: {runner.status}\n{tail(runner.log_path, 30)}")
        return runner

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
