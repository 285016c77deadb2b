"""What an agent was used for. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """What an agent did for people in a span of time; trial runs are not counted."""

    runs: int = 0
    by_model: int = 0
    by_rule: int = 0
    by_human: int = 0
    failed: int = 0
    useful: int = 0
    """Runs whose answer somebody called useful; `useless` the contrary."""
    useless: int = 0
    tokens: int = 0
    money: float = 0.0
    """Yuan."""
    p50_seconds: float | None = None
    """Of real time from the beginning of a run to its end, waiting for people included."""
    p95_seconds: float | None = None

    @property
    def fallback_share(self) -> float | None:
        """The share of answers that no model gave; None where there were none."""
        answered = self.by_model + self.by_rule + self.by_human
        return (self.by_rule + self.by_human) / answered if answered else None
