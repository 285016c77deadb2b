"""Whether a model fits into the memory that is free."""

from pathlib import Path

import psutil

from chengnao.kernel.errors import Unavailable
from chengnao.models.card import Card

RESERVE_MB = 512
"""Stays free for all the rest."""
_LEAST_MB = 300
_CGROUP = Path("/sys/fs/cgroup")


def needed_mb(card: Card) -> int:
    """Resident memory of one replica, MiB: as its card says, else estimated from the size of its files."""
    return card.memory_mb or _LEAST_MB + int(card.bytes * 1.3) // 2**20


def free_mb() -> int:
    """Memory that processes may still take, MiB: of the machine, and of the container where that has a limit."""
    free = psutil.virtual_memory().available
    limit, used = _number("memory.max"), _number("memory.current")
    if limit is not None and used is not None:
        free = min(free, limit - used + (_reclaimable() or 0))
    return free // 2**20


def require_room(card: Card, free: int) -> None:
    """Return where one replica fits into `free` MiB; raises Unavailable with the figures where it does not."""
    needed = needed_mb(card)
    if needed + RESERVE_MB > free:
        raise Unavailable(
            "deployment_no_memory", retry_after=60, id=card.id, needed=needed, reserve=RESERVE_MB, free=free
        )


def _number(name: str) -> int | None:
    try:
        return int((_CGROUP / name).read_text())
    except (OSError, ValueError):
        return None


def _reclaimable() -> int | None:
    """Files that the kernel keeps in memory and gives up when it is needed."""
    try:
        lines = (_CGROUP / "memory.stat").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), None)
    except (OSError, ValueError, IndexError):
        return None
