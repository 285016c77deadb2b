"""What is said with a user information transmission device (GB/T 26875.3): data confirmed, commands, clock, resending.

Every frame that sends data is confirmed under its serial, once its readings are on the log's disk; data that is not
understood (types of vendors, objects cut short) is held with its bytes and confirmed too. A device is known by its
source address written as a decimal number, low byte first on the wire.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
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
MAX_STANDING = 10_000
"""So many components with a fire, fault or the like are told apart on one connection."""

# A state of the host stands while any of its systems or components has it.
_STANDING = ("fire", "fault", "shield", "supervise", "start", "feedback", "delay", "power_fault")
_OF_HOST = ("main_power_fault", "backup_power_fault", "bus_fault")
_DEVICE_POINTS = {"fire": "device_fire", "fault": "device_fault"}
_CLOCK_REQUESTS = {"set_clock": adu.SYNC_CLOCK, "call_duty": adu.CALL_DUTY}
_READS = {"read_state": 81, "read_version": 85, "read_clock": 88}
_COMMANDS = (*_CLOCK_REQUESTS, *_READS, "read_system_state")

_Key = tuple[int, int, int]


@dataclass(slots=True)
class _Order:
    """A command that waits for its answer."""

    key: str
    raw: bytes
    since: float
    sent: int = 1


@dataclass(slots=True)
class _Host:
    """Which systems and components stand in which state, as far as this connection has told."""

    standing: dict[str, set[_Key]] = field(default_factory=lambda: {name: set() for name in _STANDING})

    def put(self, name: str, key: _Key, is_set: bool) -> None:
        keys = self.standing[name]
        if not is_set:
            keys.discard(key)
        elif len(keys) < MAX_STANDING:
            keys.add(key)

    def clear(self, system: tuple[int, int]) -> set[str]:
        """All of a system is well again; returns the states that had stood."""
        ended = set()
        for name, keys in self.standing.items():
            gone = {key for key in keys if key[:2] == system}
            if gone:
                self.standing[name] = keys - gone
                ended.add(name)
        return ended


class Gb26875Dialogue:
    """One transmission device's conversation."""

    def __init__(self) -> None:
        self._host = _Host()
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
        values = [
            value._replace(time=moment)
            for item in unit.items
            for moment in [read_time(item.time, now.time)[0] if item.time else None]
            for value in self._values(unit, item, moment, now)
        ]
        return [Report(_last_of_each(values), label or now.time, frame.raw, reply=reply, wrong=reply)]

    def _values(self, unit: Unit, item: Item, moment: datetime | None, now: Now) -> list[Value]:
        flags = item.flags(unit.kind)
        system = (item.numbers.get("system_type", 0), item.numbers.get("system_addr", 0))
        match unit.kind:
            case adu.SYSTEM_STATE:
                return self._system(flags, system)
            case adu.COMPONENT_STATE:
                return self._component(flags, system, item)
            case adu.ANALOGUE:
                return _analogue(item)
            case adu.OPERATION | adu.DEVICE_OPERATION:
                values = [Value(f"operation.{name}", 1) for name, is_set in flags.items() if is_set]
                if unit.kind == adu.OPERATION and flags["reset"]:
                    values += self._ended(self._host.clear(system))
                return values
            case adu.DEVICE_STATE:
                return [Value(_DEVICE_POINTS.get(name, name), float(is_set)) for name, is_set in flags.items()]
            case adu.VERSION | adu.DEVICE_VERSION:
                return [Value("version", item.numbers["main"] + item.numbers["sub"] / 1000)]
            case adu.SYSTEM_TIME | adu.DEVICE_TIME if moment is not None:
                return [Value("clock_offset", (moment - now.time).total_seconds())]
        return []

    def _system(self, flags: dict[str, bool], system: tuple[int, int]) -> list[Value]:
        key = (*system, -1)
        if flags["reset"]:
            self._host.clear(system)
        for name in _STANDING:
            if name in flags:
                self._host.put(name, key, flags[name])
                if not flags[name]:  # the system knows its components
                    self._host.standing[name] -= {each for each in self._host.standing[name] if each[:2] == system}
        events = [Value(name, 1) for name in ("config_changed", "reset") if flags[name]]
        plain = [Value(name, float(flags[name])) for name in ("normal", *_OF_HOST, "manual")]
        return [*plain, *self._states(name for name in _STANDING if name in flags), *events]

    def _component(self, flags: dict[str, bool], system: tuple[int, int], item: Item) -> list[Value]:
        kind, address = item.numbers["component_type"], item.numbers["component_address"]
        for name in _STANDING:
            self._host.put(name, (*system, address), flags[name])
        own = Value(f"state.{system[0]}.{kind}.{address}", item.numbers["status"])
        return [own, *self._states(_STANDING)]

    def _states(self, names: Iterable[str]) -> list[Value]:
        return [Value(name, float(bool(self._host.standing[name]))) for name in names]

    def _ended(self, names: set[str]) -> list[Value]:
        return self._states(name for name in _STANDING if name in names)


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
