from collections.abc import Iterator
from pathlib import Path

import pytest

from chengnao.kernel.database import Database
from tests.support.library import Library


@pytest.fixture
def library(database: Database, tmp_path: Path) -> Iterator[Library]:
    made = Library(database, tmp_path / "home")
    yield made
    made.worker.close()
