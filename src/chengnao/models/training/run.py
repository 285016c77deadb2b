"""The process of one job: `python -m chengnao.models.training.run JOB_FOLDER`.

It ends with its runner, for the kernel asks it to when the runner dies. What it found lies in its folder; it exits with
0 where it is done, 3 where it was asked to stop, 4 where it says why it failed.
"""

import errno
import fcntl
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import BinaryIO

import orjson

from chengnao.kernel.errors import ChengnaoError
from chengnao.models.training.folder import Asked, JobFolder
from chengnao.models.training.model import Progress
from chengnao.models.training.recipe import Outcome, Row, Step, Stopped, require_recipe

DONE, STOPPED, FAILED = 0, 3, 4
NICENESS = 10
GRACE_SECONDS = 5.0
"""So long a job that is asked to stop may take to save a checkpoint; checkpoints are kept whole or not at all."""
_TELL_SECONDS = 0.3
_DISK_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "bad_alloc", "out of memory", "bad allocation")

log = logging.getLogger("training")


class FolderWork:
    """The work of one job, told into its folder."""

    def __init__(self, folder: JobFolder, asked: Asked, steps: Sequence[Step]) -> None:
        self.home = Path(asked.home)
        self.checkpoints = folder.checkpoints
        self.result = folder.result
        self.rival = None if asked.rival is None else Path(asked.rival)
        self._folder = folder
        self._steps = steps
        self._began = time.monotonic()
        self._began_at: float | None = None
        self._told = 0.0
        self._asked_to_stop = False
        self._metrics: BinaryIO | None = None

    @property
    def stopping(self) -> bool:
        return self._asked_to_stop

    def stop(self) -> None:
        """Let the next step raise Stopped; where none comes soon the process ends all the same."""
        self._asked_to_stop = True
        last = threading.Timer(GRACE_SECONDS, os._exit, (STOPPED,))
        last.daemon = True
        last.start()

    def rows(self) -> list[Row]:
        with self._folder.data.open("rb") as file:
            return [orjson.loads(line) for line in file]

    def step(self, code: str, done: float) -> None:
        before = 0.0
        for each in self._steps:
            if each.code == code:
                self._tell(code, 100.0 * (before + each.share * min(1.0, max(0.0, done))))
                break
            before += each.share
        if self._asked_to_stop:
            raise Stopped

    def metric(self, name: str, step: int, value: float) -> None:
        if self._metrics is None:
            self._metrics = self._folder.metrics.open("ab", buffering=0)
        if isfinite(value):
            self._metrics.write(orjson.dumps([name, step, value]) + b"\n")

    def _tell(self, code: str, percent: float) -> None:
        now = time.monotonic()
        if self._began_at is None:
            # An attempt that goes on from a checkpoint begins in the middle: its speed is that of what it does itself.
            self._began, self._began_at = now, percent
        if now - self._told < _TELL_SECONDS and percent < 100.0:
            return
        self._told = now
        done = percent - self._began_at
        left = (now - self._began) / done * (100.0 - percent) if done > 1.0 else None
        self._folder.tell_progress(Progress(round(percent, 2), code, None if left is None else round(left, 1)))


def main(path: Path) -> int:
    folder = JobFolder(path)
    asked = folder.asked()
    _bound(asked)
    with folder.lock.open("wb") as lock:
        # A process of an earlier attempt may still be on its way out.
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _train(folder, asked)


def _train(folder: JobFolder, asked: Asked) -> int:
    try:
        recipe = require_recipe(asked.kind)
        work = FolderWork(folder, asked, recipe.steps)
        signal.signal(signal.SIGTERM, lambda number, frame: work.stop())
        for each in (folder.checkpoints, folder.result):
            each.mkdir(exist_ok=True)
        outcome: Outcome = recipe.train(work, recipe.parse(asked.config))
        folder.tell_outcome(asdict(outcome))
    except Stopped:
        log.info("stopped as asked")
        return STOPPED
    except Exception as error:
        log.exception("the job failed")
        code, params = _reason(error, asked)
        folder.tell_error(code, params)
        return FAILED
    log.info("done: %s", dict(outcome.evaluation))
    return DONE


def _reason(error: Exception, asked: Asked) -> tuple[str, dict[str, object]]:
    """The error's code and parameters, in the words that tell a person what to do."""
    words = str(error)
    if isinstance(error, ChengnaoError):
        return error.code, error.params
    if isinstance(error, MemoryError) or any(each in words.lower() for each in _OUT_OF_MEMORY):
        return "training_memory", {"limit_mb": asked.limits.memory_mb}
    if isinstance(error, OSError) and error.errno in _DISK_FULL:
        return "training_disk", {"limit_mb": asked.limits.disk_mb}
    return "training_broke", {"reason": f"{type(error).__name__}: {words[:500]}"}


def _bound(asked: Asked) -> None:
    os.nice(NICENESS)
    memory, disk = asked.limits.memory_mb * 2**20, asked.limits.disk_mb * 2**20
    # What a process asks for itself; what it maps of files, such as large libraries, is shared and not counted.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    sys.exit(main(Path(sys.argv[1])))
