"""Trains the installation's first classifier, in a process of its own: it would slow down whatever ran beside it."""

import asyncio
import logging
import os
import sys
from datetime import UTC, datetime

from chengnao.demonstration.reports.generator import training_rows
from chengnao.incident.classification.installed import ensure_classifier
from chengnao.incident.classification.model import classifier_path
from chengnao.kernel.settings import Settings, load_settings

log = logging.getLogger(__name__)

_NICENESS = 10


async def train_first(settings: Settings) -> None:
    """Return once the data folder has a classifier; where its training fails, people choose the categories."""
    if not settings.first_classifier or classifier_path(settings.home).exists():
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "chengnao.app.first_classifier", env={**os.environ, "CHENGNAO_HOME": str(settings.home)}
    )
    try:
        if code := await process.wait():
            log.error("the first classifier was not trained, exit code %s", code)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    os.nice(_NICENESS)
    ensure_classifier(load_settings().home, training_rows, datetime.now(UTC))
