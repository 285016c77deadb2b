"""What the supervisor says of the platform's processes, each second, in `<home>/run/status.json`."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

ProcessState = Literal["waiting", "starting", "ready", "unhealthy", "restarting", "stopping", "stopped"]
PlatformState = Literal["starting", "running", "stopping", "failed"]

STALE_SECONDS = 10.0


@dataclass
class ProcessStatus:
    """One process; `started` tells it from a later process with the same number."""

    name: str
    state: ProcessState = "waiting"
    pid: int | None = None
    started: float | None = None
    port: int | None = None
    memory_mb: float | None = None
    restarts: int = 0
    lag: int | None = None
    detail: str = ""


@dataclass
class PlatformStatus:
    """The platform as its supervisor sees it at the real time `at`."""

    state: PlatformState
    pid: int
    started: float
    at: float
    step: str = ""
    error: dict[str, object] | None = None
    demonstration: bool = False
    clock_speed: float = 1.0
    external: list[str] = field(default_factory=list)
    processes: list[ProcessStatus] = field(default_factory=list)

    def fresh(self) -> bool:
        """Whether a living supervisor has written this lately."""
        return abs(time.time() - self.at) < STALE_SECONDS


def status_path(home: Path) -> Path:
    return home / "run" / "status.json"


def write_status(home: Path, status: PlatformStatus) -> None:
    """Replace the status whole; not fsynced, since it is stale after a power cut anyway."""
    path = status_path(home)
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(asdict(status), ensure_ascii=False))
    scratch.replace(path)


def read_status(home: Path) -> PlatformStatus | None:
    """The last status, or None where the platform has never run in this data folder."""
    try:
        raw = json.loads(status_path(home).read_text())
        return PlatformStatus(**{**raw, "processes": [ProcessStatus(**each) for each in raw["processes"]]})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
