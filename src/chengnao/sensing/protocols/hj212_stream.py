"""Finding HJ 212 frames in a stream: half packets, several in one read, garbage, wrong frames between good.

The result does not depend on how the bytes were cut into reads. Nothing good is lost: after a wrong frame
the search goes on from the next ``##`` + 4 digits, inside the wrong frame too.
"""

from chengnao.sensing.protocols.hj212 import CRC_BYTES, FRAME_START, HEAD_BYTES, Frame, decode
from chengnao.sensing.protocols.shape import Refusal

_MAX_GARBAGE = 4096
_BLANK = b"\r\n \t\x00"


class Framer:
    """Feed it what was read; it returns the frames and the refused pieces, in order.

    It holds at most one frame's bytes (10 kB) between calls.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes held back because their frame is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Refusal]:
        self._buffer += data
        return self._drain(final=False)

    def close(self) -> list[Frame | Refusal]:
        """The stream has ended: whatever is left is refused, with the good frames inside it brought out."""
        return self._drain(final=True)

    def hurry(self) -> list[Frame | Refusal]:
        """The line has gone quiet in the middle of a frame.

        Where the waiting bytes already hold a whole good frame, or their frame is whole at another length
        than it says, the head was wrong and waiting on would hold good frames back; else nothing changes.
        """
        waiting = bytes(self._buffer)
        stale = _good_inside(waiting, 2) is not None
        if not stale:
            verdict = decode(waiting)
            stale = isinstance(verdict, Refusal) and "length_found" in verdict.params
        return self._drain(final=True) if stale else []

    def _drain(self, *, final: bool) -> list[Frame | Refusal]:
        found: list[Frame | Refusal] = []
        data = bytes(self._buffer)
        position = 0
        while position < len(data):
            start = FRAME_START.search(data, position)
            if start is None:
                position = self._no_start(data, position, found, final=final)
                break
            if start.start() > position:
                _refuse_garbage(data[position : start.start()], found)
                position = start.start()
            end = position + HEAD_BYTES + int(start.group()[2:]) + CRC_BYTES
            if end > len(data) and not final:
                break
            frame = decode(data[position:end])
            if isinstance(frame, Frame):
                found.append(frame)
                position = end
                continue
            # Two bytes more tell a stale CRC from a wrong length.
            if end + 2 > len(data) and not final:
                break
            stop = _extent(data, position, end)
            piece = decode(data[position:stop])
            found.append(piece)
            position = stop
        del self._buffer[:position]
        return found

    def _no_start(self, data: bytes, position: int, found: list[Frame | Refusal], *, final: bool) -> int:
        rest = data[position:]
        if final:
            _refuse_garbage(rest, found)
            return len(data)
        if len(rest) > _MAX_GARBAGE or not rest.strip(_BLANK):
            keep = _start_begun(rest)
            _refuse_garbage(rest[: len(rest) - keep], found)
            return len(data) - keep
        return position


def _start_begun(data: bytes) -> int:
    """How many bytes at the end may be the first part of a frame start."""
    for size in range(HEAD_BYTES - 1, 0, -1):
        tail = data[-size:]
        if len(tail) == size and b"##".startswith(tail[:2]) and tail[2:].isdigit() == (size > 2):
            return size
    return 0


def _refuse_garbage(piece: bytes, found: list[Frame | Refusal]) -> None:
    piece = piece.lstrip(_BLANK)
    if not piece:
        return
    verdict = decode(piece) if piece.startswith(b"##") else None
    if isinstance(verdict, Refusal):
        found.append(verdict)
    else:
        found.append(Refusal("garbage", piece, {}))


def _extent(data: bytes, position: int, end: int) -> int:
    """Where the wrong frame that starts at ``position`` stops."""
    verdict = decode(data[position : end + 2])
    if isinstance(verdict, Refusal) and verdict.code in {"bad_crc", "missing_field"}:
        # The length fits, so the piece is the frame, unless it swallowed a good one.
        inside = _good_inside(data[:end], position + 2)
        return end if inside is None else inside
    after = FRAME_START.search(data, position + 2)
    if after is not None:
        return after.start()
    line_end = data.find(b"\r\n", position + HEAD_BYTES)
    return line_end + 2 if line_end >= 0 else len(data) - _start_begun(data[position + HEAD_BYTES :])


def _good_inside(data: bytes, position: int) -> int | None:
    """Start of the first whole good frame at or after ``position``."""
    for _ in range(8):  # bounds the work on hostile input
        start = FRAME_START.search(data, position)
        if start is None:
            return None
        end = start.end() + int(start.group()[2:]) + CRC_BYTES
        if end <= len(data) and isinstance(decode(data[start.start() : end]), Frame):
            return start.start()
        position = start.start() + 2
    return None
