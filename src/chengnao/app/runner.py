"""Keeps one process running."""

import asyncio
import logging
import time
from contextlib import suppress
from pathlib import Path

from chengnao.app.spec import Check, Spec
from chengnao.kernel.child import Backoff, Child
from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.logs import RotatingLog
from chengnao.kernel.status import ProcessStatus

log = logging.getLogger(__name__)

PATIENCE_READY = 30.0
PATIENCE_STARTING = 60.0
FAILURES_BEFORE_GIVING_UP = 5


class Runner:
    """Starts the process of a spec again whenever it ends or gives no sign of life.

    `ready` is set while the process is ready; `gave_up` once it has failed several times without ever being ready.
    """

    def __init__(self, spec: Spec, logs: Path) -> None:
        self.spec = spec
        self.log_path = logs / f"{spec.name}.log"
        self.status = ProcessStatus(spec.name, port=spec.port)
        self.ready = asyncio.Event()
        self.gave_up = asyncio.Event()
        self._log = RotatingLog(self.log_path)
        self._child: Child | None = None
        self._task: asyncio.Task[None] | None = None
        self._ever_ready = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self.spec.name)

    async def stop(self) -> None:
        """End the process and stay down."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self.status.state = "stopping"
        await self._end_child()
        self._log.close()
        self.status.state = "stopped"

    async def restart(self) -> None:
        """End the process; it comes back by itself."""
        if self._child is not None:
            await self._child.stop(self.spec.stop_signal, self.spec.stop_seconds)

    def measure(self) -> None:
        """Take the memory in use into the status."""
        self.status.memory_mb = self._child.memory_mb() if self._child is not None else None

    async def _run(self) -> None:
        backoff = Backoff()
        failures = 0
        while True:
            self.status.state = "starting"
            began = time.monotonic()
            reason = await self._live()
            self.ready.clear()
            await self._end_child()
            self.status.state = "restarting"
            self.status.detail = reason
            self.status.restarts += 1
            self.status.lag = None
            failures += 1
            if not self._ever_ready and failures >= FAILURES_BEFORE_GIVING_UP:
                self.gave_up.set()
            pause = backoff.pause(time.monotonic() - began)
            log.warning("%s: %s; starting again in %.1f s", self.spec.name, reason, pause)
            await asyncio.sleep(pause)

    async def _live(self) -> str:
        """One life of the process; returns why it is over."""
        try:
            launch = await self.spec.prepare()
            self._child = await Child.start(launch, self._log, self.spec.stop_signal)
        except ChengnaoError as error:
            self._log.write(f"{error}\n".encode())
            return str(error)
        except OSError as error:
            self._log.write(f"{error}\n".encode())
            return f"{type(error).__name__}: {error}"
        self.status.pid, self.status.started = self._child.pid, self._child.started
        watch = Watch(time.monotonic())
        while not self._child.ended.is_set():
            check = await self._check()
            if self._child.ended.is_set():
                break
            self._take(check)
            if watch.silent(check, time.monotonic()):
                self.status.state = "unhealthy"
                return "no sign of life"
            with suppress(TimeoutError):
                await asyncio.wait_for(self._child.ended.wait(), 1.0 if check.ready else 0.2)
        code = self._child.code
        return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"

    async def _check(self) -> Check:
        try:
            async with asyncio.timeout(5):
                return await self.spec.check()
        except TimeoutError:
            return Check(alive=False, ready=False, detail="no answer in 5 s")

    def _take(self, check: Check) -> None:
        if check.ready:
            self._ever_ready = True
            self.ready.set()
            self.status.state = "ready"
        else:
            self.ready.clear()
            if self.status.state == "ready":
                self.status.state = "unhealthy"
        self.status.lag, self.status.detail = check.lag, check.detail

    async def _end_child(self) -> None:
        if self._child is not None:
            await self._child.stop(self.spec.stop_signal, self.spec.stop_seconds)
            self._child = None
        self.status.pid = self.status.started = self.status.memory_mb = None


class Watch:
    """Judges silence by monotonic time, so that a jump of the wall clock kills nobody."""

    def __init__(self, now: float) -> None:
        self._heard = now
        self._beat: float | None = None
        self._was_ready = False

    def silent(self, check: Check, now: float) -> bool:
        """Whether the process has given no sign of life for too long."""
        self._was_ready = self._was_ready or check.ready
        if check.alive and (check.beat is None or check.beat != self._beat):
            self._beat = check.beat
            self._heard = now
        return now - self._heard > (PATIENCE_READY if self._was_ready else PATIENCE_STARTING)
