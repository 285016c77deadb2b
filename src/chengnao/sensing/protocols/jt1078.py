"""JT/T 1078 (2016): packets of a vehicle's sound and pictures, their heads decoded and the media left as they are.

``30 31 63 64`` + RTP flags (1) + mark and payload type (1) + sequence (2) + SIM (6 BCD) + channel (1) + kind and part
(half a byte each) [+ time (8), not for kind 4] [+ intervals to the last I frame and the last frame (2 each), kinds 0
to 2] + length (2) + data. There is no checksum and no end mark, so the length alone divides packets. Some devices send
a SIM of 10 bytes as JT/T 808-2019 has it: the width that fits is taken.
"""

from dataclasses import dataclass
from typing import Any

from chengnao.sensing.protocols.shape import Refusal, Wire
from chengnao.sensing.protocols.sized_stream import SizedFramer, Sizing

MAGIC = b"\x30\x31\x63\x64"
MAX_DATA = 950
_KIND_AT = 15
_SHOWN_BYTES = 8
_LAST_PICTURE, _LAST_KIND, _THROUGH, _LAST_PART = 2, 4, 4, 3
_LONGER = 4
"""By so much a SIM of 10 bytes moves what follows it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet; its data are taken as they are."""

    raw: bytes
    sequence: int
    sim: str
    channel: int
    data_type: int
    """0 I frame, 1 P frame, 2 B frame, 3 sound, 4 data passed through."""
    subpackage: int
    """0 whole, 1 first, 2 last, 3 in between."""
    marker: int
    payload_type: int
    timestamp_ms: int | None
    intervals: tuple[int, int] | None
    body: bytes
    warnings: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        """The head as plain values, and the first bytes of the data."""
        found: dict[str, Any] = {
            "sequence": self.sequence,
            "sim": self.sim,
            "channel": self.channel,
            "data_type": self.data_type,
            "subpackage": self.subpackage,
            "marker": self.marker,
            "payload_type": self.payload_type,
        }
        if self.timestamp_ms is not None:
            found["timestamp_ms"] = self.timestamp_ms
        if self.intervals is not None:
            found |= {"last_i_interval": self.intervals[0], "last_frame_interval": self.intervals[1]}
        found |= {
            "body_length": len(self.body),
            "body_start": self.body[:_SHOWN_BYTES].hex(),
            "frame_bytes": len(self.raw),
        }
        return found | ({"body_length_10byte_sim": len(self.body)} if "sim_length_variant" in self.warnings else {})


def decode(raw: bytes) -> Frame | Refusal:
    """Read the packet that fills ``raw``; what is wrong is a value, never raised."""
    if not raw.startswith(MAGIC):
        if MAGIC.startswith(raw):
            return Refusal("truncated", raw, {"need_bytes": _KIND_AT + 1 - len(raw)})
        return Refusal("bad_start", raw, {"found": raw[:4].hex()})
    longer = _width(raw, 0, ended=True)
    if longer is None:
        return Refusal("bad_header", raw, {"found": raw[_KIND_AT : _KIND_AT + 1].hex()})
    size = _whole_size(raw, 0, longer)
    if size is None:
        return Refusal("truncated", raw, {"need_bytes": _length_at(raw, longer) + 2 - len(raw)})
    if size > len(raw):
        return Refusal("truncated", raw, {"need_bytes": size - len(raw)})
    return _read(raw[:size], longer)


def _read(raw: bytes, longer: int) -> Frame:
    kind_at, length_at = _KIND_AT + longer, _length_at(raw, longer)
    kind = raw[kind_at] >> 4
    time_at, intervals_at = kind_at + 1, kind_at + 9
    intervals = divmod(int.from_bytes(raw[intervals_at : intervals_at + 4], "big"), 0x10000)
    return Frame(
        raw,
        sequence=int.from_bytes(raw[6:8], "big"),
        sim=raw[8 : kind_at - 1].hex(),
        channel=raw[kind_at - 1],
        data_type=kind,
        subpackage=raw[kind_at] & 0xF,
        marker=raw[5] >> 7,
        payload_type=raw[5] & 0x7F,
        timestamp_ms=None if kind == _THROUGH else int.from_bytes(raw[time_at:intervals_at], "big"),
        intervals=intervals if kind <= _LAST_PICTURE else None,
        body=raw[length_at + 2 :],
        warnings=("sim_length_variant",) if longer else (),
    )


def _length_at(data: bytes, longer: int) -> int:
    """Where the length stands, from the magic on; the kind may not have come yet."""
    kind_at = _KIND_AT + longer
    kind = data[kind_at] >> 4 if len(data) > kind_at else _THROUGH
    return kind_at + 1 + (0 if kind == _THROUGH else 8) + (4 if kind <= _LAST_PICTURE else 0)


def _whole_size(data: bytes, at: int, longer: int) -> int | None:
    """Bytes of the packet at this place if its SIM is so much longer; 0 where no head fits, None where bytes lack."""
    head = data[at : at + 40]
    kind_at = _KIND_AT + longer
    if len(head) > 4 and head[4] >> 6 != 2:  # version of RTP
        return 0
    if len(head) <= kind_at:
        return None
    if head[kind_at] >> 4 > _LAST_KIND or head[kind_at] & 0xF > _LAST_PART:
        return 0
    length_at = _length_at(head, longer)
    if len(head) < length_at + 2:
        return None
    length = int.from_bytes(head[length_at : length_at + 2], "big")
    return length_at + 2 + length if length <= MAX_DATA else 0


def _width(data: bytes, at: int, *, ended: bool) -> int | None:
    """By how much the SIM is longer than the standard's; None where no head fits, or while it cannot be told.

    Where both widths leave a sound head, the one is right after whose packet the next begins; at the end of all bytes
    the one whose packet ends there, then the one under which SIM and channel are such.
    """
    sizes = {longer: _whole_size(data, at, longer) for longer in (0, _LONGER)}
    fitting = [longer for longer, size in sizes.items() if size != 0]
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    ends = {longer: at + size for longer, size in sizes.items() if size}
    followed = [longer for longer, end in ends.items() if data.startswith(MAGIC, end)]
    if len(followed) == 1:
        return followed[0]
    if not followed and not ended and (len(ends) < 2 or len(data) < max(ends.values()) + len(MAGIC)):
        return None
    return max(
        followed or fitting,
        key=lambda longer: (ends.get(longer) == len(data), _is_named(data[at + 8 : at + _KIND_AT + longer]), -longer),
    )


def _is_named(named: bytes) -> bool:
    """SIM and channel: digits, and a number from 1."""
    return named[:-1].hex().isdecimal() and named[-1:] != b"\x00"


class Framer(SizedFramer[Frame]):
    """Finds packets in a stream; it holds two packets (2 KiB) or 4 KiB of garbage."""

    def __init__(self) -> None:
        super().__init__(Sizing((MAGIC,), self._size, decode))
        self._ended = False

    def hurry(self) -> list[Frame | Refusal]:
        """Nothing more comes for now: what waits is taken as if it were the end."""
        return self.close() if self.pending else []

    def close(self) -> list[Frame | Refusal]:
        self._ended = True
        found = super().close()
        self._ended = False
        return found

    def _size(self, data: bytes, at: int) -> int | None:
        longer = _width(data, at, ended=self._ended)
        if longer is not None:
            return _whole_size(data, at, longer)
        return 0 if _whole_size(data, at, 0) == 0 and _whole_size(data, at, _LONGER) == 0 else None


WIRE: Wire[Frame] = Wire(
    "jt1078",
    "JT/T 1078 道路运输车辆音视频（仅解码报文头）",
    "JT/T 1078, sound and pictures of road vehicles (heads only)",
    Framer,
    lambda frames: {"sequences": [frame.sequence for frame in frames]},
)
