"""What is said with a device of GB/T 28181: registration, keepalives, catalogue, state, alarms.

The platform is the SIP server. Media is never taken: an INVITE is refused openly. Positions are decoded for people who
look at a frame, and never become readings.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols import gb28181_digest as digest
from chengnao.sensing.protocols.gb28181 import Message, answer, field_text, field_time, user_of
from chengnao.sensing.protocols.gb28181_document import text_of
from chengnao.sensing.protocols.gb28181_queries import COMMANDS, Queries, Server
from chengnao.sensing.protocols.gb28181_stream import Framer
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

KEEPALIVE_SECONDS = 60.0
MISSED_KEEPALIVES = 3
NONCE_SECONDS = 300.0
MIN_EXPIRES, DEFAULT_EXPIRES, MAX_EXPIRES = 60, 3600, 86_400

_ALLOW = [("Allow", "REGISTER, MESSAGE, NOTIFY, OPTIONS")]
_NO_DIALOGUE = frozenset({"BYE", "CANCEL", "PRACK", "UPDATE"})
_NOT_HERE = 488


@dataclass(slots=True)
class _Registration:
    """A device that is signed in on this connection."""

    heard: float
    expires: float
    patience: float
    """Seconds of silence after which it counts as offline."""
    online: bool = True


class Gb28181Dialogue:
    """One device's, or one lower platform's, conversation."""

    def __init__(self) -> None:
        self._registered: _Registration | None = None
        self._nonce = ""
        self._nonce_since = 0.0
        self._queries = Queries()
        self._notices: dict[str, Callable[[Message, Known, Now], list[Act]]] = {
            "Keepalive": self._keepalive,
            "Alarm": self._alarm,
            "MobilePosition": self._heard_only,
            "MediaStatus": self._heard_only,
            "Catalog": self._heard_only,
        }

    def address(self, frame: Message) -> str:
        if frame.status is not None:
            return user_of(frame.header("to"))
        speaker = user_of(frame.header("from"))
        if speaker == user_of(frame.uri) and frame.document is not None:
            # Some gateways put the server's id into From; then the body alone says who speaks.
            return frame.document.text("DeviceID") or speaker
        return speaker

    def unknown(self, frame: Message, now: Now) -> bytes:
        if frame.status is not None or frame.method == "ACK":
            return b""
        return answer(frame, 404 if frame.method == "REGISTER" else 403, "Not Registered Here", peer=now.peer)

    def hear(self, frame: Message, device: Known, now: Now) -> list[Act]:
        if frame.status is not None:
            return self._queries.answered(frame)
        if self._queries.server is None:
            called = user_of(frame.uri) or user_of(frame.header("to"))
            self._queries.server = Server(called, _host(frame.uri), _transport(frame))
        method = frame.method
        if method == "REGISTER":
            return self._register(frame, device, now)
        if method == "ACK":
            return []
        if _password(device) and self._registered is None:
            # What it says proves nothing until it has signed in; told so, a device signs in at once.
            return [_refused("not_registered", frame, answer(frame, 403, "Forbidden", peer=now.peer))]
        if self._registered is not None:
            self._registered.heard = now.seconds
        if method in {"MESSAGE", "NOTIFY"}:
            return self._said(frame, device, now)
        if method == "OPTIONS":
            return [Reply(answer(frame, 200, "OK", _ALLOW, now.peer))]
        if method in _NO_DIALOGUE:
            return [Reply(answer(frame, 481, "Call/Transaction Does Not Exist", peer=now.peer))]
        if method == "INVITE":
            return [_unserved(frame, method, answer(frame, _NOT_HERE, "Not Acceptable Here", peer=now.peer))]
        return [_unserved(frame, method, answer(frame, 405, "Method Not Allowed", _ALLOW, now.peer))]

    def tick(self, now: Now) -> list[Act]:
        acts = self._queries.tick(now)
        registered = self._registered
        if registered is None:
            return acts
        if now.seconds >= registered.expires:
            self._registered = None
        elif now.seconds - registered.heard <= registered.patience:
            return acts
        if registered.online:
            registered.online = False
            acts.append(Report([Value("online", 0.0)], None, b""))
        return acts

    def close(self) -> list[Act]:
        return self._queries.close()

    def command(self, command: Command, device: Known, now: Now) -> bytes:
        """`query_catalog`, `query_info`, `query_status`, `set_guard`, `reset_guard`, `reset_alarm`, `reboot`,
        `subscribe` (`event`: Alarm, Catalog or MobilePosition; `seconds`, 0 ends it)."""
        if command.name not in COMMANDS:
            raise Invalid("command_unknown", field="name", value=command.name, known=", ".join(COMMANDS))
        return self._queries.ask(command, device, now)

    def _register(self, frame: Message, device: Known, now: Now) -> list[Act]:
        password = _password(device)
        if password:
            problem = self._unproven(frame, device, password, now)
            if problem is not None:
                return [problem]
        expires = _expires(frame)
        if expires is None:
            refusal = Refusal("bad_field", frame.raw, {"field": "Expires", "value": frame.header("expires")[:40]})
            return [Refused(refusal, answer(frame, 400, "Bad Request", peer=now.peer))]
        if 0 < expires < MIN_EXPIRES:
            return [Reply(answer(frame, 423, "Interval Too Brief", [("Min-Expires", str(MIN_EXPIRES))], now.peer))]
        expires = min(expires, MAX_EXPIRES)
        extra = [("Date", field_text(now.time)), ("Expires", str(expires))]
        if frame.header("contact"):
            extra.insert(0, ("Contact", frame.header("contact")))
        acts: list[Act] = [Reply(answer(frame, 200, "OK", extra, now.peer))]
        if expires == 0:
            self._registered = None
            return [*acts, Report([Value("online", 0.0)], None, frame.raw)]
        if self._registered is None:
            acts.append(Reply(self._queries.ask(Command("", "query_catalog"), device, now)))
        patience = MISSED_KEEPALIVES * _keepalive_seconds(device)
        self._registered = _Registration(now.seconds, now.seconds + expires, patience)
        return [*acts, Report([Value("online", 1.0)], None, frame.raw)]

    def _unproven(self, frame: Message, device: Known, password: str, now: Now) -> Act | None:
        """What is said to a REGISTER without a true answer to the challenge; None where it has one."""
        parts = digest.parts_of(frame.header("authorization"))
        stale = bool(parts) and (
            parts.get("nonce") != self._nonce or now.seconds - self._nonce_since > NONCE_SECONDS or not self._nonce
        )
        if not parts or stale:
            self._nonce, self._nonce_since = secrets.token_hex(16), now.seconds
            realm = _host(frame.uri).partition(":")[0]
            value = digest.challenge(realm, self._nonce, _algorithm(device), stale=stale)
            return Reply(answer(frame, 401, "Unauthorized", [("WWW-Authenticate", value)], now.peer))
        named = parts.get("username") == device.address
        same = parts.get("algorithm", "MD5").upper() == _algorithm(device)
        if named and same and digest.proves(parts, frame.method, password):
            return None
        return _refused("credentials_wrong", frame, answer(frame, 403, "Forbidden", peer=now.peer))

    def _said(self, frame: Message, device: Known, now: Now) -> list[Act]:
        document = frame.document
        if document is None:
            refusal = Refusal("missing_field", frame.raw, {"field": "CmdType"})
            return [Refused(refusal, answer(frame, 400, "Bad Request", peer=now.peer))]
        if document.root == "Notify" and frame.command in self._notices:
            return self._notices[frame.command](frame, device, now)
        if document.root == "Response":
            return self._queries.response(frame, device, now)
        return [_unserved(frame, frame.command, answer(frame, 405, "Method Not Allowed", _ALLOW, now.peer))]

    def _keepalive(self, frame: Message, device: Known, now: Now) -> list[Act]:
        if self._registered is not None:
            self._registered.online = True
        info = frame.document.values.get("Info") if frame.document is not None else None
        faulty = info.get("DeviceID") if isinstance(info, dict) else None
        values = [Value("online", 1.0)]
        status = "" if frame.document is None else frame.document.text("Status")
        if status:
            values.append(Value("fault", 0.0 if status.upper() == "OK" else 1.0))
        if faulty:
            values.append(Value("faulty_channels", float(len(faulty) if isinstance(faulty, list) else 1)))
        return [_report(frame, values, now)]

    def _alarm(self, frame: Message, device: Known, now: Now) -> list[Act]:
        assert frame.document is not None
        told = frame.document.values
        text = text_of(told, "AlarmTime")
        moment = field_time(text)
        if text and moment is None:
            refusal = Refusal("reading_time", frame.raw, {"field": "AlarmTime", "value": text[:40]})
            return [Refused(refusal, answer(frame, 400, "Bad Request", peer=now.peer))]
        detail = told.get("Info")
        detail = detail[0] if isinstance(detail, list) else detail
        values = []
        for point, name, source in (
            ("alarm_level", "AlarmPriority", told),
            ("alarm_method", "AlarmMethod", told),
            ("alarm_type", "AlarmType", detail if text_of(detail, "AlarmType") else told),
        ):
            number = text_of(source, name)
            if number.isascii() and number.isdigit() and len(number) <= 3:
                values.append(Value(point, float(number)))
        if not values:
            refusal = Refusal("reading_value", frame.raw, {"field": "AlarmPriority", "value": ""})
            return [Refused(refusal, answer(frame, 400, "Bad Request", peer=now.peer))]
        report = _report(frame, values, now)
        report.time = moment
        channel = frame.document.text("DeviceID")
        if channel in device.behind:
            report.device = channel
        return [report]

    def _heard_only(self, frame: Message, device: Known, now: Now) -> list[Act]:
        """Positions and the end of a recording are heard, and nothing is kept of them."""
        return [Reply(answer(frame, 200, "OK", peer=now.peer))]


def _report(frame: Message, values: list[Value], now: Now) -> Report:
    busy = answer(frame, 503, "Service Unavailable", [("Retry-After", "10")], now.peer)
    return Report(values, None, frame.raw, answer(frame, 200, "OK", peer=now.peer), busy)


def _refused(code: str, frame: Message, reply: bytes) -> Refused:
    return Refused(Refusal(code, frame.raw, {"field": "From", "value": user_of(frame.header("from"))}), reply)


def _unserved(frame: Message, value: str, reply: bytes) -> Refused:
    return Refused(Refusal("command_not_served", frame.raw, {"field": "command", "value": value}), reply)


def _password(device: Known) -> str:
    return str(device.settings.get("password") or "")


def _algorithm(device: Known) -> str:
    wanted = str(device.settings.get("digest") or "MD5").upper()
    return wanted if wanted in digest.ALGORITHMS else "MD5"


def _keepalive_seconds(device: Known) -> float:
    given = device.settings.get("keepalive_seconds")
    return float(given) if isinstance(given, int | float) and 0 < given <= MAX_EXPIRES else KEEPALIVE_SECONDS


def _expires(frame: Message) -> int | None:
    """Seconds that the device wants to be registered; None where what it says is no number."""
    _, named, in_contact = frame.header("contact").lower().partition("expires=")
    text = in_contact.partition(";")[0].strip('"> ') if named else frame.header("expires")
    if not text:
        return DEFAULT_EXPIRES
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None


def _host(uri: str) -> str:
    return uri.rpartition("@")[2].partition(";")[0].partition(">")[0] or "chengnao"


def _transport(frame: Message) -> str:
    return "TCP" if "/TCP" in frame.header("via").upper() else "UDP"


def _hint(raw: bytes) -> str:
    for line in raw[:2048].split(b"\n")[1:]:
        if line[:5].lower() == b"from:" or line[:2].lower() == b"f:":
            return user_of(line.decode("latin-1"))
    return ""


def _summary(frames: Any) -> dict[str, Any]:
    return {
        "start": [frame.start for frame in frames],
        "CmdType": [frame.command for frame in frames],
        "SN": ["" if frame.document is None else frame.document.text("SN") for frame in frames],
    }


WIRE: Wire[Message] = Wire(
    "gb28181",
    "GB/T 28181 视频监控联网信令",
    "GB/T 28181, signalling of video surveillance",
    Framer,
    _summary,
    _hint,
    Gb28181Dialogue,
    datagram=True,
)
