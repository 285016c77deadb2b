from pathlib import Path

import psutil
import pytest

from chengnao.kernel.errors import Unavailable
from chengnao.models.card import builtin_cards
from chengnao.models.deployment import memory
from chengnao.models.deployment.memory import RESERVE_MB, free_mb, needed_mb, require_room
from tests.support.models import card


def test_a_model_needs_what_its_card_says_or_an_estimate() -> None:
    measured = builtin_cards()["qwen2.5-coder-1.5b-instruct"]
    assert measured.memory_mb is not None
    assert needed_mb(measured) == measured.memory_mb
    assert needed_mb(measured.model_copy(update={"memory_mb": None})) > measured.bytes // 2**20
    assert needed_mb(card(memory_mb=None)) == 300


def test_the_reserve_stays_free_and_the_refusal_has_the_figures() -> None:
    made = card(memory_mb=1000)
    require_room(made, 1000 + RESERVE_MB)
    with pytest.raises(Unavailable) as refused:
        require_room(made, 999 + RESERVE_MB)
    for figure in ("1000", str(RESERVE_MB), str(999 + RESERVE_MB)):
        assert figure in refused.value.text("zh")
        assert figure in refused.value.text("en")


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    machine = psutil.virtual_memory().available // 2**20
    assert abs(free_mb() - machine) < 1024, "no container, no limit"
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text(f"{900 * 2**20}\n")
    assert abs(free_mb() - machine) < 1024
    (tmp_path / "memory.max").write_text(f"{1000 * 2**20}\n")
    assert free_mb() == 100
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {200 * 2**20}\n")
    assert free_mb() == 300
