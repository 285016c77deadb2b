"""What is said with a user information transmission device (GB/T 26875.3): data confirmed, commands, clock, resending.

Every frame that sends data is confirmed under its serial, once its readings are on the log's disk; data that is not
understood (types of vendors, objects cut short) is held with its bytes and confirmed too. A device is known by its
source address written as a decimal number, low byte first on the wire.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols import gb26875_adu as adu
from chengnao.sensing.protocols.gb26875 import (
    ANSWER,
    CONFIRM,
    CONTROL,
    DENY,
    REQUEST,
    SEND,
    START,
    Frame,
    Framer,
    encode,
)
from chengnao.sensing.protocols.gb26875_adu import ANALOGUES, TYPES, Item, Unit, read_time, time_bytes
from chengnao.sensing.protocols.gb26875_host import Host
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

RESEND_SECONDS = 10.0
RESENDS = 3
MAX_ORDERS = 32
MAX_HOSTS = 256
"""So many devices may speak over one connection (a platform that passes on)."""

_DEVICE_POINTS = {"fire": "device_fire", "fault": "device_fault"}
_CLOCK_REQUESTS = {"set_clock": adu.SYNC_CLOCK, "call_duty": adu.CALL_DUTY}
_READS = {"read_state": 81, "read_version": 85, "read_clock": 88}
_COMMANDS = (*_CLOCK_REQUESTS, *_READS, "read_system_state")


@dataclass(slots=True)
class _Order:
    """A command that waits for its answer."""

    key: str
    raw: bytes
    since: float
    sent: int = 1


class Gb26875Dialogue:
    """One transmission device's conversation."""

    def __init__(self) -> None:
        self._hosts: dict[int, Host] = {}
        self._orders: dict[int, _Order] = {}
        self._serial = 0
        self._target = 0
        self._bcd = False

    def address(self, frame: Frame) -> str:
        return str(frame.source)

    def unknown(self, frame: Frame, now: Now) -> bytes:
        return _answer(frame, DENY, now.time) if frame.command in {SEND, REQUEST, CONTROL} else b""

    def hear(self, frame: Frame, device: Known, now: Now) -> list[Act]:
        self._target = frame.target
        self._bcd = read_time(frame.time_label, now.time)[1] or device.settings.get("bcd_time") is True
        match frame.command:
            case 2:
                return self._data(frame, now, _answer(frame, CONFIRM, now.time, bcd=self._bcd))
            case 3 | 5 | 6:
                order = self._orders.pop(frame.serial, None)
                acts: list[Act] = []
                if order is not None:
                    acts.append(Receipt(order.key, frame.command != DENY, frame.fields()))
                return [*acts, *(self._data(frame, now, b"") if frame.command == ANSWER else [])]
        params = {"field": "command", "value": frame.command}
        reply = _answer(frame, DENY, now.time, bcd=self._bcd)
        return [Refused(Refusal("command_not_served", frame.raw, params), reply)]

    def tick(self, now: Now) -> list[Act]:
        """A command without an answer is sent three times more."""
        acts: list[Act] = []
        for serial, order in list(self._orders.items()):
            if now.seconds - order.since < RESEND_SECONDS:
                continue
            if order.sent > RESENDS:
                del self._orders[serial]
                acts.append(Receipt(order.key, False, {"reason": "no_answer", "sent": order.sent}))
            else:
                order.since, order.sent = now.seconds, order.sent + 1
                acts.append(Reply(order.raw))
        return acts

    def close(self) -> list[Act]:
        gone, self._orders = list(self._orders.values()), {}
        return [Receipt(order.key, False, {"reason": "disconnected", "sent": order.sent}) for order in gone]

    def command(self, command: Command, device: Known, now: Now) -> bytes:
        """`set_clock`, `call_duty` (`minutes`), `read_state`, `read_version`, `read_clock`, and `read_system_state`
        (`system_type`, `system_addr`)."""
        if command.name not in _COMMANDS:
            raise Invalid("command_unknown", field="name", value=command.name, known=", ".join(_COMMANDS))
        if len(self._orders) >= MAX_ORDERS:
            raise Invalid("commands_waiting", field="name", value=command.name, waiting=len(self._orders))
        if not device.address.isdecimal() or int(device.address) >= 1 << 48:
            raise Invalid(
                "invalid_value",
                field="address",
                value=device.address,
                reason_zh="应为传输装置源地址的十进制数",
                reason_en="the source address of the device is wanted as a decimal number",
            )
        content = self._adu(command, now.time)
        self._serial = self._serial % 0xFFFF + 1
        asks = CONTROL if command.name in _CLOCK_REQUESTS else REQUEST
        raw = encode(asks, self._serial, self._target, int(device.address), now.time, content, bcd=self._bcd)
        self._orders[self._serial] = _Order(command.key, raw, now.seconds)
        return raw

    def _adu(self, command: Command, time: datetime) -> bytes:
        match command.name:
            case "set_clock":
                return bytes((adu.SYNC_CLOCK, 1)) + time_bytes(time, bcd=self._bcd)
            case "call_duty":
                return bytes((adu.CALL_DUTY, 1, _byte(command, "minutes", 1)))
            case "read_system_state":
                return bytes((61, 1, _byte(command, "system_type", 0), _byte(command, "system_addr", 0)))
        return bytes((_READS[command.name], 1, 0))

    def _data(self, frame: Frame, now: Now, reply: bytes) -> list[Act]:
        unit = frame.unit
        if unit is None:
            return [Reply(reply)]
        if unit.kind not in TYPES or unit.kind > adu.DEVICE_TIME:
            params = {"field": "type", "value": unit.kind}
            return [Refused(Refusal("type_not_served", frame.raw, params), reply)]
        if not unit.whole:
            params = {"field": "objects", "value": f"{len(unit.items)}/{unit.count}"}
            return [Refused(Refusal("bad_field", frame.raw, params), reply)]
        label, _ = read_time(frame.time_label, now.time)
        host = self._host(frame.source)
        values = [
            value._replace(time=moment)
            for item in unit.items
            for moment in [read_time(item.time, now.time)[0] if item.time else None]
            for value in _values(host, unit, item, moment, now)
        ]
        return [Report(_last_of_each(values), label or now.time, frame.raw, reply=reply, wrong=reply)]

    def _host(self, source: int) -> Host:
        host = self._hosts.get(source)
        if host is None:
            if len(self._hosts) >= MAX_HOSTS:
                self._hosts.pop(next(iter(self._hosts)))
            host = self._hosts[source] = Host()
        return host


def _values(host: Host, unit: Unit, item: Item, moment: datetime | None, now: Now) -> list[Value]:
    """What one object says."""
    flags = item.flags(unit.kind)
    match unit.kind:
        case adu.SYSTEM_STATE:
            return host.system(item, flags)
        case adu.COMPONENT_STATE:
            return host.component(item, flags)
        case adu.ANALOGUE:
            return _analogue(item)
        case adu.OPERATION | adu.DEVICE_OPERATION:
            values = [Value(f"operation.{name}", 1) for name, is_set in flags.items() if is_set]
            return [*values, *(host.reset(item) if unit.kind == adu.OPERATION and flags["reset"] else [])]
        case adu.DEVICE_STATE:
            return [Value(_DEVICE_POINTS.get(name, name), float(is_set)) for name, is_set in flags.items()]
        case adu.VERSION | adu.DEVICE_VERSION:
            return [Value("version", item.numbers["main"] + item.numbers["sub"] / 1000)]
        case adu.SYSTEM_TIME | adu.DEVICE_TIME if moment is not None:
            return [Value("clock_offset", (moment - now.time).total_seconds())]
    return []


def _analogue(item: Item) -> list[Value]:
    scale, measured = ANALOGUES.get(item.numbers["analogue"]), item.measured
    place = f"{item.numbers['system_type']}.{item.numbers['component_address']}"
    if scale is None or measured is None:
        return [Value(f"analogue_{item.numbers['analogue']}.{place}", item.numbers["value"])]
    return [Value(f"{scale.point}.{place}", measured)]


def _last_of_each(values: list[Value]) -> list[Value]:
    """What several objects say of the same point and moment is said once: the state after the last of them."""
    return list({(value.point, value.time): value for value in values}.values())


def _answer(frame: Frame, command: int, time: datetime, *, bcd: bool = False) -> bytes:
    return encode(command, frame.serial, frame.target, frame.source, time, version=frame.version, bcd=bcd)


def _byte(command: Command, name: str, least: int) -> int:
    value: Any = command.arguments.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= 255:
        return value
    raise Invalid(
        "invalid_value",
        field=name,
        value=value,
        reason_zh=f"应为 {least} 至 255 的整数",
        reason_en=f"a whole number from {least} to 255 is wanted",
    )


def _hint(raw: bytes) -> str:
    return str(int.from_bytes(raw[12:18], "little")) if raw.startswith(START) and len(raw) >= 18 else ""


def _summary(frames: Iterable[Frame]) -> dict[str, Any]:
    commands = [frame.command for frame in frames]
    return {"commands": commands} | ({"command": commands[0]} if len(set(commands)) == 1 else {})


WIRE: Wire[Frame] = Wire(
    "gb26875",
    "GB/T 26875.3 城市消防远程监控系统",
    "GB/T 26875.3, remote monitoring of fire protection",
    Framer,
    _summary,
    _hint,
    Gb26875Dialogue,
    datagram=True,
)
