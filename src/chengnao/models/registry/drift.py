"""Whether what a model is given and what it answers still looks as it did: the population stability index.

    PSI = sum over parts i of (a_i - e_i) * ln(a_i / e_i)

with the share e_i of part i in the reference window and a_i in the present one (Lewis 1994, An Introduction to Credit
Scoring; it is Jeffreys' divergence, Jeffreys 1946). By custom below 0.10 is steady, 0.25 and more a shift. Small
windows give large values by chance alone: Yurdakul 2018 (Statistical Properties of Population Stability Index,
Western Michigan University) shows that without a shift PSI / (1/N + 1/M) follows a chi-square distribution with one
degree of freedom fewer than there are parts. So a shift is told only where both hold: 0.10 or 0.25 is reached, and the
value is beyond what chance gives in one of a hundred cases.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist

from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.vocabulary import Named
from chengnao.models.registry.repository import RegistryRepository, Window

REFERENCE = timedelta(days=30)
"""From the first use of a version on."""
PRESENT = timedelta(days=7)
FEWEST = 100
"""Observations in each window; below it nothing is said."""
PARTS = 10
KEPT = timedelta(days=400)
_SOME, _MUCH = 0.10, 0.25
_CERTAINTY = 0.99
_MEASURES = {"confidence": ("置信度", "confidence"), "length": ("文本长度", "length of text")}


class Verdict(Named):
    UNKNOWN = "unknown", "数据不足", "too little data"
    STEADY = "steady", "稳定", "steady"
    SOME = "some", "有变化", "some change"
    SHIFTED = "shifted", "明显漂移", "shifted"


@dataclass(frozen=True)
class Drift:
    """One measure of a version: `psi` and `by_chance` (what chance alone gives in 1 of 100 cases), None if unknown."""

    measure: str
    zh: str
    en: str
    verdict: Verdict
    psi: float | None
    by_chance: float | None
    reference: int
    present: int
    """Observations in each window."""


def psi(reference: Sequence[int], present: Sequence[int]) -> float:
    """The index of two histograms over the same parts; half an observation is added to each part, against ln 0."""
    if len(reference) != len(present) or not reference:
        raise ValueError("two histograms over the same parts")
    added = 0.5 * len(reference)
    total = 0.0
    for e, a in zip(reference, present, strict=True):
        expected, actual = (e + 0.5) / (sum(reference) + added), (a + 0.5) / (sum(present) + added)
        total += (actual - expected) * math.log(actual / expected)
    return total


def by_chance(parts: int, reference: int, present: int) -> float:
    """The index that is exceeded in 1 of 100 cases without any shift; chi-square after Wilson and Hilferty 1931."""
    freedom = max(1, parts - 1)
    part = 2 / (9 * freedom)
    chi = freedom * (1 - part + NormalDist().inv_cdf(_CERTAINTY) * math.sqrt(part)) ** 3
    return chi * (1 / reference + 1 / present)


def judged(measure: str, names: tuple[str, str], reference: Sequence[int], present: Sequence[int]) -> Drift:
    """The drift between two histograms over the same parts."""
    n, m = sum(reference), sum(present)
    if n < FEWEST or m < FEWEST:
        return Drift(measure, *names, Verdict.UNKNOWN, None, None, n, m)
    value, chance = psi(reference, present), by_chance(len(reference), n, m)
    verdict = Verdict.STEADY
    if value > chance and value >= _SOME:
        verdict = Verdict.SHIFTED if value >= _MUCH else Verdict.SOME
    return Drift(measure, *names, verdict, round(value, 4), round(chance, 4), n, m)


def windows(first: datetime, now: datetime) -> tuple[Window, Window]:
    """The reference window, from the first use on, and the present one; a young version's reference ends earlier."""
    present = Window(now - PRESENT, now + timedelta(seconds=1))
    return Window(first, max(first, min(first + REFERENCE, present.start))), present


async def drift(uow: UnitOfWork, model_id: str, version: str) -> list[Drift]:
    """The drift of each measure that the version was observed by; empty where it never was."""
    repository = RegistryRepository(uow.session)
    first = await repository.first_observed(model_id, version)
    if first is None:
        return []
    reference, present = windows(first, uow.clock.now())
    found = []
    before, after = [await repository.label_counts(model_id, version, each) for each in (reference, present)]
    if labels := sorted(before.keys() | after.keys()):
        counts = [[each.get(label, 0) for label in labels] for each in (before, after)]
        found.append(judged("label", ("类别分布", "predicted classes"), *counts))
    for measure, names in _MEASURES.items():
        cuts = await repository.cuts(model_id, version, measure, reference, PARTS)
        counts = [
            await repository.counts_between(model_id, version, measure, each, cuts) for each in (reference, present)
        ]
        if sum(counts[0]) + sum(counts[1]):
            found.append(judged(measure, names, *counts))
    return found
