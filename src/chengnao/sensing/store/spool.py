"""Where the data of an INSERT waits until it is whole: memory while it is small, an unnamed file beyond."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

IN_MEMORY = 32 * 2**20


class Spool:
    """An open descriptor that grows; nothing of it is left when it is closed, or when the process dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.descriptor = os.memfd_create("insert", os.MFD_CLOEXEC)
        self.size = 0
        self._on_disk = False

    def write(self, piece: bytes) -> None:
        if not self._on_disk and self.size + len(piece) > IN_MEMORY:
            self._move_to_disk()
        view = memoryview(piece)
        while view:
            view = view[os.write(self.descriptor, view) :]
        self.size += len(piece)

    def _move_to_disk(self) -> None:
        file = os.open(self._folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        while piece := os.read(self.descriptor, 2**20):
            os.write(file, piece)
        os.close(self.descriptor)
        self.descriptor = file
        self._on_disk = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.descriptor)
