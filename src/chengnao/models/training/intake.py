"""Takes the rows of a new job in, apart: `take` runs in a process of its own, which ends afterwards."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chengnao.models.training.data import collect, keep, read_file
from chengnao.models.training.folder import JobFolder
from chengnao.models.training.recipe import require_recipe

SECONDS = 300.0
"""So long a file may take."""
WORK = "chengnao.models.training.intake:take"


def take(data: bytes, home: Path, options: dict[str, Any]) -> Iterable[Any]:
    """Check, mask and keep the rows for the job of the options; gives what is to be told about them.

    Raises Invalid where nothing can be learnt from them; then nothing is written.
    """
    recipe = require_recipe(options["kind"])
    config = recipe.parse(options["config"])
    rows, told = collect(options["name"], read_file(options["name"], data), recipe.columns(config))
    recipe.check(config, rows)
    folder = JobFolder.of(home, options["job"])
    folder.make()
    keep(folder.data, rows)
    yield asdict(told)
