"""What is said over a connection of GB/T 32960: signing in, reports, heartbeats, the clock.

A vehicle or a platform that speaks for many is answered with the time of what it sent. Where a vehicle is, is decoded
and never kept: these are private cars as well.
"""

from collections.abc import Sequence
from hmac import compare_digest
from typing import Any

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols import gb32960_units as kinds
from chengnao.sensing.protocols.gb32960 import (
    CLOCK,
    ERROR,
    HEARTBEAT,
    LOGIN,
    LOGOUT,
    PLAIN,
    PLATFORM_LOGIN,
    PLATFORM_LOGOUT,
    REALTIME,
    RESENT,
    SUCCESS,
    Frame,
    Framer,
    encode,
    field_bytes,
    hint,
)
from chengnao.sensing.protocols.gb32960_units import Units
from chengnao.sensing.protocols.shape import (
    Act,
    Command,
    Known,
    Now,
    Refusal,
    Refused,
    Reply,
    Report,
    Value,
    Wire,
)

_GREETINGS = frozenset({LOGIN, LOGOUT, PLATFORM_LOGOUT, HEARTBEAT})

# Point, unit, value in it. There is no point for the position.
_POINTS = (
    ("speed", kinds.VEHICLE, "speed_kmh"),
    ("mileage", kinds.VEHICLE, "mileage_km"),
    ("voltage", kinds.VEHICLE, "voltage_v"),
    ("current", kinds.VEHICLE, "current_a"),
    ("soc", kinds.VEHICLE, "soc"),
    ("insulation", kinds.VEHICLE, "insulation_kohm"),
    ("fuel_cell_voltage", kinds.FUEL_CELL, "voltage_v"),
    ("fuel_cell_current", kinds.FUEL_CELL, "current_a"),
    ("hydrogen", kinds.FUEL_CELL, "hydrogen_max_mg_kg"),
    ("hydrogen_pressure", kinds.FUEL_CELL, "hydrogen_max_pressure_mpa"),
    ("engine_speed", kinds.ENGINE, "rpm"),
    ("max_cell_voltage", kinds.EXTREMES, "max_cell_v"),
    ("min_cell_voltage", kinds.EXTREMES, "min_cell_v"),
    ("max_temperature", kinds.EXTREMES, "max_temp_c"),
    ("min_temperature", kinds.EXTREMES, "min_temp_c"),
    ("alarm_level", kinds.ALARMS, "level"),
    ("alarm", kinds.ALARMS, "flags"),
)


class Gb32960Dialogue:
    """The conversation of one connection; it has no state, because each frame names its vehicle."""

    def address(self, frame: Frame) -> str:
        return frame.vin

    def unknown(self, frame: Frame, now: Now) -> bytes:
        return _answer(frame, ERROR) if frame.asks else b""

    def hear(self, frame: Frame, device: Known, now: Now) -> list[Act]:
        if not frame.asks:
            return []  # an answer to a question that the platform does not put
        if not frame.in_clear:
            refusal = Refusal("encryption_not_served", frame.raw, {"field": "encrypt", "value": frame.encrypt})
            return [Refused(refusal, _answer(frame, ERROR))]
        if frame.command in _GREETINGS:
            return [Reply(_answer(frame, SUCCESS))]
        if frame.command == CLOCK:
            return [Reply(_said(frame, SUCCESS, field_bytes(now.time)))]
        if frame.command == PLATFORM_LOGIN:
            return [Reply(_answer(frame, SUCCESS if _admitted(frame, device) else ERROR))]
        if frame.command in {REALTIME, RESENT}:
            return [_report(frame)]
        params = {"field": "command", "value": f"0x{frame.command:02X}"}
        return [Refused(Refusal("command_not_served", frame.raw, params), _answer(frame, ERROR))]

    def tick(self, now: Now) -> list[Act]:
        return []

    def close(self) -> list[Act]:
        return []

    def command(self, command: Command, device: Known, now: Now) -> bytes:
        """No command is given to vehicles."""
        raise Invalid("command_unknown", field="name", value=command.name, known="-")


def _report(frame: Frame) -> Report | Refused:
    if frame.version != "2016":
        refusal = Refusal("version_not_served", frame.raw, {"field": "version", "value": frame.version})
        return Refused(refusal, _answer(frame, ERROR))
    if frame.units is None:
        return Refused(Refusal("too_short", frame.raw, {"actual": len(frame.data)}), _answer(frame, ERROR))
    if not frame.units.standard:
        # Held with its bytes and answered: the vehicle would send the same again for ever.
        return Refused(Refusal("nonstandard_unit_layout", frame.raw), _answer(frame, SUCCESS))
    error = _answer(frame, ERROR)
    values = values_of(frame.units)
    return Report(values, frame.time, frame.raw, reply=_answer(frame, SUCCESS), busy=error, wrong=error)


def values_of(units: Units) -> list[Value]:
    """The values of a report by point, without those that the vehicle marks as fault or missing."""
    found = [(point, units.of(kind).get(name)) for point, kind, name in _POINTS]
    motors = [motor["temp_c"] for motor in units.of(kinds.MOTORS).get("motors", ()) if motor["temp_c"] is not None]
    if motors:
        found.append(("motor_temperature", max(motors)))
    return [Value(point, value) for point, value in found if value is not None]


def _admitted(frame: Frame, device: Known) -> bool:
    """The account of a platform is its settings `user` and `password`; without them nothing is compared."""
    told = frame.platform_account()
    wanted = str(device.settings.get("user", "")), str(device.settings.get("password", ""))
    if wanted == ("", ""):
        return True
    return all(compare_digest(one.encode(), two.encode()) for one, two in zip(told, wanted, strict=True))


def _answer(frame: Frame, result: int) -> bytes:
    """The same command and time, without the rest."""
    return _said(frame, result, frame.data[:6] if frame.in_clear and frame.time is not None else b"")


def _said(frame: Frame, result: int, data: bytes) -> bytes:
    vin = frame.raw[4:21].decode("latin-1")  # byte for byte, whatever it is filled up with
    return encode(frame.command, vin, data, result, frame.version, frame.encrypt if frame.in_clear else PLAIN)


def _summary(frames: Sequence[Frame]) -> dict[str, Any]:
    return {"commands": [f"0x{frame.command:02X}" for frame in frames]}


WIRE: Wire[Frame] = Wire(
    "gb32960",
    "GB/T 32960 电动汽车远程服务与管理",
    "GB/T 32960, remote service of electric vehicles",
    Framer,
    _summary,
    hint,
    Gb32960Dialogue,
)
