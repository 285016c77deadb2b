"""What is said over a connection of HJ 212: data acknowledged, split messages put together, commands and their answers.

Everything is answered under the QN of the frame and with ST=91, where bit 0 of the frame's Flag asks for an answer.
"""

import re
from dataclasses import dataclass
from math import isfinite
from typing import Any, NamedTuple

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.hj212 import Frame, encode, field_text, field_time, frame_segment
from chengnao.sensing.protocols.hj212_stream import Framer
from chengnao.sensing.protocols.shape import (
    Act,
    Command,
    Known,
    Now,
    Receipt,
    Refusal,
    Refused,
    Reply,
    Report,
    Value,
    Wire,
)
from chengnao.sensing.readings.model import Quality

SPLIT_SECONDS = 60.0
MAX_PARTS = 100

# Commands of the station that are themselves answers; they are heard, and answered where they ask for it.
_ANSWERS = frozenset({"9011", "9012", "9013", "9014"})
_CLOCK_REQUEST = "1013"
_DATA_ACK, _NOTICE_ACK, _REQUEST_ANSWER, _EXECUTED = "9014", "9013", "9011", "9012"
_REFUSED, _WRONG_MN, _WRONG_CN = "QnRtn=2", "QnRtn=4", "QnRtn=8"


class Statistic(NamedTuple):
    """Which part of a factor a command's readings are, and what is added to the metric's name."""

    part: str
    suffix: str
    period_ms: int = 0
    """DataTime is when the period begins; it can be sent only after it has ended."""


DATA_COMMANDS = {
    "2011": Statistic("Rtd", ""),
    "2051": Statistic("Avg", "_minute", 600_000),
    "2061": Statistic("Avg", "_hour", 3_600_000),
    "2031": Statistic("Avg", "_day", 86_400_000),
    "2021": Statistic("RS", ""),
}

QUALITY = {
    "N": Quality.GOOD,
    "C": Quality.CALIBRATING,
    "M": Quality.CALIBRATING,
    "T": Quality.OUT_OF_RANGE,
    "S": Quality.SENTINEL,  # put in by hand: a number, but not measured
    "F": Quality.FAULT,
    "D": Quality.FAULT,
    "B": Quality.FAULT,
}
"""Only N counts as measured; a factor without a flag (2005) counts as N, an unknown flag as a fault."""

_COMMANDS = {"set_clock": "1012", "set_interval": "1062", "take_sample": "3013", "calibrate": "3011"}
_MN = re.compile(rb"MN=([^;,&#\r\n]{1,64})")
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def answer(frame: Frame, command: str, content: str = "") -> bytes:
    """The platform's answer to a frame, under the same QN."""
    header = frame.header
    qn = f"QN={header['QN']};" if header.get("QN") else ""
    flags = frame.flags
    version = flags.version << 2 if flags else 0
    segment = (
        f"{qn}ST=91;CN={command};PW={header.get('PW', '')};MN={header.get('MN', '')};Flag={version};CP=&&{content}&&"
    )
    return frame_segment(segment.encode("gb18030"))


@dataclass(slots=True)
class _Part:
    """A part of a split message that waits for another part to tell its time."""

    frame: Frame
    since: float


class Hj212Dialogue:
    """One station's conversation."""

    def __init__(self) -> None:
        self._times: dict[tuple[str, str, str], tuple[str, float]] = {}
        self._parts: list[_Part] = []

    def address(self, frame: Frame) -> str:
        return frame.mn

    def unknown(self, frame: Frame, now: Now) -> bytes:
        if frame.cn in _ANSWERS:
            return _wanted(frame, _DATA_ACK)
        return _wanted(frame, _REQUEST_ANSWER, _WRONG_MN)

    def hear(self, frame: Frame, device: Known, now: Now) -> list[Act]:
        if frame.cn in DATA_COMMANDS:
            return self._data(frame, now)
        if frame.cn in _ANSWERS:
            return [*_receipts(frame), Reply(_wanted(frame, _DATA_ACK))]
        if frame.cn == _CLOCK_REQUEST:
            return [Reply(_wanted(frame, _NOTICE_ACK))]
        refusal = Refusal("command_not_served", frame.raw, {"field": "CN", "value": frame.cn})
        return [Refused(refusal, _wanted(frame, _REQUEST_ANSWER, _WRONG_CN))]

    def tick(self, now: Now) -> list[Act]:
        for key, (_, since) in list(self._times.items()):
            if now.seconds - since > SPLIT_SECONDS:
                del self._times[key]
        gone = [part for part in self._parts if now.seconds - part.since >= SPLIT_SECONDS]
        self._parts = self._parts[len(gone) :]
        return [_incomplete(part) for part in gone]

    def close(self) -> list[Act]:
        gone, self._parts = self._parts, []
        return [_incomplete(part) for part in gone]

    def command(self, command: Command, device: Known, now: Now) -> bytes:
        """`set_clock`, `set_interval` (`seconds`), `take_sample`, `calibrate` (`factor`); the key becomes the QN."""
        number = _COMMANDS.get(command.name)
        if number is None:
            raise Invalid("command_unknown", field="name", value=command.name, known=", ".join(_COMMANDS))
        content: dict[str, str] = {}
        if command.name == "set_clock":
            content["SystemTime"] = field_text(now.time)
        elif command.name == "set_interval":
            content["RtdInterval"] = str(_seconds(command.arguments.get("seconds")))
        elif command.name == "calibrate":
            content["PolId"] = _factor(command.arguments.get("factor"))
        header = {"QN": command.key, "ST": str(device.settings.get("st", "22")), "CN": number}
        header |= {"PW": str(device.settings.get("password", "123456")), "MN": device.address, "Flag": "5"}
        return encode(header, content)

    def _data(self, frame: Frame, now: Now) -> list[Act]:
        flags = frame.flags
        if flags is None or not flags.split:
            return [_report(frame, frame.cp.get("DataTime", ""))]
        message = (frame.mn, frame.cn, frame.header.get("QN", ""))
        if "DataTime" not in frame.cp:
            known = self._times.get(message)
            if known is not None:
                return [_report(frame, known[0])]
            self._parts.append(_Part(frame, now.seconds))
            return [_incomplete(self._parts.pop(0))] if len(self._parts) > MAX_PARTS else []
        text = frame.cp["DataTime"]
        if len(self._times) > MAX_PARTS:
            self._times.pop(next(iter(self._times)))
        self._times[message] = (text, now.seconds)
        acts: list[Act] = [_report(frame, text)]
        waiting, self._parts = self._parts, []
        for part in waiting:
            if (part.frame.mn, part.frame.cn, part.frame.header.get("QN", "")) == message:
                acts.append(_report(part.frame, text))
            else:
                self._parts.append(part)
        return acts


def _wanted(frame: Frame, command: str, content: str = "") -> bytes:
    flags = frame.flags
    return answer(frame, command, content) if flags is not None and flags.ack_required else b""


def _incomplete(part: _Part) -> Refused:
    return Refused(Refusal("split_incomplete", part.frame.raw, {"field": "DataTime"}))


def _report(frame: Frame, text: str) -> Report | Refused:
    """The values of a data frame. A value that is no number is left out; refused is a frame without any."""
    moment = field_time(text)
    if moment is None:
        return Refused(Refusal("reading_time", frame.raw, {"field": "DataTime", "value": text}))
    statistic = DATA_COMMANDS[frame.cn]
    values = []
    for code, parts in frame.factors.items():
        value = _number(parts.get(statistic.part))
        if value is not None:
            quality = QUALITY.get(parts.get("Flag") or "N", Quality.FAULT)
            # The running state of a device is no value of what it measures.
            point = f"{code}-RS" if statistic.part == "RS" else code
            values.append(Value(point, value, quality, statistic.suffix))
    if not values and frame.factors:
        return Refused(Refusal("reading_value", frame.raw, {"field": "CP", "value": statistic.part}))
    return Report(
        values,
        moment,
        frame.raw,
        reply=_wanted(frame, _DATA_ACK),
        busy=answer(frame, _REQUEST_ANSWER, _REFUSED),
        period_ms=statistic.period_ms,
    )


def _receipts(frame: Frame) -> list[Act]:
    """9011 tells whether a request is taken on (QnRtn 1), 9012 how it ended (ExeRtn 1)."""
    key = frame.header.get("QN", "")
    result = frame.cp.get("ExeRtn" if frame.cn == _EXECUTED else "QnRtn", "")
    if not key or frame.cn not in {_EXECUTED, _REQUEST_ANSWER} or (frame.cn == _REQUEST_ANSWER and result == "1"):
        return []
    return [Receipt(key, result == "1", {"cn": frame.cn, **frame.cp})]


def _hint(raw: bytes) -> str:
    match = _MN.search(raw)
    return match.group(1).decode("latin-1") if match else ""


def _number(text: str | None) -> float | None:
    if not text or "_" in text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _seconds(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 30 <= value <= 3600:
        return value
    raise Invalid(
        "invalid_value",
        field="seconds",
        value=value,
        reason_zh="实时数据间隔应为 30 至 3600 秒的整数",
        reason_en="the interval of real-time data is a whole number from 30 to 3600 seconds",
    )


def _factor(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    raise Invalid(
        "invalid_value",
        field="factor",
        value=value,
        reason_zh="应为因子编码，如 a34004",
        reason_en="the code of a factor is wanted, such as a34004",
    )


WIRE: Wire[Frame] = Wire(
    "hj212",
    "HJ 212 污染源与环境质量监测",
    "HJ 212, pollution and environment monitoring",
    Framer,
    lambda frames: {"CN": [frame.cn for frame in frames]},
    _hint,
    Hj212Dialogue,
)
