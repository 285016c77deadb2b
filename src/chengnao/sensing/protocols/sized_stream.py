"""Finding frames that tell their own length: half packets, several in one read, garbage, wrong frames between good.

The start mark and the end mark of such protocols occur inside bodies too, so neither is trusted alone: a frame begins
where a whole head fits, and ends where its length says. The result does not depend on how the bytes were cut into
reads; after a wrong frame the search goes on inside it, so that nothing good is lost.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from chengnao.sensing.protocols.shape import F, Refusal

_MAX_GARBAGE = 4096
_BLANK = b"\r\n \t\x00"
_MAX_INSIDE = 16
"""So many heads inside a wrong frame are tried; bounds the work on hostile input."""


def _no_lead(data: bytes, floor: int, at: int) -> int:
    return at


def _no_trailer(piece: bytes) -> bool:
    return False


def _no_text(piece: bytes, ended: bool) -> tuple[list[F], int]:
    return [], 0


@dataclass(frozen=True)
class Sizing(Generic[F]):
    """What a protocol's framer must know of it."""

    marks: tuple[bytes, ...]
    """What a frame begins with."""
    size: Callable[[bytes, int], int | None]
    """Length of the frame whose mark is at this place; 0 where no head fits there, None where more bytes must tell."""
    decode: Callable[[bytes], F | Refusal]
    lead: Callable[[bytes, int, int], int] = _no_lead
    """Where the bytes before a mark (a preamble) begin that belong to its frame, not before the first place given."""
    blank: bytes = _BLANK
    """Bytes between frames that are no garbage."""
    trailer: Callable[[bytes], bool] = _no_trailer
    """Whether bytes that stand alone after a good frame are what some devices put there."""
    text: Callable[[bytes, bool], tuple[list[F], int]] = _no_text
    """Lines of text at the front of bytes between frames, and how many bytes they take; the last line has an end of
    its own unless the bytes themselves have ended."""


class SizedFramer(Generic[F]):
    """Feed it what was read; it returns the frames and the refused pieces, in order.

    It holds one frame's bytes between calls, or 4 kB of garbage.
    """

    def __init__(self, sizing: Sizing[F]) -> None:
        self._sizing = sizing
        self._buffer = bytearray()
        self._after_frame = False
        self._mark = re.compile(b"|".join(re.escape(mark) for mark in sizing.marks))

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> list[F | Refusal]:
        self._buffer += data
        return self._drain(final=False)

    def hurry(self) -> list[F | Refusal]:
        """Where the waiting bytes hold a whole good frame or a line of text, their own head was wrong."""
        waiting = bytes(self._buffer)
        lines, used = self._sizing.text(waiting + b"\n", False)
        if used > len(waiting):
            self._buffer.clear()
            return [*lines]
        stale = self._sizing.text(waiting, True)[1] > 0 or self._good_inside(waiting, 1) is not None
        return self._drain(final=True) if stale else []

    def close(self) -> list[F | Refusal]:
        return self._drain(final=True)

    def _drain(self, *, final: bool) -> list[F | Refusal]:
        found: list[F | Refusal] = []
        data = bytes(self._buffer)
        floor = search = 0  # everything before `floor` is dealt with, no head begins before `search`
        while (at := self._find(data, search)) >= 0:
            size = self._sizing.size(data, at)
            if size == 0 or (size is None and final):
                search = at + 1
                continue
            begin = self._sizing.lead(data, floor, at)
            if size is None and begin - floor <= _MAX_GARBAGE:  # what stands before it may belong to it
                del self._buffer[:floor]
                return found
            if size is None or (at + size > len(data) and not final):
                self._garbage(data[floor:begin], found)
                del self._buffer[:begin]
                return found
            piece = self._sizing.decode(data[begin : at + size])
            stop: int | None = at + size
            if isinstance(piece, Refusal):
                if at + size > len(data):
                    stop = self._good_inside(data, at + 1)
                    stop = len(data) if stop is None else stop
                else:
                    stop = self._head_inside(data, at + 1, at + size, final=final)
                if stop is not None:
                    piece = Refusal(piece.code, data[begin:stop], piece.params)
            self._garbage(data[floor:begin], found)
            if stop is None:  # the bytes that come next must tell
                del self._buffer[:begin]
                return found
            found.append(piece)
            self._after_frame = not isinstance(piece, Refusal)
            floor = search = stop
        del self._buffer[: self._rest(data, floor, found, final=final)]
        return found

    def _find(self, data: bytes, start: int) -> int:
        found = self._mark.search(data, start)
        return -1 if found is None else found.start()

    def _rest(self, data: bytes, floor: int, found: list[F | Refusal], *, final: bool) -> int:
        """Deal with bytes that hold no head; returns up to where."""
        if not final:
            frames, used = self._sizing.text(data[floor:], False)
            found += frames
            floor += used
        rest = data[floor:]
        keep = 0 if final else self._begun(data, floor)
        free = rest[: len(rest) - keep]
        if not final and len(free) <= _MAX_GARBAGE and free.strip(self._sizing.blank):
            return floor
        self._garbage(free, found)
        return len(data) - keep

    def _begun(self, data: bytes, floor: int) -> int:
        """How many bytes at the end may be the first of a frame."""
        at = len(data)
        for mark in self._sizing.marks:
            for size in range(1, len(mark)):
                if data[floor:].endswith(mark[:size]):
                    at = min(at, len(data) - size)
        return len(data) - self._sizing.lead(data, floor, at)

    def _garbage(self, piece: bytes, found: list[F | Refusal]) -> None:
        if not piece:
            return
        after_frame, self._after_frame = self._after_frame, False
        if after_frame and self._sizing.trailer(piece):
            return
        frames, used = self._sizing.text(piece, True)
        found += frames
        piece = piece[used:].lstrip(self._sizing.blank)
        if not piece:
            return
        verdict = self._sizing.decode(piece) if piece.startswith(self._sizing.marks) else None
        found.append(verdict if isinstance(verdict, Refusal) else Refusal("garbage", piece))

    def _head_inside(self, data: bytes, start: int, end: int, *, final: bool) -> int | None:
        """Where the wrong frame before `start` stops: at the next head that may be a good frame's, else at `end`.

        None where bytes that have not come must tell.
        """
        tried = 0
        at = start - 1
        while 0 <= (at := self._find(data, at + 1)) < end:
            size = self._sizing.size(data, at)
            if size is None and not final:
                return None
            if not size:
                continue
            tried += 1
            begin = self._sizing.lead(data, start, at)
            # A head that reaches beyond is not judged here, whether its bytes are there or not.
            beyond = at + size > end or tried > _MAX_INSIDE
            if beyond or not isinstance(self._sizing.decode(data[begin : at + size]), Refusal):
                return begin
        return end if final or not self._mark_cut(data, end) else None

    def _mark_cut(self, data: bytes, end: int) -> bool:
        """Whether a mark that the data holds a part of may begin before `end`."""
        first = max(0, end - max(map(len, self._sizing.marks)) + 1)
        return any(mark.startswith(data[at:]) for mark in self._sizing.marks for at in range(first, end))

    def _good_inside(self, data: bytes, start: int) -> int | None:
        """Start of the first whole good frame at or after a place."""
        at = start - 1
        for _ in range(_MAX_INSIDE):
            size = 0
            while not size and (at := self._find(data, at + 1)) >= 0:
                size = self._sizing.size(data, at) or 0
            if at < 0:
                return None
            begin = self._sizing.lead(data, start, at)
            if at + size <= len(data) and not isinstance(self._sizing.decode(data[begin : at + size]), Refusal):
                return begin
        return None
