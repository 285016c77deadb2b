"""The lines of a file that a command is given."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import Progress

from chengnao.kernel.errors import Invalid

_PROGRESS_FROM = 1_000_000  # bytes; below this the work is over before a bar could be read


def lines_of(file: str, title: str) -> Iterator[bytes]:
    """The lines of a file, or of standard input for `-`; a large one shows a bar with the title on a terminal.

    Raises Invalid where the file cannot be read.
    """
    if file == "-":
        yield from sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as source:
            size = Path(file).stat().st_size
            if size < _PROGRESS_FROM or not sys.stderr.isatty():
                yield from source
            else:
                yield from _with_progress(source, size, title)
    except OSError as error:
        raise Invalid("file_unusable", field="file", file=file, reason=error.strerror or str(error)) from error


def _with_progress(source: BinaryIO, size: int, title: str) -> Iterator[bytes]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=size)
        for line in source:
            yield line
            progress.advance(task, len(line))
