"""One child process: started so that it never outlives the supervisor, its output kept in a log file."""

import asyncio
import ctypes
import os
import signal
import sys
from contextlib import suppress

import psutil

from chengnao.app.logs import RotatingLog
from chengnao.app.spec import Launch

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Child:
    """A running process; `ended` is set once it has ended and been reaped."""

    def __init__(self, process: asyncio.subprocess.Process, log: RotatingLog) -> None:
        self.pid = process.pid
        self._process = process
        self._log = log
        self._handle = psutil.Process(process.pid)
        self.started = self._handle.create_time()
        self.ended = asyncio.Event()
        self._pump = asyncio.create_task(self._run())

    @classmethod
    async def start(cls, launch: Launch, log: RotatingLog, stop_signal: signal.Signals) -> "Child":
        """Start the process; raises OSError where its program cannot be run."""
        supervisor = os.getpid()

        def die_with_supervisor() -> None:
            # A supervisor that is killed can stop nobody, so the kernel does it; it does so for the thread that
            # forked, which here is the main one.
            assert _libc is not None
            _libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
            if os.getppid() != supervisor:
                os._exit(1)

        process = await asyncio.create_subprocess_exec(
            *launch.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **launch.environment},
            cwd=launch.folder,
            start_new_session=True,  # a Ctrl-C in the terminal reaches the supervisor alone
            preexec_fn=die_with_supervisor if _libc is not None else None,
            user=launch.user,
            group=launch.group,
            extra_groups=None if launch.user is None else [],
        )
        return cls(process, log)

    @property
    def code(self) -> int | None:
        return self._process.returncode

    async def _run(self) -> None:
        assert self._process.stdout is not None
        # A grandchild may hold the pipe open after the child itself has ended, so both are waited for apart.
        copying = asyncio.create_task(self._copy(self._process.stdout))
        await self._process.wait()
        with suppress(TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(copying, 1.0)
        self.ended.set()

    async def _copy(self, stream: asyncio.StreamReader) -> None:
        while data := await stream.read(65_536):
            self._log.write(data)

    def memory_mb(self) -> float | None:
        """Proportional memory of the process and its own children, so that shared pages are counted once."""
        try:
            family = [self._handle, *self._handle.children(recursive=True)]
        except psutil.Error:
            return None
        total = 0
        for process in family:
            with suppress(psutil.Error):
                info = process.memory_full_info()
                total += getattr(info, "pss", info.rss)
        return round(total / 2**20, 1)

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, number: signal.Signals, seconds: float) -> None:
        """Ask the process to end; after `seconds` make it and its children end."""
        if self.ended.is_set():
            return
        with suppress(psutil.Error):
            family = self._handle.children(recursive=True)
            self.send(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), seconds)
                return
            for process in family:
                with suppress(psutil.Error):
                    process.kill()
        self.send(signal.SIGKILL)
        await self.ended.wait()
