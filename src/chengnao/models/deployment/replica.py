"""The life of one replica: a process that serves one version, started again whenever it ends."""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from chengnao.kernel.child import Backoff, Child, Launch
from chengnao.kernel.clock import Clock
from chengnao.kernel.errors import ChengnaoError, Unavailable
from chengnao.kernel.ids import new_id
from chengnao.kernel.logs import RotatingLog, tail
from chengnao.models.deployment.memory import free_mb, needed_mb, require_room
from chengnao.models.deployment.model import Deployment, ReplicaState
from chengnao.models.deployment.repository import ReplicaStatus
from chengnao.models.registry.model import Version
from chengnao.models.serving import HOST

log = logging.getLogger(__name__)

NICENESS = 5
_MOST_THREADS = 8
_STOP_SECONDS = 5.0
_PATIENCE_STARTING = 300.0
"""Seconds until a model must have loaded: gigabytes from a slow disk take their time."""
_PATIENCE_READY = 30.0
"""Seconds without an answer until a replica is taken for stuck."""
_RETRY_MEMORY = 15.0
_MEASURE_EVERY = 10.0


@dataclass(frozen=True)
class Surroundings:
    """What every replica of an installation shares."""

    node: str
    home: Path
    clock: Clock
    http: httpx.AsyncClient
    loading: dict[str, int] = field(default_factory=dict)
    """Memory (MiB) that replicas which are loading will take, by their ids."""


class Replica:
    """Runs from `start` to `stop`; what happens to it touches no other."""

    def __init__(self, deployment: Deployment, version: Version, around: Surroundings) -> None:
        self.id = new_id()
        self.version = version.version
        self.state = ReplicaState.STARTING
        self._deployment = deployment
        self._version = version
        self._around = around
        self._since = around.clock.now()
        self._log = RotatingLog(around.home / "logs" / f"model-{deployment.name}-{self.id[-6:]}.log", keep=1)
        self._child: Child | None = None
        self._port: int | None = None
        self._restarts = 0
        self._memory: float | None = None
        self._detail: dict[str, Any] | None = None
        self._stop_seconds = _STOP_SECONDS
        self._task = asyncio.create_task(self._run(), name=f"{deployment.name} {version.version}")

    @property
    def ready(self) -> bool:
        return self.state is ReplicaState.READY

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self._port}/v1"

    def status(self) -> ReplicaStatus:
        """As it is now."""
        child = self._child
        return ReplicaStatus(
            id=self.id,
            node=self._around.node,
            deployment=self._deployment.name,
            version=self.version,
            state=self.state,
            port=self._port if child is not None else None,
            pid=None if child is None else child.pid,
            process_started=None if child is None else child.started,
            restarts=self._restarts,
            memory_mb=self._memory,
            detail=self._detail,
            since=self._since,
        )

    async def stop(self, seconds: float) -> None:
        """End it for good; what it is answering may go on for so long."""
        self._stop_seconds = seconds
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._log.close()
        self._log.path.unlink(missing_ok=True)

    def kill(self) -> None:
        """Let a `stop` that still waits for calls wait no longer."""
        if self._child is not None:
            self._child.send(signal.SIGKILL)

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            began = time.monotonic()
            try:
                await self._live()
            except ChengnaoError as error:
                self._detail = error.to_dict()
                refused = error.code == "deployment_no_memory"
                self._be(ReplicaState.REFUSED if refused else ReplicaState.PAUSED)
                pause = _RETRY_MEMORY if refused else backoff.pause(time.monotonic() - began)
                log.warning("%s %s: %s; again in %.1f s", self._deployment.name, self.version, error, pause)
            except OSError as error:
                self._detail = Unavailable("replica_ended", reason=str(error), log="").to_dict()
                self._be(ReplicaState.PAUSED)
                pause = backoff.pause(0)
                log.exception("%s %s cannot be started", self._deployment.name, self.version)
            finally:
                await self._end_child()
            self._restarts += 1
            await asyncio.sleep(pause)

    async def _live(self) -> None:
        """One life of the process, which ends by an error that says why."""
        loading = self._around.loading
        try:
            require_room(self._version.card, free_mb() - sum(loading.values()))
            loading[self.id] = needed_mb(self._version.card)
            self._be(ReplicaState.STARTING)
            self._port = _free_port()
            self._child = await Child.start(self._launch(self._port), self._log, signal.SIGTERM)
            await self._until_ready(self._child)
        finally:
            loading.pop(self.id, None)
        self._detail = None
        self._be(ReplicaState.READY)
        await self._while_well(self._child)

    async def _until_ready(self, child: Child) -> None:
        began = time.monotonic()
        while not await self._healthy():
            if child.ended.is_set():
                raise self._ended(child)
            if time.monotonic() - began > _PATIENCE_STARTING:
                raise Unavailable("replica_too_slow", seconds=int(_PATIENCE_STARTING))
            with suppress(TimeoutError):
                await asyncio.wait_for(child.ended.wait(), 0.2)

    async def _while_well(self, child: Child) -> None:
        heard = time.monotonic()
        measured = 0.0
        while not child.ended.is_set():
            if await self._healthy():
                heard = time.monotonic()
            elif time.monotonic() - heard > _PATIENCE_READY:
                raise Unavailable("replica_stuck", seconds=int(_PATIENCE_READY))
            if time.monotonic() - measured > _MEASURE_EVERY:
                memory, measured = await asyncio.to_thread(child.memory_mb), time.monotonic()
                self._memory = None if memory is None else round(memory)
            with suppress(TimeoutError):
                await asyncio.wait_for(child.ended.wait(), 1.0)
        raise self._ended(child)

    async def _healthy(self) -> bool:
        try:
            answer = await self._around.http.get(f"http://{HOST}:{self._port}/health", timeout=5.0)
        except httpx.HTTPError:
            return False
        return answer.is_success

    def _ended(self, child: Child) -> Unavailable:
        code = child.code
        reason = f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
        return Unavailable("replica_ended", reason=reason, log=tail(self._log.path, 5))

    def _launch(self, port: int) -> Launch:
        threads = self._deployment.threads or min(_MOST_THREADS, len(os.sched_getaffinity(0)))
        command = [sys.executable, "-m", "chengnao.models.serving", "--model", self._version.model_id]
        command += ["--port", str(port), "--home", str(self._around.home), "--threads", str(threads)]
        command += ["--nice", str(NICENESS)]
        if self._version.folder is not None:
            command += ["--folder", self._version.folder]
        return Launch(command, {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": str(threads)})

    def _be(self, state: ReplicaState) -> None:
        if state is not self.state:
            self.state, self._since = state, self._around.clock.now()

    async def _end_child(self) -> None:
        if self._child is not None:
            await self._child.stop(signal.SIGTERM, self._stop_seconds)
            self._child, self._memory = None, None


def _free_port() -> int:
    """A port that nobody listens on now; should another take it meanwhile, the next start finds another one."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])
