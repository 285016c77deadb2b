"""One child process: started so that it never outlives its parent, its output kept in a log file."""

import asyncio
import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chengnao.kernel.logs import RotatingLog

LONGEST_PAUSE = 8.0
STEADY_SECONDS = 30.0

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Launch:
    """One way to start a process; `user` and `group` are None where it runs as its parent does."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    user: int | None = None
    group: int | None = None


class Child:
    """A running process; `ended` is set once it has ended and been reaped."""

    def __init__(self, process: asyncio.subprocess.Process, output: int, log: RotatingLog) -> None:
        self.pid = process.pid
        self._process = process
        self._log = log
        self._handle: psutil.Process | None = None
        self.started = time.time()
        with suppress(psutil.Error):  # it may have ended by now
            self._handle = psutil.Process(process.pid)
            self.started = self._handle.create_time()
        self.ended = asyncio.Event()
        self._watching = asyncio.create_task(self._watch(output))

    @classmethod
    async def start(cls, launch: Launch, log: RotatingLog, stop_signal: signal.Signals) -> "Child":
        """Start the process; raises OSError where its program cannot be run."""
        parent = os.getpid()

        def die_with_parent() -> None:
            # A parent that is killed can stop nobody, so the kernel does it; it does so for the thread that
            # forked, which here is the main one.
            assert _libc is not None
            _libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        # A pipe of our own: asyncio would not tell of the child's end while a grandchild holds the other end open.
        output, child_output = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=child_output,
                stderr=child_output,
                env={**os.environ, **launch.environment},
                cwd=launch.folder,
                start_new_session=True,  # a Ctrl-C in the terminal reaches the parent alone
                preexec_fn=die_with_parent if _libc is not None else None,
                user=launch.user,
                group=launch.group,
                extra_groups=None if launch.user is None else [],
            )
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(child_output)
        return cls(process, output, log)

    @property
    def code(self) -> int | None:
        return self._process.returncode

    async def _watch(self, output: int) -> None:
        copying = asyncio.create_task(self._copy(output))
        await self._process.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(copying, 1.0)
        self.ended.set()

    async def _copy(self, output: int) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb", buffering=0)
        )
        try:
            while data := await stream.read(65_536):
                self._log.write(data)
        finally:
            transport.close()

    def memory_mb(self) -> float | None:
        """Proportional memory of the process and its own children, so that shared pages are counted once."""
        total = 0
        for process in self._family():
            with suppress(psutil.Error):
                info = process.memory_full_info()
                total += getattr(info, "pss", info.rss)
        return round(total / 2**20, 1) if total else None

    def _family(self) -> list[psutil.Process]:
        if self._handle is None:
            return []
        try:
            return [self._handle, *self._handle.children(recursive=True)]
        except psutil.Error:
            return []

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, number: signal.Signals, seconds: float) -> None:
        """Ask the process to end; after `seconds` make it and its children end."""
        if self.ended.is_set():
            return
        family = self._family()
        self.send(number)
        with suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), seconds)
            return
        for process in family:
            with suppress(psutil.Error):
                process.kill()
        await self.ended.wait()


class Backoff:
    """Pauses between restarts: short at first, doubling, short again once a process has run steadily."""

    def __init__(self) -> None:
        self._failures = 0

    def pause(self, ran_seconds: float) -> float:
        """How long to wait before the next start, after a run of that length."""
        if ran_seconds >= STEADY_SECONDS:
            self._failures = 0
        self._failures += 1
        return min(LONGEST_PAUSE, 0.1 * 2.0 ** (self._failures - 1))
