"""Where the files lie that were handed in and are not read yet: they hold personal details."""

from pathlib import Path


def folder_of(home: Path) -> Path:
    return home / "imports"


def file_of(home: Path, import_id: str) -> Path:
    return folder_of(home) / import_id
