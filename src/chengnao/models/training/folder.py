"""The folder of a job: what it is asked, its rows, its log, its curves, its checkpoints and its result.

The runner writes what is asked, the job's process all else; the API only reads.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from chengnao.kernel.errors import Invalid
from chengnao.kernel.files import write_atomically
from chengnao.models.training.model import Limits, Progress

POINTS = 400
"""Of one curve, at most, that the API gives out."""
LOG_TAIL = 16_384
METRICS_READ = 8 * 2**20
"""Bytes of the newest metrics that are read for the curves."""


@dataclass(frozen=True)
class Asked:
    """What the process of a job is told."""

    id: str
    kind: str
    config: Mapping[str, Any]
    limits: Limits
    home: str
    rival: str | None


class JobFolder:
    """Paths and small files of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data.jsonl"
        self.log = path / "log"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.result = path / "result"
        self.lock = path / "lock"
        self._asked = path / "job.json"
        self._progress = path / "progress.json"
        self._outcome = path / "outcome.json"
        self._error = path / "error.json"

    @classmethod
    def of(cls, home: Path, job_id: str) -> "JobFolder":
        if not job_id or any(sign not in "0123456789abcdef-" for sign in job_id):
            raise Invalid("invalid_request", field="id", reason="no id of a job")
        return cls(home / "training" / job_id)

    def make(self) -> None:
        """For the owner's eyes only."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def begin(self, asked: Asked) -> None:
        """Say what to do, and take away what the last attempt came to; its checkpoints stay."""
        self._outcome.unlink(missing_ok=True)
        self._error.unlink(missing_ok=True)
        shutil.rmtree(self.result, ignore_errors=True)
        write_atomically(self._asked, orjson.dumps(asdict(asked)))

    def forget(self) -> None:
        """Take away all that an attempt would go on from."""
        self._forget_checkpoints()
        self.metrics.unlink(missing_ok=True)
        self._progress.unlink(missing_ok=True)

    def clear(self) -> None:
        """Take away what nobody needs once the result is registered."""
        self._forget_checkpoints()
        shutil.rmtree(self.result, ignore_errors=True)

    def _forget_checkpoints(self) -> None:
        shutil.rmtree(self.checkpoints, ignore_errors=True)

    def asked(self) -> Asked:
        values = orjson.loads(self._asked.read_bytes())
        return Asked(**values | {"limits": Limits(**values["limits"])})

    def tell_progress(self, progress: Progress) -> None:
        """Not durable: after a crash the job tells it anew."""
        scratch = self._progress.with_suffix(".new")
        scratch.write_bytes(orjson.dumps(asdict(progress)))
        scratch.replace(self._progress)

    def progress(self) -> Progress | None:
        """What the process told last; None before it told anything."""
        try:
            return Progress(**orjson.loads(self._progress.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def tell_outcome(self, outcome: Mapping[str, Any]) -> None:
        write_atomically(self._outcome, orjson.dumps(outcome, option=orjson.OPT_SERIALIZE_NUMPY))

    def outcome(self) -> dict[str, Any] | None:
        return _read(self._outcome)

    def tell_error(self, code: str, params: Mapping[str, Any]) -> None:
        write_atomically(self._error, orjson.dumps({"code": code, "params": dict(params)}, default=str))

    def error(self) -> dict[str, Any] | None:
        """Why the process ended, with `code` and `params`; None where it could not say."""
        return _read(self._error)

    def bytes_used(self) -> int:
        """Of all files in it; one that vanishes meanwhile counts nothing."""
        total = 0
        for path in self.path.rglob("*"):
            try:
                total += path.lstat().st_size
            except OSError:
                continue
        return total

    def checkpoint_names(self) -> list[str]:
        """What the job can go on from, the newest last."""
        return sorted(path.name for path in self.checkpoints.glob("[!.]*"))

    def log_tail(self, limit: int = LOG_TAIL) -> tuple[str, int]:
        """The end of the log from a whole line on, and the bytes of the whole; the rest of the file is not read."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - limit))
                tail = file.read(limit)
        except OSError:
            return "", 0
        if size > limit:
            tail = tail[tail.find(b"\n") + 1 :]
        return tail.decode("utf-8", "replace"), size

    def curves(self) -> dict[str, tuple[list[int], list[float]]]:
        """Steps and values of each metric, thinned out to `POINTS`.

        Where a step was done again after a restart its last value counts.
        """
        found: dict[str, dict[int, float]] = {}
        for name, step, value in self._metric_lines():
            found.setdefault(name, {})[step] = value
        return {name: _thinned(sorted(values.items())) for name, values in sorted(found.items())}

    def _metric_lines(self) -> Iterator[tuple[str, int, float]]:
        try:
            with self.metrics.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - METRICS_READ))
                raw = file.read(METRICS_READ)
        except OSError:
            return
        for line in raw.split(b"\n"):
            try:
                name, step, value = orjson.loads(line)
            except (ValueError, TypeError):
                continue  # the first line that was cut, or the last one while it is being written
            if isinstance(name, str) and isinstance(step, int) and isinstance(value, int | float):
                yield name, step, float(value)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _thinned(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    if len(points) > POINTS:
        last = len(points) - 1
        points = [points[round(place * last / (POINTS - 1))] for place in range(POINTS)]
    return [step for step, _ in points], [value for _, value in points]
