from collections.abc import Iterator
from pathlib import Path

import pytest

from chengnao.kernel.settings import Settings
from tests.support.training import OWN, offered


@pytest.fixture(autouse=True)
def _offered(tmp_path: Path) -> Iterator[None]:
    with offered(tmp_path / "offered", **OWN, **{"test-counter": "tests.support.training:RECIPE"}):
        yield


@pytest.fixture
def home(settings: Settings) -> Path:
    return settings.home
