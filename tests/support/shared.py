"""Public sets of recorded frames and the like, kept beside the checkout; a test without them is not run."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared"


def shared(*parts: str) -> Path:
    """The path of a public set; skips the test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"not run: no data ({'/'.join(parts)})")
    return path
