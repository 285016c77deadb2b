"""What is said with an SL 651-2014 station: reports confirmed, messages of many packets put together, queries, clock.

Reports (30 to 36) are confirmed once their values are on the log's disk: with EOT, or with ESC where the device's
setting `stay_online` asks the station to keep its line for ten minutes. A station that waits for no answer (mode M1)
has the setting `mode: M1`. Frames in ASCII mode are served where the setting `ascii` is true. The password is not
checked; the centre's commands carry the setting `password`, or the one the station used last.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.shape import (
    Act,
    Command,
    Known,
    Now,
    Picture,
    Receipt,
    Refusal,
    Refused,
    Reply,
    Report,
    Value,
    Wire,
)
from chengnao.sensing.protocols.sl651 import ACK, ENQ, EOT, ESC, ETB, NAK, Frame, Framer, encode
from chengnao.sensing.protocols.sl651_ascii import read_ascii_body
from chengnao.sensing.protocols.sl651_body import Body, read_body, time_bytes
from chengnao.sensing.protocols.sl651_elements import ALARMS, FUNCTIONS
from chengnao.sensing.protocols.sl651_orders import COMMANDS, is_hex
from chengnao.sensing.readings.model import Quality

PACKET_SECONDS = 600.0
MAX_MESSAGE_BYTES = 1024 * 1024
MAX_ORDERS = 64
MAX_MESSAGES = 4
"""Messages of many packets that one connection may have under way at once."""

_KEEP_ALIVE, _PICTURE = 0x2F, 0x36
_REPORTS = frozenset(range(0x30, 0x37))


@dataclass(slots=True)
class _Message:
    """A message of which not every packet is here."""

    total: int
    since: float
    packets: dict[int, Frame] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(len(frame.content) for frame in self.packets.values())

    @property
    def missing(self) -> int | None:
        """Number of the first packet that is not here."""
        return next((number for number in range(1, self.total + 1) if number not in self.packets), None)


class Sl651Dialogue:
    """One station's conversation."""

    def __init__(self) -> None:
        self._messages: dict[tuple[str, int], _Message] = {}
        self._orders: dict[tuple[str, int], str] = {}
        self._last: Frame | None = None
        self._serial = 0

    def address(self, frame: Frame) -> str:
        return frame.station

    def unknown(self, frame: Frame, now: Now) -> bytes:
        """Nothing in the standard tells a station that it is not known."""
        return b""

    def hear(self, frame: Frame, device: Known, now: Now) -> list[Act]:
        if frame.ascii and device.settings.get("ascii") is not True:
            return [Refused(Refusal("ascii_not_enabled", frame.raw, {"field": "ascii", "value": device.address}))]
        if frame.down or frame.function not in FUNCTIONS:
            params = {"field": "function", "value": f"{frame.function:02X}"}
            return [Refused(Refusal("command_not_served", frame.raw, params))]
        self._last = frame
        if frame.packet is not None and frame.packet[0] > 1:
            return self._packet(frame, device, now)
        return self._message(frame, frame.body, frame.raw, device, now)

    def tick(self, now: Now) -> list[Act]:
        gone = [key for key, message in self._messages.items() if now.seconds - message.since > PACKET_SECONDS]
        return [_incomplete(self._messages.pop(key)) for key in gone]

    def close(self) -> list[Act]:
        gone, self._messages = list(self._messages.values()), {}
        return [_incomplete(message) for message in gone]

    def command(self, command: Command, device: Known, now: Now) -> bytes:
        """One of `COMMANDS` with its arguments; the answer's function finds the key again."""
        found = COMMANDS.get(command.name)
        if found is None:
            raise Invalid("command_unknown", field="name", value=command.name, known=", ".join(COMMANDS))
        body, station = found.body(command.arguments), _station(device.address)
        in_ascii = device.settings.get("ascii") is True
        if in_ascii and body:
            raise Invalid(
                "invalid_value",
                field="name",
                value=command.name,
                reason_zh="ASCII 模式下只支持不带参数的命令",
                reason_en="in ASCII mode only commands without arguments are given",
            )
        if len(self._orders) >= MAX_ORDERS:
            self._orders.pop(next(iter(self._orders)))
        self._orders[device.address, found.function] = command.key
        self._serial = self._serial % 0xFFFF + 1
        return self._down(station, device, found.function, self._serial, now.time, body, end=ENQ, in_ascii=in_ascii)

    def _message(self, frame: Frame, body: Body, raw: bytes, device: Known, now: Now) -> list[Act]:
        """What follows from a whole message."""
        function = frame.function
        reply = self._confirmation(frame, device, now) if function in _REPORTS else b""
        acts: list[Act] = []
        key = self._orders.pop((frame.station, function), None)
        if key is not None:
            acts.append(Receipt(key, True, frame.fields()))
        time = body.observe_time or body.send_time
        values = values_of(body)
        if body.picture is not None:
            acts.append(Picture(body.picture, time))
            values.append(Value("picture_bytes", len(body.picture)))
        if "unread_elements" in body.warnings:
            acts.append(Refused(Refusal("bad_element", raw, {"field": "elements", "value": body.rest[:16].hex()})))
        if function == _KEEP_ALIVE or (not values and not reply):
            return acts
        if values and time is None:
            refusal = Refusal("reading_time", raw, {"field": "time", "value": raw[:64].hex()})
            return [*acts, Refused(refusal, reply)]
        return [*acts, Report(values, time or now.time, raw, reply=reply, wrong=reply)]

    def _confirmation(self, frame: Frame, device: Known, now: Now) -> bytes:
        if str(device.settings.get("mode", "")).upper() == "M1":
            return b""
        end = ESC if device.settings.get("stay_online") is True or self._orders else EOT
        serial = frame.body.serial or 0
        return self._down(frame.station, device, frame.function, serial, now.time, b"", end=end, in_ascii=frame.ascii)

    def _packet(self, frame: Frame, device: Known, now: Now) -> list[Act]:
        """Packets come in any order and twice; the last asks whether all are here."""
        assert frame.packet is not None
        total, number = frame.packet
        key = (frame.station, frame.function)
        message = self._messages.get(key)
        acts: list[Act] = []
        fresh = number == 1 and message is not None and message.packets.get(1, frame).content != frame.content
        if message is not None and (message.total != total or fresh):
            acts.append(_incomplete(self._messages.pop(key)))
            message = None
        if message is None:
            if len(self._messages) >= MAX_MESSAGES:
                acts.append(_incomplete(self._messages.pop(next(iter(self._messages)))))
            message = self._messages[key] = _Message(total, now.seconds)
        if not 1 <= number <= total or message.bytes + len(frame.content) > MAX_MESSAGE_BYTES:
            params = {"field": "packet_no", "value": f"{number}/{total}"}
            return [*acts, Refused(Refusal("bad_field", frame.raw, params), self._about(frame, device, NAK, number))]
        message.packets[number] = frame
        missing = message.missing
        if missing is None:
            del self._messages[key]
            return [*acts, *self._whole(message, device, now)]
        asked = frame.end != ETB
        return [*acts, Reply(self._about(frame, device, NAK if asked else ACK, missing if asked else number))]

    def _whole(self, message: _Message, device: Known, now: Now) -> list[Act]:
        first = message.packets[1]
        content = b"".join(message.packets[number].content for number in range(1, message.total + 1))
        read: Callable[..., Body] = read_ascii_body if first.ascii else read_body
        raw = b"".join(message.packets[number].raw for number in range(1, message.total + 1))
        return self._message(first, read(first.function, content, down=False), raw, device, now)

    def _about(self, frame: Frame, device: Known, end: int, number: int) -> bytes:
        """Tell of one packet of a message: it is here, or it is to be sent again."""
        assert frame.packet is not None
        return encode(
            frame.station, frame.center, _password(device, frame), frame.function, b"",
            down=True, end=end, packet=(frame.packet[0], number), in_ascii=frame.ascii,
        )  # fmt: skip

    def _down(
        self, station: str, device: Known, function: int, serial: int, time: datetime, more: bytes, *, end: int,
        in_ascii: bool,
    ) -> bytes:  # fmt: skip
        last = self._last
        center = last.center if last is not None else _center(device)
        body = serial.to_bytes(2, "big") + time_bytes(time)
        if in_ascii:
            body = body.hex().upper().encode("ascii")
        password = _password(device, last)
        return encode(station, center, password, function, body + more, down=True, end=end, in_ascii=in_ascii)


def values_of(body: Body) -> list[Value]:
    """The readings in a body, each with its own time; what the station does not have is left out."""
    values = [
        Value(
            element.name or element.code,
            value,
            Quality.SENTINEL if sentinel else Quality.GOOD,
            time=None if moment == (body.observe_time or body.send_time) else moment,
        )
        for element in body.elements
        for moment, value, sentinel in element.moments()
    ]
    if body.state is not None:
        values.append(Value("ZT", float(body.state)))
        values += [Value(f"ZT.{name}", float(name in body.alarms)) for name in ALARMS]
    return values


def _incomplete(message: _Message) -> Refused:
    raw = b"".join(frame.raw for _, frame in sorted(message.packets.items()))
    return Refused(Refusal("split_incomplete", raw, {"field": "packet_no", "value": message.missing}))


def _password(device: Known, last: Frame | None) -> str:
    given = device.settings.get("password")
    if isinstance(given, str) and len(given) == 4 and is_hex(given):
        return given
    return last.password if last is not None else "0000"


def _center(device: Known) -> int:
    given = device.settings.get("center")
    return given if isinstance(given, int) and 0 <= given <= 0xFF else 1


def _station(address: str) -> str:
    if len(address) == 10 and is_hex(address):
        return address
    raise Invalid(
        "invalid_value",
        field="address",
        value=address,
        reason_zh="遥测站地址应为 10 位十六进制数字",
        reason_en="the address of a station has 10 hexadecimal digits",
    )


def _hint(raw: bytes) -> str:
    return raw[3:8].hex() if raw[:2] == b"\x7e\x7e" and len(raw) > 11 and not raw[11] & 0x80 else ""


WIRE: Wire[Frame] = Wire(
    "sl651",
    "SL 651 水文监测数据通信规约",
    "SL 651, hydrological telemetry",
    Framer,
    lambda frames: {"function": [f"0x{frame.function:02X}" for frame in frames]},
    _hint,
    Sl651Dialogue,
    datagram=True,
)
