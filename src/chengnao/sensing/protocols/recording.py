"""Recorded traffic of any protocol: the frames in it, what was skipped, and how tidy it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

from chengnao.sensing.protocols.shape import F, Framer, Refusal, Wire


@dataclass(frozen=True)
class Recording(Generic[F]):
    """What one piece of recorded traffic holds. ``kind`` is ``frame`` for one tidy frame, or nothing but wrong ones."""

    frames: list[F] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    kind: str = "frame"

    def fields(self, wire: Wire[F]) -> dict[str, Any]:
        """The recording as plain values; what the protocol tells of several frames stands beside their number."""
        return {
            "frames": len(self.frames),
            **wire.summary(self.frames),
            "stream": self.kind,
            "decoded": [frame.fields() for frame in self.frames],
            "skipped": [{"code": bad.code, "bytes": len(bad.raw), **bad.params} for bad in self.refused],
        }


def read_recording(framer: Framer[F], raw: bytes) -> Recording[F]:
    """Read recorded traffic with a framer that has read nothing yet."""
    pieces = [*framer.feed(raw), *framer.close()]
    frames: list[F] = []
    refused: list[Refusal] = []
    for piece in pieces:
        if isinstance(piece, Refusal):
            refused.append(piece)
        else:
            frames.append(piece)
    return Recording(frames, refused, _kind(pieces, len(frames)))


def _kind(pieces: Sequence[F | Refusal], good: int) -> str:
    if good == 0:
        return "frame"
    if good == len(pieces):
        return "frame" if good == 1 else "sticky"
    first, last = pieces[0], pieces[-1]
    if isinstance(first, Refusal):
        return "leading_garbage" if all(code == "garbage" for code in _leading(pieces)) else "bad_then_good"
    if not isinstance(last, Refusal):
        return "good_bad_good"
    return {"garbage": "trailing_garbage", "trailing_byte": "trailing_byte"}.get(last.code, "good_then_bad")


def _leading(pieces: Sequence[F | Refusal]) -> Iterator[str]:
    for piece in pieces:
        if not isinstance(piece, Refusal):
            return
        yield piece.code
