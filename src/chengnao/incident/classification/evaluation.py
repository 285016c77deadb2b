"""How well a classifier does on texts that it was not trained on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, precision_recall_fscore_support

Floats = NDArray[np.float64]
_BINS = 10


@dataclass(frozen=True)
class ClassFigures:
    label: str
    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Confusion:
    label: str
    taken_for: str
    rows: int


@dataclass(frozen=True)
class Evaluation:
    """Figures on texts of the folds that the classifier had not seen."""

    rows: int
    labels: int
    folds: int
    accuracy: float
    macro_f1: float
    ece: float
    """Expected calibration error: how far confidence and accuracy lie apart, over ten bins of confidence."""
    threshold: float
    coverage: float
    """The share of texts that is classified at the threshold; on the others it abstains."""
    accuracy_covered: float
    """The accuracy on that share."""
    accuracy_at_90: float
    """The accuracy on the nine tenths of texts that it is surest of."""
    classes: tuple[ClassFigures, ...] = ()
    confusions: tuple[Confusion, ...] = ()


def evaluate(
    truth: Sequence[str], guesses: Sequence[str], confidence: Floats, threshold: float, folds: int
) -> Evaluation:
    """All figures, with the classes and the most frequent confusions."""
    labels = sorted(set(truth))
    right = np.array([a == b for a, b in zip(truth, guesses, strict=True)])
    covered = confidence >= threshold
    precision, recall, f1, support = precision_recall_fscore_support(truth, guesses, labels=labels, zero_division=0)
    wrong = Counter((a, b) for a, b in zip(truth, guesses, strict=True) if a != b)
    return Evaluation(
        rows=len(truth),
        labels=len(labels),
        folds=folds,
        accuracy=float(right.mean()),
        macro_f1=macro_f1(truth, guesses),
        ece=calibration_error(confidence, right),
        threshold=threshold,
        coverage=float(covered.mean()),
        accuracy_covered=float(right[covered].mean()) if covered.any() else 0.0,
        accuracy_at_90=accuracy_at(0.9, confidence, right),
        classes=tuple(
            ClassFigures(label, int(support[i]), float(precision[i]), float(recall[i]), float(f1[i]))
            for i, label in enumerate(labels)
        ),
        confusions=tuple(Confusion(a, b, rows) for (a, b), rows in wrong.most_common(20)),
    )


def macro_f1(truth: Sequence[str], guesses: Sequence[str]) -> float:
    """The mean of the F1 of each label that occurs in the truth."""
    return float(f1_score(truth, guesses, labels=sorted(set(truth)), average="macro", zero_division=0))


def calibration_error(confidence: Floats, right: NDArray[np.bool_]) -> float:
    """The expected calibration error over ten bins of equal width."""
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = 0.0
    for each in range(_BINS):
        inside = bins == each
        if inside.any():
            gaps += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(gaps)


def accuracy_at(coverage: float, confidence: Floats, right: NDArray[np.bool_]) -> float:
    """The accuracy on that share of the texts, the surest first."""
    kept = max(1, round(coverage * len(right)))
    return float(right[np.argsort(-confidence, kind="stable")[:kept]].mean())


def threshold_for(precision: float, confidence: Floats, right: NDArray[np.bool_]) -> float:
    """The lowest confidence from which on the guesses are right as often as `precision` asks.

    Where it can, it leaves out the least sure hundredth, so that a text unlike any other is left to a person.
    Above 1, and so out of reach, where no part of the guesses is right often enough.
    """
    order = np.argsort(-confidence, kind="stable")
    falling = confidence[order]
    share = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    # Guesses of equal confidence are taken or left together.
    ends = np.append(falling[1:] < falling[:-1], True)
    good = np.flatnonzero((share >= precision) & ends)
    if not len(good):
        return 1.01
    sure = good[falling[good] >= np.quantile(confidence, 0.01)]
    return float(falling[sure[-1] if len(sure) else good[-1]])
