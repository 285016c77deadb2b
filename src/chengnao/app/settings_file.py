"""Changes to `<home>/chengnao.toml` that commands make for the operator."""

import re
from pathlib import Path

from chengnao.kernel.files import write_atomically


def set_values(home: Path, values: dict[str, bool | float]) -> None:
    """Set top-level keys of the settings file and keep every other line, comments included."""
    path = home / "chengnao.toml"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    for key, value in values.items():
        text = f"{key} = {str(value).lower()}"
        # Top-level keys end where the first table begins.
        end = next((i for i, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
        found = next((i for i in range(end) if re.match(rf"\s*{key}\s*=", lines[i])), None)
        if found is None:
            lines.insert(end, text)
        else:
            lines[found] = text
    write_atomically(path, ("\n".join(lines) + "\n").encode(), mode=0o600)
