"""A file that a command is given, by lines or as it is."""

import sys
from collections.abc import Callable, Iterable, Iterator
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
    return _pieces_of(file, title, lambda source: source)


def chunks_of(file: str, title: str, size: int) -> Iterator[bytes]:
    """The bytes of a file, or of standard input for `-`, up to `size` at a time; otherwise like `lines_of`."""
    return _pieces_of(file, title, lambda source: iter(lambda: source.read(size), b""))


def _pieces_of(file: str, title: str, cut: Callable[[BinaryIO], Iterable[bytes]]) -> Iterator[bytes]:
    if file == "-":
        yield from cut(sys.stdin.buffer)
        return
    try:
        with Path(file).open("rb") as source:
            size = Path(file).stat().st_size
            if size < _PROGRESS_FROM or not sys.stderr.isatty():
                yield from cut(source)
            else:
                yield from _with_progress(cut(source), size, title)
    except OSError as error:
        raise Invalid("file_unusable", field="file", file=file, reason=error.strerror or str(error)) from error


def _with_progress(pieces: Iterable[bytes], size: int, title: str) -> Iterator[bytes]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=size)
        for piece in pieces:
            yield piece
            progress.advance(task, len(piece))
