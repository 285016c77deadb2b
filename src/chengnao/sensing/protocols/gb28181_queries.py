"""What the platform asks a device of GB/T 28181, and what becomes of the answers.

A catalogue comes in pages that share the query's SN. Pages may come twice, or never: what is received counts, and a
catalogue that stays incomplete is held with what it lacked.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from chengnao.kernel.errors import Invalid
from chengnao.sensing.protocols.gb28181 import Message, answer, encode, field_time
from chengnao.sensing.protocols.gb28181_document import Document, text_of
from chengnao.sensing.protocols.shape import Act, Command, Known, Now, Receipt, Refusal, Refused, Reply, Report, Value

ANSWER_SECONDS = 60.0
MAX_ASKED = 100
MAX_CATALOGUES = 4
MAX_CHANNELS = 20_000
SHOWN_CHANNELS = 1_000
MAX_SUBSCRIPTION = 86_400

_QUERIES = {"query_catalog": "Catalog", "query_info": "DeviceInfo", "query_status": "DeviceStatus"}
_CONTROLS = {
    "set_guard": "<GuardCmd>SetGuard</GuardCmd>",
    "reset_guard": "<GuardCmd>ResetGuard</GuardCmd>",
    "reset_alarm": "<AlarmCmd>ResetAlarm</AlarmCmd>",
    "reboot": "<TeleBoot>Boot</TeleBoot>",
}
_EVENTS = {
    "Alarm": "<StartAlarmPriority>0</StartAlarmPriority><EndAlarmPriority>0</EndAlarmPriority>"
    "<AlarmMethod>0</AlarmMethod>",
    "Catalog": "",
    "MobilePosition": "<Interval>60</Interval>",
}
COMMANDS = (*_QUERIES, *_CONTROLS, "subscribe")
_ANSWERED_AT_ONCE = frozenset({"reboot", "subscribe"})
"""Commands that no message follows: the response to the request itself is all there is."""

_ID_DIGITS = 20
_NO_CHANNEL = frozenset({"200", "215", "216"})
"""Types (digits 11 to 13 of an id) that only give a catalogue its order: platforms, groups, organisations."""
_ON = frozenset({"ON", "OK", "ONLINE"})


class Server(NamedTuple):
    """What the device calls the platform, learned from what it is sent."""

    user: str
    host: str
    transport: str


@dataclass(slots=True)
class _Asked:
    key: str
    name: str
    since: float


@dataclass(slots=True)
class _Catalogue:
    """Pages of one catalogue, as far as they have come."""

    since: float
    raw: bytes = b""
    declared: int = 0
    received: int = 0
    channels: dict[str, tuple[str, bool]] = field(default_factory=dict)


class Queries:
    """The questions that are open on one connection."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self._number = secrets.randbelow(100_000)
        self._asked: dict[str, _Asked] = {}
        self._catalogues: dict[str, _Catalogue] = {}

    def ask(self, command: Command, device: Known, now: Now) -> bytes:
        """The request; an answer comes back as a Receipt where the command has a key."""
        self._number += 1
        number = str(self._number)
        if len(self._asked) >= MAX_ASKED:
            self._asked.pop(next(iter(self._asked)))
        self._asked[number] = _Asked(command.key, command.name, now.seconds)
        event = command.arguments.get("event", "Alarm")
        if command.name == "subscribe":
            if event not in _EVENTS:
                raise Invalid(
                    "invalid_value",
                    field="event",
                    value=event,
                    reason_zh="可订阅 Alarm、Catalog 或 MobilePosition",
                    reason_en="one can subscribe to Alarm, Catalog or MobilePosition",
                )
            extra = [("Event", "Catalog" if event == "Catalog" else "presence")]
            extra.append(("Expires", str(_seconds(command.arguments.get("seconds", 3600)))))
            return self._request(
                "SUBSCRIBE", number, device, now, _body("Query", event, number, device, _EVENTS[event]), extra
            )
        if command.name in _QUERIES:
            body = _body("Query", _QUERIES[command.name], number, device)
        else:
            body = _body("Control", "DeviceControl", number, device, _CONTROLS[command.name])
        return self._request("MESSAGE", number, device, now, body)

    def answered(self, frame: Message) -> list[Act]:
        """The response to a request of the platform."""
        status = frame.status or 0
        number = frame.header("call-id").partition("@")[0]
        asked = self._asked.get(number)
        if asked is None or status < 200 or (status < 300 and asked.name not in _ANSWERED_AT_ONCE):
            return []
        del self._asked[number]
        return _receipt(asked, status < 300, {"status": status})

    def response(self, frame: Message, device: Known, now: Now) -> list[Act]:
        """A message with the answer to a query or a control."""
        document = frame.document
        assert document is not None
        reply = answer(frame, 200, "OK", peer=now.peer)
        number = document.text("SN")
        if frame.command == "Catalog":
            return [Reply(reply), *self._page(frame, document, number, device, now)]
        asked = self._asked.pop(number, None)
        result = document.text("Result").upper() in {"", "OK"}
        receipts = _receipt(asked, result, _texts(document.values)) if asked else []
        values = _state(document, now) if frame.command == "DeviceStatus" else []
        if frame.command == "DeviceInfo":
            values = _counted(document)
        if values:
            return [Report(values, None, frame.raw, reply), *receipts]
        if asked or frame.command in {"DeviceInfo", "DeviceStatus", "DeviceControl", "Alarm"}:
            return [Reply(reply), *receipts]
        refusal = Refusal("command_not_served", frame.raw, {"field": "CmdType", "value": frame.command})
        return [Refused(refusal, reply)]

    def tick(self, now: Now) -> list[Act]:
        for number, asked in list(self._asked.items()):
            if now.seconds - asked.since > ANSWER_SECONDS:
                del self._asked[number]
        overdue = [key for key, pages in self._catalogues.items() if now.seconds - pages.since > ANSWER_SECONDS]
        return [_incomplete(self._catalogues.pop(key)) for key in overdue]

    def close(self) -> list[Act]:
        gone, self._catalogues = list(self._catalogues.values()), {}
        return [_incomplete(pages) for pages in gone]

    def _request(
        self, method: str, number: str, device: Known, now: Now, body: str, extra: list[tuple[str, str]] | None = None
    ) -> bytes:
        server = self.server or Server("34020000002000000001", "3402000000", "UDP")
        ours = f"<sip:{server.user}@{server.host}>"
        domain = server.host.partition(":")[0]
        headers = [
            ("Via", f"SIP/2.0/{server.transport} {server.host};rport;branch=z9hG4bK{number}{secrets.token_hex(6)}"),
            ("From", f"{ours};tag={number}"),
            ("To", f"<sip:{device.address}@{domain}>"),
            ("Call-ID", f"{number}@{server.user}"),
            ("CSeq", f"{number} {method}"),
            ("Contact", ours),
            ("Max-Forwards", "70"),
            *(extra or []),
            ("Content-Type", "Application/MANSCDP+xml"),
        ]
        return encode(f"{method} sip:{device.address}@{now.peer or domain} SIP/2.0", headers, body)

    def _page(self, frame: Message, document: Document, number: str, device: Known, now: Now) -> list[Act]:
        pages = self._catalogues.get(number)
        acts: list[Act] = []
        if pages is None:
            if len(self._catalogues) >= MAX_CATALOGUES:
                acts.append(_incomplete(self._catalogues.pop(next(iter(self._catalogues)))))
            pages = self._catalogues[number] = _Catalogue(now.seconds)
        total = document.text("SumNum")
        pages.raw, pages.since = frame.raw, now.seconds
        pages.declared = int(total) if total.isascii() and total.isdigit() and len(total) <= 9 else 0
        listed = document.values.get("DeviceList")
        for item in listed.get("Item", []) if isinstance(listed, dict) else []:
            pages.received += 1
            channel = text_of(item, "DeviceID")[:64]
            if channel and (channel in pages.channels or len(pages.channels) < MAX_CHANNELS):
                on = text_of(item, "Status").upper() in _ON
                pages.channels[channel] = (text_of(item, "Name")[:100], on)
        # Duplicates count as received: a catalogue that holds some would otherwise never be whole.
        if pages.received < pages.declared:
            return acts
        del self._catalogues[number]
        return acts + self._whole(pages, number, device)

    def _whole(self, pages: _Catalogue, number: str, device: Known) -> list[Act]:
        cameras = {key: on for key, (_, on) in pages.channels.items() if _is_channel(key)}
        values = [Value("channels", float(len(cameras))), Value("channels_online", float(sum(cameras.values())))]
        acts: list[Act] = [Report(values, None, pages.raw)]
        for channel, on in cameras.items():
            if channel in device.behind:
                acts.append(Report([Value("online", float(on))], None, pages.raw, device=channel))
        asked = self._asked.pop(number, None)
        if asked is not None:
            shown = [
                {"id": key, "name": name, "online": on}
                for key, (name, on) in list(pages.channels.items())[:SHOWN_CHANNELS]
            ]
            acts += _receipt(asked, True, {"total": len(pages.channels), "channels": shown})
        return acts


def _receipt(asked: _Asked, ok: bool, detail: Mapping[str, Any]) -> list[Act]:
    return [Receipt(asked.key, ok, detail)] if asked.key else []


def _incomplete(pages: _Catalogue) -> Refused:
    params = {"declared": pages.declared, "actual": pages.received}
    return Refused(Refusal("catalogue_incomplete", pages.raw, params))


def _is_channel(channel: str) -> bool:
    """Whether an entry of a catalogue is something that watches, not a region or a group."""
    return len(channel) == _ID_DIGITS and channel[10:13] not in _NO_CHANNEL


def _state(document: Document, now: Now) -> list[Value]:
    values = []
    for point, name, good in (
        ("online", "Online", _ON),
        ("encoding", "Encode", _ON),
        ("recording", "Record", _ON),
    ):
        text = document.text(name).upper()
        if text:
            values.append(Value(point, float(text in good)))
    status = document.text("Status").upper()
    if status:
        values.append(Value("fault", float(status != "OK")))
    told = field_time(document.text("DeviceTime"))
    if told is not None:
        values.append(Value("clock_offset", (told - now.time).total_seconds()))
    return values


def _counted(document: Document) -> list[Value]:
    text = document.text("Channel")
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None
    return [] if number is None else [Value("channels", float(number))]


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    plain = [(name, value) for name, value in values.items() if isinstance(value, str) and value]
    return {name: value[:200] for name, value in plain[:40]}


def _body(root: str, command: str, number: str, device: Known, more: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="GB2312"?>\r\n<{root}>\r\n<CmdType>{command}</CmdType>\r\n'
        f"<SN>{number}</SN>\r\n<DeviceID>{device.address}</DeviceID>\r\n{more}</{root}>\r\n"
    )


def _seconds(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SUBSCRIPTION:
        return value
    raise Invalid(
        "invalid_value",
        field="seconds",
        value=value,
        reason_zh=f"订阅时长应为 0 至 {MAX_SUBSCRIPTION} 秒的整数，0 为取消订阅",
        reason_en=f"a subscription lasts a whole number of seconds from 0 (ends it) to {MAX_SUBSCRIPTION}",
    )
