"""What is said with water, heat and gas meters (CJ/T 188) behind a concentrator; see `metering` for how they are asked.

Settings of a meter: `meter_type` (two hex digits: 10 cold water where it does not say, 20 heat, 30 gas), `di_order`
(901F or 1F90; where it does not say, a meter that is silent to the one is asked in the other), `ser` (false where the
maker leaves the serial out).
"""

from collections.abc import Sequence
from typing import Any

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.cjt188 import (
    METERING,
    READ,
    READ_ADDRESS,
    UNITS,
    VALVE,
    VOLUMES,
    WRITE,
    Frame,
    Framer,
    Quantity,
    encode,
    status_flags,
)
from chengnao.sensing.protocols.metering import Heard, Line, Question, meter_wire_dialogue
from chengnao.sensing.protocols.shape import Command, Known, Now, Value, Wire
from chengnao.sensing.readings.model import Quality

_METERING, _VALVE, _ADDRESS = "metering", "valve", "address"
_OPEN, _CLOSED = 0x55, 0x99
_COMMANDS = ("read", "read_address", "valve")

# To m³, kWh, kW and m³/h.
_FACTORS = {
    "L": 0.001, "m³": 1.0, "Wh": 0.001, "kWh": 1.0, "MWh": 1000.0, "100 MWh": 100_000.0, "J": 1 / 3.6e6,
    "kJ": 1 / 3600, "MJ": 1 / 3.6, "GJ": 1000 / 3.6, "100 GJ": 100_000 / 3.6, "W": 0.001, "kW": 1.0, "MW": 1000.0,
    "L/h": 0.001, "m³/h": 1.0,
}  # fmt: skip


class Cjt188:
    """How these meters are asked, and what their answers mean."""

    def __init__(self) -> None:
        self._serial = 0

    def questions(self, meter: Known) -> list[Question]:
        return [self._reading(meter)] if _is_address(meter.address) else []

    def further(self, question: Question, number: int) -> Question:
        """No answer of this protocol goes on in a further frame."""
        return question

    def heard(self, parts: Sequence[Frame]) -> Heard:
        frame = parts[-1]
        code = _ADDRESS if frame.control & 0x3F == READ_ADDRESS else frame.di
        code = _METERING if code in METERING else _VALVE if code in VALVE else code
        if frame.error:
            word = frame.data.hex().upper()
            return Heard(frame.address, "", True, error={"word": word, "meaning": "error"})
        values: list[Value] = []
        if frame.metering is not None:
            values = [value for each in frame.metering.quantities if (value := _value(each)) is not None]
            if frame.metering.status:
                flags = status_flags(frame.metering.status)
                values += [Value(name, float(name in flags)) for name in ("valve_closed", "valve_fault", "battery_low")]
        return Heard(frame.address, code, frame.answer, values)

    def fits(self, question: Question, heard: Heard) -> bool:
        if question.code == _ADDRESS:
            return heard.code in {_ADDRESS, ""}
        return heard.meter == question.meter and heard.code in {question.code, ""}

    def order(self, command: Command, meter: Known, now: Now) -> Question:
        if command.name not in _COMMANDS:
            raise Invalid("command_unknown", field="name", value=command.name, known=", ".join(_COMMANDS))
        if not _is_address(meter.address):
            raise _invalid(
                "address", meter.address, "应为 14 位十进制表地址", "an address of 14 decimal digits is wanted"
            )
        if command.name == "read":
            return self._reading(meter)
        if command.name == "read_address":
            data = b"\x81\x0a" + self._ser(meter)
            frame = encode(_meter_type(meter), "aaaaaaaaaaaaaa", READ_ADDRESS, data)
            return Question(meter.address, _ADDRESS, (frame,))
        state = command.arguments.get("state")
        if state not in {"open", "closed"}:
            raise _invalid("state", state, "应为 open 或 closed", "open or closed is wanted")
        data = b"\xa0\x17" + self._ser(meter) + bytes((_OPEN if state == "open" else _CLOSED,))
        return Question(meter.address, _VALVE, (encode(_meter_type(meter), meter.address, WRITE, data),))

    def _reading(self, meter: Known) -> Question:
        order = str(meter.settings.get("di_order", "")).lower()
        orders = (order,) if order in METERING else ("901f", "1f90")
        ser = self._ser(meter)
        forms = tuple(encode(_meter_type(meter), meter.address, READ, bytes.fromhex(each) + ser) for each in orders)
        return Question(meter.address, _METERING, forms)

    def _ser(self, meter: Known) -> bytes:
        if meter.settings.get("ser") is False:
            return b""
        self._serial = (self._serial + 1) % 256
        return bytes((self._serial,))


def _value(quantity: Quantity) -> Value | None:
    """In m³, kWh, kW, m³/h or ℃; a unit that is not known makes the number doubtful, not wrong."""
    if quantity.value is None:
        return None
    if quantity.unit is None:
        return Value(quantity.name, quantity.value)
    factor = _FACTORS.get(UNITS.get(quantity.unit, ""))
    if factor is None or (quantity.name in {"current", "settle"} and quantity.unit not in VOLUMES):
        return Value(quantity.name, quantity.value, Quality.FAULT)
    return Value(quantity.name, quantity.value * factor if factor != 1.0 else quantity.value)


def _meter_type(meter: Known) -> int:
    given = meter.settings.get("meter_type", "10")
    if isinstance(given, str) and len(given) == 2 and all(each in "0123456789abcdefABCDEF" for each in given):
        return int(given, 16)
    return 0x10


def _is_address(text: str) -> bool:
    return len(text) == 14 and text.isascii() and text.isdigit()


def _invalid(field: str, value: Any, zh: str, en: str) -> Invalid:
    return Invalid("invalid_value", field=field, value=value, reason_zh=zh, reason_en=en)


def _hint(raw: bytes) -> str:
    bare = raw.lstrip(b"\xfe")
    return bare[2:9][::-1].hex() if bare[:1] == b"\x68" and len(bare) >= 9 else ""


def _summary(frames: Sequence[Frame | Line]) -> dict[str, Any]:
    return {"control": [f"0x{frame.control:02X}" for frame in frames if isinstance(frame, Frame)]}


WIRE: Wire[Frame | Line] = Wire(
    "cjt188",
    "CJ/T 188 户用计量仪表",
    "CJ/T 188, water, heat and gas meters",
    Framer,
    _summary,
    _hint,
    meter_wire_dialogue(Cjt188),
)
