"""Texts as numbers: weighted character n-grams and, beside them, what the text means."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from chengnao.models.embedded.embedding import embed

Features = Literal["characters+meaning", "characters"]
Progress = Callable[[str, float], None]
"""Called with the name of a step and how much of it is done, 0 to 1."""

_NGRAMS = (1, 4)
_NGRAM_LIMIT = 30_000
_PART = 256


def meanings(texts: Sequence[str], progress: Progress | None = None) -> NDArray[np.float32]:
    """The vectors of the texts; each different text is computed once."""
    unique = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(unique)}
    parts = []
    for start in range(0, len(unique), _PART):
        parts.append(embed(unique[start : start + _PART]))
        if progress:
            progress("meaning", min(1.0, (start + _PART) / len(unique)))
    rows = np.concatenate(parts) if parts else embed([])
    return rows[[place[text] for text in texts]]


def new_vectorizer() -> TfidfVectorizer:
    return TfidfVectorizer(
        analyzer="char", ngram_range=_NGRAMS, sublinear_tf=True, max_features=_NGRAM_LIMIT, dtype=np.float32
    )


def joined(
    grams: Any, vectors: NDArray[np.float32] | None, centre: NDArray[np.float32] | None, weight: float
) -> sp.csr_matrix:
    """N-grams and, where there are vectors, their difference from the centre, at `weight` times length 1.

    The vectors of this model lie close together: what tells texts apart is the difference from what they share.
    """
    if vectors is None or centre is None:
        return sp.csr_matrix(grams)
    away = vectors - centre
    away *= weight / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    return sp.csr_matrix(sp.hstack([grams, sp.csr_matrix(away.astype(np.float32))]))
