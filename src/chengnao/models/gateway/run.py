"""One call on its way through the gateway."""

from dataclasses import dataclass, field
from time import monotonic

from chengnao.kernel.ids import new_id
from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.metering.budgets import Hold
from chengnao.models.gateway.model import Caller, ModelRoute, Target
from chengnao.models.gateway.protocol import Asked


@dataclass
class Run:
    """A call; it has one hold at a time, and another one where an attempt has used the first up."""

    asked: Asked
    caller: Caller
    data: DataClass
    route: ModelRoute
    targets: list[Target]
    deadline: float
    """By the monotonic clock."""
    request_id: str = field(default_factory=new_id)
    hold: Hold | None = None
    settled: bool = False
    began: float = field(default_factory=monotonic)
    retries: int = 0

    @property
    def seconds_left(self) -> float:
        return max(0.0, self.deadline - monotonic())
