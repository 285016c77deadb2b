"""Weights that `chengnao models pull` has fetched on this machine; a test without them is not run."""

from pathlib import Path

import pytest

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.settings import default_home
from chengnao.models.embedded.weights import weights


def pulled(model_id: str) -> Path:
    """The data folder (CHENGNAO_HOME) that holds the model's weights; skips the test where it does not."""
    home = default_home()
    try:
        weights(home, model_id)
    except Unavailable:
        pytest.skip(f"not run: no model (chengnao models pull {model_id})")
    return home
