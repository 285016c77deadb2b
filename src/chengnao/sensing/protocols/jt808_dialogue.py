"""What is said over a connection of JT/T 808: registration, positions, split messages, commands and their answers.

A position is a reading only where the device's class maps `lon` and `lat`; without a fix there is none. What the
terminal repeats is answered again and changes nothing, because the readings have the same times.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any, NamedTuple

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols import jt808_bodies as bodies
from chengnao.sensing.protocols.jt808 import MAX_BODY, Frame, encode, hex_id, hint
from chengnao.sensing.protocols.jt808_commands import command_body
from chengnao.sensing.protocols.jt808_location import Location, read_location
from chengnao.sensing.protocols.jt808_parts import Assembler, Message, wholes
from chengnao.sensing.protocols.jt808_readings import PERSONAL, values_of
from chengnao.sensing.protocols.jt808_stream import Framer
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

OK, FAILED, WRONG, UNSUPPORTED = range(4)
UNKNOWN_TERMINAL = 4
"""Result of a registration: the platform has no such terminal."""
COMMAND_SECONDS = 300.0
MAX_COMMANDS = 64
MAX_PHONES = 1_024
_OLDEST, _NEWEST = timedelta(days=31), timedelta(minutes=10)
"""The platform's window for readings; of a batch only the positions within it are taken."""

# Heard, answered, and not kept: the names and licences of drivers, and sound and pictures of people.
_NOT_KEPT = frozenset({bodies.DRIVER, bodies.MEDIA})
_SILENT = frozenset({bodies.ACK, bodies.PARAMETERS, bodies.ATTRIBUTES, bodies.LOCATION_ANSWER})
"""Answers of the terminal, which want none themselves."""

# What answers a question; the general acknowledgement then only says whether it was understood.
_ANSWERED_BY = {
    bodies.QUERY_PARAMETERS: bodies.PARAMETERS,
    bodies.QUERY_ATTRIBUTES: bodies.ATTRIBUTES,
    bodies.QUERY_LOCATION: bodies.LOCATION_ANSWER,
}


class _Given(NamedTuple):
    """A command that waits for its answer."""

    key: str
    msg_id: int
    phone: str
    since: float


def auth_code(device: Known) -> str:
    """The code that a terminal gets at registration: its setting `auth_code`, or one made from id and address.

    The made one tells terminals apart and is no secret; a device whose sender is to be proven needs the setting.
    """
    own = device.settings.get("auth_code")
    return str(own) if own else sha256(f"jt808/{device.id}/{device.address}".encode()).hexdigest()[:16]


class Jt808Dialogue:
    """The conversation of one connection, of one terminal or of several behind a relay."""

    def __init__(self) -> None:
        self._serial = 0
        self._phones: dict[str, tuple[str, str]] = {}
        self._proven: set[str] = set()
        self._given: dict[int, _Given] = {}
        self._parts = Assembler()

    def address(self, frame: Frame) -> str:
        """The phone without leading zeros: the header of 2019 has room for 20 digits, that of 2013 for 12."""
        return frame.phone.lstrip("0")

    def unknown(self, frame: Frame, now: Now) -> bytes:
        if frame.msg_id == bodies.REGISTER:
            return self._say(frame, bodies.REGISTER_ANSWER, _serial(frame) + bytes([UNKNOWN_TERMINAL]))
        return b"" if frame.msg_id in _SILENT else self._acknowledge(frame, FAILED)

    def hear(self, frame: Frame, device: Known, now: Now) -> list[Act]:
        self._meet(frame)
        if frame.encrypt:
            refusal = Refusal("encryption_not_served", frame.raw, {"field": "encrypt", "value": frame.encrypt})
            return [Refused(refusal, self._acknowledge(frame, UNSUPPORTED))]
        if frame.msg_id in _NOT_KEPT:
            return [Reply(self._acknowledge(frame, UNSUPPORTED))]
        if frame.package is None:
            return self._message(frame, device, now)
        taken = self._parts.take(frame, now.seconds)
        acts: list[Act] = [_incomplete(message) for message in taken.given_up]
        if taken.impossible:
            value = f"{frame.package.number}/{frame.package.total}"
            refusal = Refusal("bad_field", frame.raw, {"field": "package_no", "value": value})
            return [*acts, Refused(refusal, self._acknowledge(frame, WRONG))]
        if taken.whole is None:
            return [*acts, Reply(self._acknowledge(frame, OK))]
        return acts + self._message(taken.whole, device, now)

    def tick(self, now: Now) -> list[Act]:
        for serial in [each for each, given in self._given.items() if now.seconds - given.since > COMMAND_SECONDS]:
            del self._given[serial]
        acts: list[Act] = [_incomplete(message) for message in self._parts.expired(now.seconds)]
        return acts + [Reply(self._ask(message)) for message in self._parts.due(now.seconds)]

    def close(self) -> list[Act]:
        return [_incomplete(message) for message in self._parts.close()]

    def command(self, command: Command, device: Known, now: Now) -> bytes:
        """`set_parameters` (`parameters`), `query_parameters`, `query_attributes`, `query_position`, `text` (`text`,
        `urgent`)."""
        phone, version = self._phones.get(device.address, (device.address, "2013"))
        msg_id, body = command_body(command, version)
        if not phone.isdecimal():
            raise Invalid(
                "invalid_value",
                field="address",
                value=phone,
                reason_zh="设备地址不是终端手机号，无法下发命令",
                reason_en="the address is no phone of a terminal, and no command can be sent to it",
            )
        if len(self._given) >= MAX_COMMANDS:
            del self._given[next(iter(self._given))]
        self._given[self._serial] = _Given(command.key, msg_id, device.address, now.seconds)
        return self._encode(msg_id, phone, body, version)

    def _message(self, frame: Frame, device: Known, now: Now) -> list[Act]:
        if frame.msg_id in _SILENT:
            return self._answered(frame, device)
        if frame.msg_id == bodies.REGISTER:
            answer = _serial(frame) + bytes([OK]) + auth_code(device).encode("gb18030")
            return [Reply(self._say(frame, bodies.REGISTER_ANSWER, answer))]
        if frame.msg_id == bodies.AUTHENTICATE:
            return self._authenticate(frame, device)
        if device.settings.get("auth_code") and device.id not in self._proven:
            refusal = Refusal("not_authenticated", frame.raw, {"field": "address", "value": device.address})
            return [Refused(refusal, self._acknowledge(frame, FAILED))]
        if frame.msg_id in {bodies.HEARTBEAT, bodies.LOGOUT}:
            return [Reply(self._acknowledge(frame, OK))]
        if frame.msg_id == bodies.LOCATION:
            return [self._located(frame, frame.body, device)]
        if frame.msg_id == bodies.BATCH:
            return self._batch(frame, device, now)
        refusal = Refusal("command_not_served", frame.raw, {"field": "msg_id", "value": hex_id(frame.msg_id)})
        return [Refused(refusal, self._acknowledge(frame, UNSUPPORTED))]

    def _authenticate(self, frame: Frame, device: Known) -> list[Act]:
        told = bodies.authenticated(frame.body, frame.version)["auth_code"]
        if compare_digest(told.encode(), auth_code(device).encode()):
            self._proven.add(device.id)
            return [Reply(self._acknowledge(frame, OK))]
        self._proven.discard(device.id)
        return [Reply(self._acknowledge(frame, FAILED))]

    def _located(self, frame: Frame, body: bytes, device: Known) -> Report | Refused:
        location = read_location(body)
        if location is None or location.time is None:
            return Refused(_unusable(frame, location), self._acknowledge(frame, WRONG))
        ok, busy, wrong = self._results(frame)
        values = values_of(location, device.settings)
        return Report(values, location.time, frame.raw, reply=ok, busy=busy, wrong=wrong, personal=PERSONAL)

    def _batch(self, frame: Frame, device: Known, now: Now) -> list[Act]:
        found = bodies.batch(frame.body)
        if found is None:
            return [Refused(_unusable(frame, None), self._acknowledge(frame, WRONG))]
        _, items, rest = found
        acts: list[Act] = []
        if rest or len(items) != int.from_bytes(frame.body[:2], "big"):
            params = {"declared": int.from_bytes(frame.body[:2], "big"), "actual": len(items)}
            acts.append(Refused(Refusal("body_length_mismatch", frame.raw, params)))
        values: list[Value] = []
        for item in items:
            location = read_location(item)
            if location is None or location.time is None:
                acts.append(Refused(_unusable(frame, location)))
            elif not now.time - _OLDEST <= location.time <= now.time + _NEWEST:
                acts.append(Refused(_untimely(frame, location.time)))
            else:
                values += (value._replace(time=location.time) for value in values_of(location, device.settings))
        if not values:
            return [*acts, Reply(self._acknowledge(frame, WRONG))]
        ok, busy, _ = self._results(frame)
        return [*acts, Report(values, None, frame.raw, reply=ok, busy=busy, personal=PERSONAL)]

    def _answered(self, frame: Frame, device: Known) -> list[Act]:
        body = frame.body
        given = self._given.get(int.from_bytes(body[:2], "big")) if len(body) >= 2 else None
        if given is None or given.phone != device.address:
            given = None
        if frame.msg_id == bodies.ACK:
            return self._executed(frame, given)
        acts: list[Act] = []
        # 0107 carries no serial: it answers the question that waits.
        if frame.msg_id == bodies.ATTRIBUTES:
            waiting = [each for each in self._given.values() if each.msg_id == bodies.QUERY_ATTRIBUTES]
            given = next((each for each in waiting if each.phone == device.address), None)
        if given is not None and _ANSWERED_BY.get(given.msg_id) == frame.msg_id:
            self._forget(given)
            acts.append(Receipt(given.key, True, _detail(frame)))
        if frame.msg_id == bodies.LOCATION_ANSWER:
            report = self._located(frame, body[2:], device)
            report.reply = b""
            if isinstance(report, Report):
                report.busy = report.wrong = b""
            acts.append(report)
        return acts

    def _executed(self, frame: Frame, given: _Given | None) -> list[Act]:
        found = bodies.acknowledged(frame.body)
        if found is None:
            return [Refused(_unusable(frame, None))]
        if given is None or found["ack_msg_id"] != hex_id(given.msg_id):
            return []
        if found["result"] == OK and given.msg_id in _ANSWERED_BY:
            return []  # the answer itself follows
        self._forget(given)
        return [Receipt(given.key, found["result"] == OK, found)]

    def _forget(self, given: _Given) -> None:
        for serial in [each for each, waiting in self._given.items() if waiting is given]:
            del self._given[serial]

    def _meet(self, frame: Frame) -> None:
        """Remember how the terminal's headers are built: the platform's have to be the same."""
        if len(self._phones) > MAX_PHONES:
            self._phones.clear()
        self._phones[self.address(frame)] = (frame.phone, frame.version)

    def _ask(self, message: Message) -> bytes:
        frame = next(iter(message.parts.values()))
        missing = message.missing
        wide = frame.version == "2019"
        missing = missing[: (MAX_BODY - 4) // 2 if wide else 255]
        body = message.key.first_serial.to_bytes(2, "big") + len(missing).to_bytes(2 if wide else 1, "big")
        body += b"".join(number.to_bytes(2, "big") for number in missing)
        return self._say(frame, bodies.ASK_PARTS, body)

    def _acknowledge(self, frame: Frame, result: int) -> bytes:
        body = _serial(frame) + frame.msg_id.to_bytes(2, "big") + bytes([result])
        return self._say(frame, bodies.PLATFORM_ACK, body)

    def _results(self, frame: Frame) -> tuple[bytes, bytes, bytes]:
        """The acknowledgements of which one will be sent: taken, not now, wrong."""
        serial = self._serial
        found = []
        for result in (OK, FAILED, WRONG):
            self._serial = serial
            found.append(self._acknowledge(frame, result))
        return found[0], found[1], found[2]

    def _say(self, frame: Frame, msg_id: int, body: bytes) -> bytes:
        # A phone that is no number cannot be a registered address, and nothing is said to it.
        return self._encode(msg_id, frame.phone, body, frame.version) if frame.phone.isdecimal() else b""

    def _encode(self, msg_id: int, phone: str, body: bytes, version: str) -> bytes:
        serial, self._serial = self._serial, (self._serial + 1) % 0x10000
        return encode(msg_id, phone, serial, body, version)


def _serial(frame: Frame) -> bytes:
    return frame.serial.to_bytes(2, "big")


def _detail(frame: Frame) -> dict[str, Any]:
    """What a receipt shows; a position is a reading, where it is kept at all."""
    if frame.msg_id == bodies.PARAMETERS:
        return bodies.parameters(frame.body) or {"raw": frame.body.hex()}
    if frame.msg_id == bodies.ATTRIBUTES:
        return bodies.attributes(frame.body) or {"raw": frame.body.hex()}
    return {"msg_id": hex_id(frame.msg_id)}


def _unusable(frame: Frame, location: Location | None) -> Refusal:
    if location is None:
        return Refusal("too_short", frame.raw, {"actual": len(frame.body)})
    return Refusal("reading_time", frame.raw, {"field": "time", "value": location.time_text})


def _untimely(frame: Frame, time: datetime) -> Refusal:
    return Refusal("reading_time_window", frame.raw, {"field": "time", "value": time.isoformat()})


def _incomplete(message: Message) -> Refused:
    params = {"msg_id": hex_id(message.key.msg_id), "missing": len(message.missing), "total": message.total}
    return Refused(Refusal("parts_missing", message.raw, params))


def _summary(frames: Sequence[Frame]) -> dict[str, Any]:
    ids = [hex_id(frame.msg_id) for frame in frames]
    found: dict[str, Any] = {"msg_ids": ids}
    if len(set(ids)) == 1:
        found["msg_id"] = ids[0]
    phones = {frame.phone for frame in frames}
    if len(phones) == 1:
        found["phone"] = phones.pop()
    totals = {frame.package.total for frame in frames if frame.package is not None}
    if len(totals) == 1:
        found["package_total"] = totals.pop()
    joined = wholes(frames)
    if len(joined) == 1:
        whole = joined[0]
        body, details = bodies.fields(whole.msg_id, whole.body, whole.version)
        found["reassembled"] = body | {"body_length": len(whole.body)} | ({"details": details} if details else {})
    return found


WIRE: Wire[Frame] = Wire(
    "jt808",
    "JT/T 808 道路运输车辆卫星定位",
    "JT/T 808, positions of road vehicles",
    Framer,
    _summary,
    hint,
    Jt808Dialogue,
    datagram=True,
)
