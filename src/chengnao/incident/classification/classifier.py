"""A trained classifier: says a label with a confidence that means something, or abstains."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skops.io  # type: ignore[import-untyped]
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from chengnao.incident.classification.evaluation import Floats
from chengnao.incident.classification.features import Features, joined, meanings
from chengnao.incident.classification.model import Alternative, Classification
from chengnao.kernel.errors import Invalid
from chengnao.kernel.files import write_atomically

TRUSTED = frozenset({"numpy.float32", "scipy.sparse._dia.dia_matrix"})
"""Types beyond skops' own list that a classifier's file may hold; a file with any other is refused."""
_FORMAT = "chengnao-classifier-1"
_ALTERNATIVES = 3


@dataclass(frozen=True)
class Metadata:
    """Where a classifier comes from."""

    trained_at: str
    rows: int
    data_sha256: str
    """Of texts and labels, in their order."""
    features: Features
    seed: int
    precision: float
    """That the threshold was chosen for."""
    evaluation: Mapping[str, Any]
    """The figures on unseen rows; empty where there were too few rows to tell."""
    versions: Mapping[str, str]
    origin: str = ""
    """In words; a classifier from made texts says so."""


@dataclass(frozen=True)
class Classifier:
    """Safe for use by several threads: nothing in it changes after it was made."""

    labels: tuple[str, ...]
    vectorizer: TfidfVectorizer
    head: LinearSVC
    centre: NDArray[np.float32] | None
    """The mean meaning of the training texts; None where only characters count."""
    weight: float
    temperature: float
    threshold: float
    metadata: Metadata

    def classify(self, texts: Sequence[str]) -> list[Classification]:
        """One answer for each text; it abstains below the threshold and where a text holds no letter or digit."""
        if not texts:
            return []
        chances = self.probabilities(texts)
        return [self._answer(text, row) for text, row in zip(texts, chances, strict=True)]

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """The chance of each label for each text."""
        vectors = None if self.centre is None else meanings(texts)
        rows = joined(self.vectorizer.transform(texts), vectors, self.centre, self.weight)
        return softmax(scores(self.head, rows) * self.temperature)

    def _answer(self, text: str, chances: Floats) -> Classification:
        order = np.argsort(-chances, kind="stable")[:_ALTERNATIVES]
        likeliest = tuple(Alternative(self.labels[each], float(chances[each])) for each in order)
        best = likeliest[0]
        sure = best.confidence >= self.threshold and any(letter.isalnum() for letter in text)
        return Classification(best.label if sure else None, best.label, best.confidence, likeliest)

    def save(self, path: Path) -> None:
        """Write it whole into one file, replacing what is there."""
        content = {
            "format": _FORMAT,
            "labels": list(self.labels),
            "vectorizer": self.vectorizer,
            "head": self.head,
            "centre": self.centre,
            "weight": self.weight,
            "temperature": self.temperature,
            "threshold": self.threshold,
            "metadata": asdict(self.metadata),
        }
        write_atomically(path, skops.io.dumps(content, compression=zipfile.ZIP_DEFLATED), mode=0o644)

    @classmethod
    def load(cls, path: Path) -> "Classifier":
        """The classifier in the file; raises Invalid for a file that is none, or that holds anything but its parts."""
        try:
            foreign = sorted(set(skops.io.get_untrusted_types(file=path)) - TRUSTED)
            if foreign:
                raise Invalid("classifier_file_foreign", field="file", file=str(path), types=", ".join(foreign))
            content = skops.io.load(path, trusted=sorted(TRUSTED))
        except OSError as error:
            raise Invalid("file_unusable", field="file", file=str(path), reason=error.strerror or str(error)) from error
        except Invalid:
            raise
        except Exception as error:
            # A file of another kind fails in the ways of zip, JSON and NumPy: all mean the same to whoever gave it.
            raise Invalid("classifier_file_invalid", field="file", file=str(path), reason=str(error)) from error
        if not isinstance(content, dict) or content.pop("format", None) != _FORMAT:
            raise Invalid("classifier_file_invalid", field="file", file=str(path), reason=f"not {_FORMAT}")
        content["labels"] = tuple(content["labels"])
        content["metadata"] = Metadata(**content["metadata"])
        return cls(**content)


def scores(head: LinearSVC, rows: Any) -> Floats:
    """How far each row lies on the side of each class; two columns also for two classes."""
    found = np.asarray(head.decision_function(rows), dtype=np.float64)
    return np.column_stack([-found, found]) if found.ndim == 1 else found


def softmax(values: Floats) -> Floats:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    chances: Floats = powers / powers.sum(axis=1, keepdims=True)
    return chances
