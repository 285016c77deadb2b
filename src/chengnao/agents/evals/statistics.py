"""How sure a figure of a small set is, and whether two versions differ on the same items."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb, sqrt
from typing import Literal

_Z = 1.959963984540054
"""Of the two-sided 95 % interval."""

LEVEL = 0.05
"""A difference counts where its exact p-value lies below, and its interval does not hold zero."""

Verdict = Literal["better", "worse", "undecided"]


def wilson(passed: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share by Wilson's score; (0, 1) where nothing was counted."""
    if of == 0:
        return 0.0, 1.0
    share, square = passed / of, _Z**2
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _Z * sqrt(share * (1 - share) / of + square / (4 * of**2)) / (1 + square / of)
    # At the ends the formula is exact but for rounding.
    return (0.0 if passed == 0 else middle - half), (1.0 if passed == of else middle + half)


@dataclass(frozen=True)
class Comparison:
    """The second version against the first on the same items; `difference` is of the shares that were right."""

    items: int
    only_first: int
    only_second: int
    difference: float
    low: float
    high: float
    p: float
    verdict: Verdict
    """Of the second version."""


def compare(first: Sequence[bool], second: Sequence[bool]) -> Comparison:
    """McNemar's exact test, and the paired difference with its 95 % interval after Bonett and Price (2012)."""
    pairs = list(zip(first, second, strict=True))
    count = len(pairs)
    lost = sum(1 for before, after in pairs if before and not after)
    won = sum(1 for before, after in pairs if after and not before)
    p = mcnemar(lost, won)
    up, down = (won + 1) / (count + 2), (lost + 1) / (count + 2)
    half = _Z * sqrt((up + down - (up - down) ** 2) / (count + 2))
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    verdict: Verdict = "undecided"
    if p < LEVEL and not low <= 0 <= high:
        verdict = "better" if won > lost else "worse"
    difference = (won - lost) / count if count else 0.0
    return Comparison(count, lost, won, difference, low, high, p, verdict)


def mcnemar(lost: int, won: int) -> float:
    """The two-sided exact p-value: how likely a split at least as uneven is, were both directions as likely."""
    changed = lost + won
    tail = sum(comb(changed, each) for each in range(min(lost, won) + 1))
    return min(1.0, float(Fraction(2 * tail, 2**changed)))
