"""What the supervisor knows of each process."""

import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chengnao.kernel.child import Launch
from chengnao.kernel.errors import ChengnaoError


class EngineError(ChengnaoError):
    """An engine that cannot be started, with the reason and the remedy."""


@dataclass(frozen=True)
class Check:
    """What a look at a process showed: `alive` is any sign of life, `ready` that it does its work."""

    alive: bool
    ready: bool
    lag: int | None = None
    detail: str = ""
    beat: float | None = None


@dataclass(frozen=True)
class Spec:
    """A process of the platform.

    `prepare` makes all that the process needs and may be called again after any crash; `check` never raises.
    """

    name: str
    prepare: Callable[[], Awaitable[Launch]]
    check: Callable[[], Awaitable[Check]]
    port: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
