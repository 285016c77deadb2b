"""What protects callers from a target that fails, and targets from being asked again and again. Pure.

Times are seconds of a monotonic clock.
"""

from collections import deque
from dataclasses import dataclass, field

_FAILURES = 5
"""Failures in a row that open a circuit."""
_REST = 5.0
_LONGEST_REST = 60.0


@dataclass
class Circuit:
    """Closed while a target works; open after failures in a row; then one probe at a time, until one succeeds."""

    failures: int = 0
    opened_at: float | None = None
    rest: float = _REST
    probing_since: float | None = None

    def allows(self, now: float) -> bool:
        """Whether the target may be asked now; changes nothing."""
        if self.opened_at is None:
            return True
        if now - self.opened_at < self.rest:
            return False
        # A probe whose end was never told of must not keep the circuit open for good.
        return self.probing_since is None or now - self.probing_since >= _LONGEST_REST

    def begin(self, now: float) -> None:
        """A call begins; where the circuit is open, it is the probe."""
        if self.opened_at is not None:
            self.probing_since = now

    def succeed(self) -> None:
        self.failures, self.opened_at, self.rest, self.probing_since = 0, None, _REST, None

    def fail(self, now: float) -> None:
        self.failures += 1
        if self.opened_at is not None and self.probing_since is not None:
            self.rest = min(self.rest * 2, _LONGEST_REST)
            self.opened_at, self.probing_since = now, None
        elif self.opened_at is None and self.failures >= _FAILURES:
            self.opened_at = now

    def abandon(self) -> None:
        """A call ended without telling anything of the target."""
        self.probing_since = None

    def wait(self, now: float) -> float:
        """Seconds until the target may be asked again."""
        return 0.0 if self.opened_at is None else max(0.0, self.opened_at + self.rest - now)


@dataclass
class RetryBudget:
    """At most a share of the calls of the last seconds may be tried again, and a few in any case."""

    share: float = 0.2
    at_least: int = 5
    seconds: float = 10.0
    _calls: deque[float] = field(default_factory=deque)
    _retries: deque[float] = field(default_factory=deque)

    def count_call(self, now: float) -> None:
        self._calls.append(now)
        self._forget(now)

    def take(self, now: float) -> bool:
        """Whether a call may be tried again; counts it where it may."""
        self._forget(now)
        if len(self._retries) >= max(self.at_least, self.share * len(self._calls)):
            return False
        self._retries.append(now)
        return True

    def _forget(self, now: float) -> None:
        for times in (self._calls, self._retries):
            while times and now - times[0] > self.seconds:
                times.popleft()
