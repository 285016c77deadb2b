"""Groups of reports about one matter, without chains."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chengnao.incident.merging.blocking import candidate_pairs
from chengnao.incident.merging.features import Evidence, Floats, Indices
from chengnao.incident.merging.model import Matter, Reason, Weights, default_weights
from chengnao.incident.merging.reasons import reasons_for
from chengnao.incident.merging.scoring import probabilities

_FLOOR = 0.05
"""A pair less probable than this counts as 0."""
_PAIRS_SHOWN = 12
"""Up to so many members a group shows each pair; a larger one shows each member's strongest link to one before it."""


@dataclass(frozen=True)
class Link:
    """Two rows of one group."""

    one: int
    other: int
    probability: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Group:
    """Rows about one matter, in the order of the input, and the mean probability of their pairs."""

    members: tuple[int, ...]
    probability: float
    links: tuple[Link, ...]


def group(matters: Sequence[Matter], weights: Weights | None = None, threshold: float | None = None) -> list[Group]:
    """The groups of two and more, by their first member.

    Two groups grow together only while the mean probability over all pairs across them reaches `threshold`: a row
    that resembles one member and none of the others stays out.
    """
    weights = weights or default_weights()
    threshold = weights.settings.offered if threshold is None else threshold
    evidence = Evidence(matters)
    i, j = candidate_pairs(evidence, weights.settings.metres, weights.settings.hours)
    found = probabilities(evidence, i, j, weights, floor=_FLOOR)
    live = found > 0
    i, j, found = i[live], j[live], found[live]
    known = {(int(one), int(other)): float(p) for one, other, p in zip(i, j, found, strict=True)}
    return [_group_of(evidence, members, known) for members in linked(len(matters), i, j, found, threshold)]


def linked(count: int, i: Indices, j: Indices, p: Floats, threshold: float) -> list[tuple[int, ...]]:
    """Rows 0 to `count` grouped by average linkage; pairs that are not given have probability 0."""
    sums: dict[int, dict[int, float]] = {}
    for one, other, probability in zip(i.tolist(), j.tolist(), p.tolist(), strict=True):
        sums.setdefault(one, {})[other] = probability
        sums.setdefault(other, {})[one] = probability
    members: dict[int, list[int]] = {row: [row] for row in sums}
    heap = [
        (-probability, one, other)
        for one, other, probability in zip(i.tolist(), j.tolist(), p.tolist(), strict=True)
        if probability >= threshold
    ]
    heapq.heapify(heap)
    fresh = count
    while heap:
        _, one, other = heapq.heappop(heap)
        if one not in members or other not in members:
            continue
        joined = members.pop(one) + members.pop(other)
        members[fresh] = joined
        near = sums.pop(one)
        for row, total in sums.pop(other).items():
            near[row] = near.get(row, 0.0) + total
        sums[fresh] = {row: total for row, total in near.items() if row not in (one, other)}
        for row, total in sums[fresh].items():
            theirs = sums[row]
            theirs.pop(one, None)
            theirs.pop(other, None)
            theirs[fresh] = total
            mean = total / (len(joined) * len(members[row]))
            if mean >= threshold:
                heapq.heappush(heap, (-mean, row, fresh))
        fresh += 1
    return sorted(tuple(sorted(rows)) for rows in members.values() if len(rows) > 1)


def _group_of(evidence: Evidence, members: tuple[int, ...], known: dict[tuple[int, int], float]) -> Group:
    pairs = [(one, other) for at, other in enumerate(members) for one in members[:at]]
    mean = float(np.mean([known.get(pair, 0.0) for pair in pairs]))
    shown = pairs if len(members) <= _PAIRS_SHOWN else list(_strongest(members, known))
    links = tuple(
        Link(one, other, known[one, other], reasons_for(evidence, one, other))
        for one, other in shown
        if (one, other) in known
    )
    return Group(members, mean, links)


def _strongest(members: tuple[int, ...], known: dict[tuple[int, int], float]) -> Iterator[tuple[int, int]]:
    for at, other in enumerate(members[1:], start=1):
        yield max(((one, other) for one in members[:at]), key=lambda pair: known.get(pair, 0.0))
