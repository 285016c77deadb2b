"""JT/T 808: frames out of a stream. A mark 7E ends a frame, begins one, or does both at once."""

from dataclasses import replace

from chengnao.sensing.protocols.jt808 import MARK, MAX_BODY, Frame, decode
from chengnao.sensing.protocols.shape import Refusal

_MAX_PIECE = 2 * (MAX_BODY + 22)
"""The longest frame there can be, with every byte of it escaped."""
_SHORTEST = 13
_BLANK = b"\r\n \t\x00"
"""What some modems put between frames."""


class Framer:
    """Feed it what was read; it returns the frames and the refused pieces, in order. It holds 2 KiB at most."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun = False
        self._closed = ""
        """What the last mark closed: a `frame`, a `piece` that was none, nothing."""
        self._empty = 0
        self._silent = True

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Refusal]:
        self._buffer += data
        *pieces, rest = bytes(self._buffer).split(MARK)
        found: list[Frame | Refusal] = []
        for piece in pieces:
            self._piece(self._without_excess(piece, found), found)
        self._buffer[:] = self._without_excess(rest, found)
        self._silent = self._silent and not found
        return found

    def hurry(self) -> list[Frame | Refusal]:
        """Nothing good waits behind a mark that has not come."""
        return []

    def close(self) -> list[Frame | Refusal]:
        rest = bytes(self._buffer)
        self._buffer.clear()
        if rest.strip(_BLANK):
            half = self._begun and not (self._closed and len(rest) < _SHORTEST)
            return [Refusal("no_delimiter", MARK + rest) if half else Refusal("garbage", rest)]
        if self._silent and self._empty:
            return [Refusal("empty_frames", MARK * (self._empty + 1))]
        return []

    def _without_excess(self, piece: bytes, found: list[Frame | Refusal]) -> bytes:
        while len(piece) > _MAX_PIECE:
            found.append(Refusal("garbage", piece[:_MAX_PIECE]))
            piece = piece[_MAX_PIECE:]
            self._begun = False
        return piece

    def _piece(self, piece: bytes, found: list[Frame | Refusal]) -> None:
        begun, closed, empty = self._begun, self._closed, self._empty
        self._begun, self._closed, self._empty = True, "", 0
        if not piece or (not piece.strip(_BLANK) and (closed or not begun)):
            # After a frame's end the next mark begins another; elsewhere two marks stand for nothing.
            self._empty = empty + (1 if begun and not closed else 0)
            return
        if not begun:
            found.append(Refusal("garbage", piece))
            return
        verdict = decode(MARK + piece + MARK)
        if isinstance(verdict, Refusal):
            self._closed = "piece"
            # Noise between two frames is no frame.
            found.append(Refusal("garbage", piece) if closed and len(piece) < _SHORTEST else verdict)
            return
        self._closed = "frame"
        odd = (*(("shared_delimiter",) if closed == "frame" else ()), *(("empty_frames",) if empty else ()))
        found.append(replace(verdict, warnings=verdict.warnings + odd) if odd else verdict)
