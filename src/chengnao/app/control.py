"""Starts, finds and stops the supervisor of a data folder."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chengnao.app.supervisor import StartFailed, lock_path, prepare_home
from chengnao.kernel.logs import RotatingLog, tail
from chengnao.kernel.settings import Settings
from chengnao.kernel.status import PlatformStatus, read_status

START_SECONDS = 600.0
STOP_SECONDS = 90.0
_LOOK_SECONDS = 0.2


def running_pid(home: Path) -> int | None:
    """The number of the supervisor that holds the data folder, or None."""
    try:
        with lock_path(home).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read().strip() or 0) or None
    except (FileNotFoundError, ValueError):
        pass
    return None


def current_status(home: Path) -> PlatformStatus | None:
    """The status of the running platform; None where it does not run."""
    pid = running_pid(home)
    status = read_status(home)
    return status if status is not None and status.pid == pid else None


def start_detached(settings: Settings, watch: Callable[[PlatformStatus], None]) -> PlatformStatus:
    """Start a supervisor that outlives this command and return once all runs.

    `watch` sees each status on the way; raises StartFailed with the end of the log where the platform does not come up.
    """
    prepare_home(settings.home)
    path = settings.home / "logs" / "supervisor.log"
    RotatingLog(path).close()
    with path.open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "chengnao.app.supervisor"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "CHENGNAO_HOME": str(settings.home)},
            cwd="/",
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = supervisor.poll() is not None
        status = read_status(settings.home)
        if status is not None and status.pid == supervisor.pid:
            watch(status)
            if status.state == "running":
                return status
            if status.error is not None and ended:
                raise StartFailed(str(status.error["code"]), **dict(status.error["params"]))  # type: ignore[call-overload]
        if ended:
            raise StartFailed("supervisor_ended", code=supervisor.returncode, file=str(path), tail=tail(path))
        time.sleep(_LOOK_SECONDS)
    raise StartFailed("supervisor_slow", seconds=int(START_SECONDS), file=str(path), tail=tail(path))


def stop(home: Path, watch: Callable[[PlatformStatus], None]) -> bool:
    """Stop the platform and return once all its processes have ended; False where none ran."""
    pid = running_pid(home)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while running_pid(home) == pid:
        if time.monotonic() > deadline:
            raise StartFailed("stop_slow", pid=pid, seconds=int(STOP_SECONDS))
        status = read_status(home)
        if status is not None:
            watch(status)
        time.sleep(_LOOK_SECONDS)
    return True


def reload(home: Path) -> bool:
    """Have the running supervisor read its settings again; False where none runs."""
    pid = running_pid(home)
    if pid is None:
        return False
    os.kill(pid, signal.SIGHUP)
    return True
