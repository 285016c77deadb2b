"""What is said with electricity meters (DL/T 645) behind a concentrator; see `metering` for how they are asked.

Settings of a meter: `edition` (2007, or 1997), `read` (identifiers to read, four or two bytes in hex, high byte first),
and for the command `switch` its `password` (level and password) and `operator`, eight hexadecimal digits each.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from chengnao.kernel.clock import CST
from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.dlt645 import (
    ERRORS,
    FURTHER,
    MORE,
    OLD_FURTHER,
    OLD_READ,
    READ,
    READ_ADDRESS,
    SWITCH,
    Frame,
    Framer,
    encode,
)
from chengnao.sensing.protocols.dlt645_items import read_items
from chengnao.sensing.protocols.metering import Heard, Line, Question, check_digits, meter_wire_dialogue
from chengnao.sensing.protocols.shape import Command, Known, Now, Value, Wire

READS_2007 = ("00010000", "02010100", "02020100", "02030000")
READS_1997 = ("9010",)
MAX_READS = 64
_SWITCHES = {"off": 0x1A, "permit": 0x1B, "on": 0x1C}
_COMMANDS = ("read", "read_address", "switch")


class Dlt645:
    """How electricity meters are asked, and what their answers mean."""

    def questions(self, meter: Known) -> list[Question]:
        old = str(meter.settings.get("edition", "2007")) == "1997"
        given = meter.settings.get("read")
        codes = given if isinstance(given, list) and given else READS_1997 if old else READS_2007
        if not _is_address(meter.address):
            return []
        return [_read(meter.address, code.upper()) for code in codes[:MAX_READS] if _is_identifier(code)]

    def further(self, question: Question, number: int) -> Question:
        control = OLD_FURTHER if len(question.code) == 4 else FURTHER
        data = bytes.fromhex(question.code)[::-1] + (bytes((number,)) if control == FURTHER else b"")
        return Question(question.meter, question.code, (encode(question.meter, control, data),))

    def heard(self, parts: Sequence[Frame]) -> Heard:
        last = parts[-1]
        if not last.answer:
            return Heard(last.address, last.di, False)
        if last.error is not None:
            words = ",".join(name for bit, name in ERRORS.items() if last.error & bit) or "unknown"
            return Heard(last.address, "", True, error={"word": f"{last.error:02X}", "meaning": words})
        more = bool(last.control & MORE)
        if last.function == READ_ADDRESS:
            return Heard(last.address, "address", True)
        if not last.di:
            return Heard(last.address, f"{last.function:02X}", True)
        content = b"".join(_content(part) for part in parts)
        values = (
            []
            if more
            else [Value(item.di, item.value) for item in read_items(last.di, content) if item.value is not None]
        )
        return Heard(last.address, last.di, True, values, more=more)

    def fits(self, question: Question, heard: Heard) -> bool:
        if question.code == "address":
            return heard.code in {"address", ""}
        return heard.meter == question.meter and heard.code in {question.code, ""}

    def order(self, command: Command, meter: Known, now: Now) -> Question:
        if command.name not in _COMMANDS:
            raise Invalid("command_unknown", field="name", value=command.name, known=", ".join(_COMMANDS))
        if not _is_address(meter.address):
            raise _invalid(
                "address", meter.address, "应为 12 位十进制表地址", "an address of 12 decimal digits is wanted"
            )
        if command.name == "read_address":
            return Question(meter.address, "address", (encode("aaaaaaaaaaaa", READ_ADDRESS),))
        if command.name == "read":
            code = command.arguments.get("di")
            if not _is_identifier(code):
                raise _invalid(
                    "di", code, "应为 8 位或 4 位十六进制数据标识", "an identifier of 8 or 4 hex digits is wanted"
                )
            return _read(meter.address, str(code).upper())
        return _switch(command, meter, now)


def _read(meter: str, code: str) -> Question:
    control = READ if len(code) == 8 else OLD_READ
    return Question(meter, code, (encode(meter, control, bytes.fromhex(code)[::-1]),))


def _content(part: Frame) -> bytes:
    """The data of one part; a further one of 2007 ends with its number."""
    return part.content[:-1] if part.function == FURTHER else part.content


def _switch(command: Command, meter: Known, now: Now) -> Question:
    """`state`: off, on, or permit (a person closes the switch at the meter); valid for five minutes."""
    state: Any = command.arguments.get("state")
    if state not in _SWITCHES:
        raise _invalid("state", state, "应为 off、on 或 permit", "off, on or permit is wanted")
    password = bytes.fromhex(check_digits(meter, "password", 8))
    operator = bytes.fromhex(check_digits(meter, "operator", 8))
    until = (now.time + timedelta(minutes=5)).astimezone(CST)
    data = password[:1] + password[:0:-1] + operator[::-1] + bytes((_SWITCHES[state], 0))
    data += bytes.fromhex(until.strftime("%S%M%H%d%m%y"))
    return Question(meter.address, f"{SWITCH:02X}", (encode(meter.address, SWITCH, data),))


def _is_address(text: str) -> bool:
    return len(text) == 12 and text.isascii() and text.isdigit()


def _is_identifier(code: Any) -> bool:
    return isinstance(code, str) and len(code) in {4, 8} and all(each in "0123456789abcdefABCDEF" for each in code)


def _invalid(field: str, value: Any, zh: str, en: str) -> Invalid:
    return Invalid("invalid_value", field=field, value=value, reason_zh=zh, reason_en=en)


def _hint(raw: bytes) -> str:
    bare = raw.lstrip(b"\xfe")
    return bare[1:7][::-1].hex() if bare[:1] == b"\x68" and len(bare) >= 8 else ""


def _summary(frames: Sequence[Frame | Line]) -> dict[str, Any]:
    return {"control": [f"0x{frame.control:02X}" for frame in frames if isinstance(frame, Frame)]}


WIRE: Wire[Frame | Line] = Wire(
    "dlt645",
    "DL/T 645 多功能电能表",
    "DL/T 645, electricity meters",
    Framer,
    _summary,
    _hint,
    meter_wire_dialogue(Dlt645),
)
