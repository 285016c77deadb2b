"""The classifier of an installation: one file in its data folder, read again when it changes."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from chengnao.incident.classification.labels import category_hints
from chengnao.incident.classification.model import Row, classifier_path
from chengnao.kernel.errors import ChengnaoError

if TYPE_CHECKING:
    # Loaded where they are used: scikit-learn would slow down the start of every process.
    from chengnao.incident.classification.classifier import Classifier
    from chengnao.incident.classification.features import Progress

log = logging.getLogger(__name__)

SYNTHETIC = "synthetic: trained on the demonstration's made texts, until the city trains on its own closed cases"


def installed_classifier(home: Path) -> "Classifier | None":
    """The installation's classifier; None where none is there yet or its file cannot be used, which is logged."""
    path = classifier_path(home)
    try:
        found = path.stat()
    except OSError:
        return None
    return _loaded(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=2)
def _loaded(path: Path, changed: int, size: int) -> "Classifier | None":
    from chengnao.incident.classification.classifier import Classifier  # noqa: PLC0415

    try:
        return Classifier.load(path)
    except ChengnaoError as error:
        log.error("classification does without a classifier: %s", error)
        return None


def ensure_classifier(
    home: Path, starter: Callable[[], Sequence[Row]], now: datetime, progress: "Progress | None" = None
) -> Path:
    """Train the first classifier from the starter rows where there is none; about a minute on one core.

    Two processes that begin at once both train and the last one's file, which is the same, stays.
    """
    from chengnao.incident.classification.training import train  # noqa: PLC0415

    path = classifier_path(home)
    if not path.exists():
        trained = train(starter(), now, hints=category_hints(), origin=SYNTHETIC, progress=progress)
        trained.classifier.save(path)
    return path
