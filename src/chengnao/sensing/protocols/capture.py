"""A raw capture of a line, of any length: what is in it, and where."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from chengnao.sensing.protocols.shape import F, Framer


class Piece(NamedTuple):
    """A frame, or bytes that are none; `offset` counts from the start of the capture."""

    offset: int
    found: Any
    """A frame of the protocol, or a Refusal."""


def read_capture(framer: Framer[F], chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The pieces in order; at most one frame and one chunk are held. The framer has read nothing yet."""
    place = _Place()
    for chunk in chunks:
        place.window += chunk
        for piece in framer.feed(chunk):
            yield Piece(place.of(piece), piece)
        place.drop(len(place.window) - framer.pending)
    for piece in framer.close():
        yield Piece(place.of(piece), piece)


class _Place:
    """What was read and is not behind us yet, and the last byte before it: frames may share the mark between them."""

    def __init__(self) -> None:
        self.window = bytearray()
        self._base = 0
        self._behind = 0

    def of(self, piece: Any) -> int:
        raw: bytes = piece.raw
        at = self._behind if self.window.startswith(raw, self._behind) else max(0, self.window.find(raw))
        offset = self._base + at
        self.drop(at + len(raw))
        return offset

    def drop(self, count: int) -> None:
        """The first `count` bytes of the window are behind us."""
        if count > self._behind:
            del self.window[: count - 1]
            self._base += count - 1
            self._behind = 1
