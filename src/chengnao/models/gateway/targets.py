"""Which targets a call may go to, in which order, and what failed ones say."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

from chengnao.kernel.vocabulary import DataClass
from chengnao.models.gateway.circuit import Circuit, RetryBudget
from chengnao.models.gateway.model import ModelRoute, Outcome, Target


class Failed(Exception):
    """An attempt at a target that gave no answer.

    `free`: surely nothing was used. `tokens`: what was used, where it is known. `counts`: it speaks against the
    target. `again`: another target may do better. `detail` is for the caller, and never holds a secret.
    """

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        *,
        free: bool = False,
        tokens: tuple[int, int] | None = None,
        counts: bool = True,
        again: bool = True,
    ) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.free = free
        self.tokens = tokens
        self.counts = counts
        self.again = again


def eligible(route: ModelRoute, data: DataClass) -> list[Target]:
    """The targets that may see such data: no other is ever tried."""
    return [each for each in route.targets if each.data.may_see(data)]


def arranged(targets: Sequence[Target], chance: random.Random) -> Iterator[Target]:
    """The order to try them in: by rank, within a rank by chance according to weight."""
    ranks: dict[int, list[Target]] = defaultdict(list)
    for each in targets:
        ranks[each.rank].append(each)
    for rank in sorted(ranks):
        left = ranks[rank]
        while left:
            index = 0 if len(left) == 1 else chance.choices(range(len(left)), [each.weight for each in left])[0]
            yield left.pop(index)


@dataclass
class Health:
    """What the gateway remembers of its targets and routes, in memory alone."""

    circuits: dict[str, Circuit] = field(default_factory=lambda: defaultdict(Circuit))
    retries: dict[str, RetryBudget] = field(default_factory=lambda: defaultdict(RetryBudget))

    def circuit(self, target: Target) -> Circuit:
        return self.circuits[target.name]

    def open(self, target: Target) -> bool:
        """Whether the target is known to be down now."""
        return not self.circuit(target).allows(monotonic())
