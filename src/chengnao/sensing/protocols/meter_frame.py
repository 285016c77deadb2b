"""What frames of DL/T 645 and CJ/T 188 share: FE before them, 68 and 16 around them, a sum of eight bits."""

from collections.abc import Callable

from chengnao.sensing.protocols.shape import Refusal

MARK, TAIL, WAKE = 0x68, 0x16, 0xFE


def opened(raw: bytes, bare: bytes, size_of: Callable[[bytes, int], int | None], least: int) -> bytes | Refusal:
    """The frame at the beginning of ``bare``, which is ``raw`` without what stands before it; refused what is wrong.

    ``size_of`` gives its length, 0 where no head fits, None where bytes are missing; ``least`` is the shortest frame.
    """
    if bare[:1] != bytes((MARK,)):
        if not bare:
            return Refusal("truncated", raw, {"need_bytes": least})
        return Refusal("bad_start", raw, {"found": bare[:1].hex()})
    size = size_of(bare, 0)
    if size == 0:
        return Refusal("bad_header", raw)
    if size is None or size > len(bare):
        return Refusal("truncated", raw, {"need_bytes": (size or least) - len(bare)})
    frame = bare[:size]
    if frame[-1] != TAIL:
        return Refusal("bad_tail", raw, {"found": f"{frame[-1]:02x}"})
    computed = sum(frame[:-2]) & 0xFF
    if frame[-2] != computed:
        return Refusal("bad_checksum", raw, {"in_frame": f"{frame[-2]:02x}", "computed": f"{computed:02x}"})
    return frame
