"""Fixtures for all tests."""

import pytest

pytest_plugins = ["tests.support.engines"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What sends readings of the present takes it at its import: it runs first, while they are new."""
    items.sort(key=lambda item: "tests/integration/sensing" not in item.path.as_posix())
