"""GB/T 26875.3-2011 (remote monitoring of urban fire protection): one frame, bytes to typed values and back.

4040, serial, version, time label, source and target (low byte first), length of the application data, command, the
data, sum modulo 256 from the serial on, 2323.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chengnao.sensing.protocols.gb26875_adu import COMPONENT_STATE, TYPES, Unit, read_time, read_unit, time_bytes
from chengnao.sensing.protocols.shape import Refusal
from chengnao.sensing.protocols.sized_stream import SizedFramer, Sizing

START, TAIL = b"\x40\x40", b"\x23\x23"
HEAD_BYTES, AROUND = 27, 30
MAX_UNIT = 1024

CONTROL, SEND, CONFIRM, REQUEST, ANSWER, DENY = range(1, 7)
COMMANDS = {
    CONTROL: "控制命令 / control",
    SEND: "发送数据 / send data",
    CONFIRM: "确认 / confirm",
    REQUEST: "请求 / request",
    ANSWER: "应答 / answer",
    DENY: "否认 / deny",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose length, sum and end mark are right."""

    raw: bytes
    serial: int
    version: tuple[int, int]
    """Main version, and that of the user."""
    time_label: bytes
    source: int
    target: int
    length: int
    command: int
    checksum: int
    adu: bytes
    unit: Unit | None

    @property
    def warnings(self) -> tuple[str, ...]:
        found = list(self.unit.warnings) if self.unit is not None else []
        moment, bcd = read_time(self.time_label)
        if bcd:
            found.append("bcd_time")
        if moment is None and any(self.time_label):
            found.append("bad_time")
        return tuple(dict.fromkeys(found))

    def fields(self) -> dict[str, Any]:
        """The frame as plain values, head first."""
        found: dict[str, Any] = {
            "serial": self.serial,
            "version_main": self.version[0],
            "version_user": self.version[1],
            "time_label_bytes": self.time_label.hex(),
            "source": self.source,
            "target": self.target,
            "length": self.length,
            "command": self.command,
            "command_title": COMMANDS.get(self.command, ""),
            "checksum": f"{self.checksum:02x}",
        }
        moment, _ = read_time(self.time_label)
        if moment is not None:
            found["time"] = moment.isoformat()
        if self.adu:
            found["adu"] = self.adu.hex()
        if self.unit is not None:
            kind = self.unit.kind
            found |= {"type": kind, "type_title": TYPES.get(kind, ""), "objects": self.unit.count}
            found["items"] = [item.fields(kind) for item in self.unit.items]
            if kind == COMPONENT_STATE and self.unit.items:
                found["component"] = found["items"][0]
        return found


def frame_size(data: bytes, at: int) -> int | None:
    """Length of the frame whose start mark is at this place; 0 where no head fits, None where bytes are missing."""
    head = data[at : at + HEAD_BYTES]
    if len(head) < HEAD_BYTES:
        return None
    length = int.from_bytes(head[24:26], "little")
    return AROUND + length if length <= MAX_UNIT else 0


def decode(raw: bytes) -> Frame | Refusal:
    """Read one frame that should fill ``raw``; what is wrong is a value, never raised."""
    if not raw.startswith(START):
        if raw == START[: len(raw)]:
            return Refusal("truncated", raw, {"need_bytes": AROUND - len(raw)})
        return Refusal("bad_start", raw, {"found": raw[:2].hex()})
    size = frame_size(raw, 0)
    if size == 0:
        return Refusal("bad_length", raw, {"length_in_frame": int.from_bytes(raw[24:26], "little")})
    if size is None or size > len(raw):
        return _short(raw, size)
    raw = raw[:size]
    computed = sum(raw[2:-3]) & 0xFF
    if not raw.endswith(TAIL):
        return Refusal("bad_tail", raw, {"found": raw[-2:].hex()})
    if raw[-3] != computed:
        return Refusal("bad_checksum", raw, {"in_frame": f"{raw[-3]:02x}", "computed": f"{computed:02x}"})
    adu = raw[HEAD_BYTES:-3]
    return Frame(
        raw,
        int.from_bytes(raw[2:4], "little"),
        (raw[4], raw[5]),
        raw[6:12],
        int.from_bytes(raw[12:18], "little"),
        int.from_bytes(raw[18:24], "little"),
        len(adu),
        raw[26],
        computed,
        adu,
        read_unit(adu),
    )


def _short(raw: bytes, size: int | None) -> Refusal:
    """Fewer bytes than the frame says: cut, or its length is wrong where it ends as a frame does."""
    if size is not None and len(raw) >= AROUND and raw.endswith(TAIL) and raw[-3] == sum(raw[2:-3]) & 0xFF:
        return Refusal("length_mismatch", raw, {"declared": size - AROUND, "actual": len(raw) - AROUND})
    return Refusal("truncated", raw, {"need_bytes": (size or AROUND) - len(raw)})


def encode(
    command: int,
    serial: int,
    source: int,
    target: int,
    time: datetime,
    adu: bytes = b"",
    *,
    version: tuple[int, int] = (1, 1),
    bcd: bool = False,
) -> bytes:
    """Build a frame; raises ValueError where the application data is too long."""
    if len(adu) > MAX_UNIT:
        raise ValueError(f"application data has {MAX_UNIT} bytes at most, not {len(adu)}")
    body = b"".join(
        (
            serial.to_bytes(2, "little"),
            bytes(version),
            time_bytes(time, bcd=bcd),
            source.to_bytes(6, "little"),
            target.to_bytes(6, "little"),
            len(adu).to_bytes(2, "little"),
            bytes((command,)),
            adu,
        )
    )
    return START + body + bytes((sum(body) & 0xFF,)) + TAIL


class Framer(SizedFramer[Frame]):
    """Finds frames: the start mark (@@) stands in texts too, so the length decides."""

    def __init__(self) -> None:
        super().__init__(Sizing((START,), frame_size, decode))
