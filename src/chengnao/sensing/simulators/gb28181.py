"""A simulated camera that speaks GB/T 28181: it signs in, keeps alive, answers queries and raises alarms."""

from datetime import datetime

from chengnao.sensing.protocols import gb28181_digest as digest
from chengnao.sensing.protocols.gb28181 import Message, answer, encode, field_text
from chengnao.sensing.protocols.gb28181_stream import Framer
from chengnao.sensing.simulators.shape import Simulation

SERVER = "34020000002000000001"
REALM = "3402000000"
ALARM_EVERY = 10
"""One report in so many is an alarm, the others are keepalives."""
_NONCE_COUNT = "00000001"


class Camera:
    """`transport` is what its Via says; the bytes are the same over either."""

    def __init__(self, number: int, password: str = "", transport: str = "TCP", channels: int = 1) -> None:
        self.address = f"3402000000132{number:07d}"
        self.acknowledged = 0
        self.ready = False
        self.heard: list[Message] = []
        """The last requests of the platform."""
        self._password = password
        self._transport = transport
        self._channels = channels
        self._number = 0
        self._reports = 0
        self._framer = Framer()

    def hello(self, now: datetime) -> bytes:
        self.ready = False
        self._framer = Framer()
        return self._register()

    def report(self, now: datetime) -> bytes:
        self._reports += 1
        if self._reports % ALARM_EVERY:
            return self._message("Notify", "Keepalive", "<Status>OK</Status>")
        told = "<AlarmPriority>4</AlarmPriority><AlarmMethod>5</AlarmMethod>"
        told += f"<AlarmTime>{field_text(now)}</AlarmTime><Info><AlarmType>2</AlarmType></Info>"
        return self._message("Notify", "Alarm", told)

    def hear(self, data: bytes, now: datetime) -> bytes:
        return b"".join(self._reply(piece) for piece in self._framer.feed(data) if isinstance(piece, Message))

    def _reply(self, message: Message) -> bytes:
        if message.status is None:
            self.heard = [*self.heard[-20:], message]
            return answer(message, 200, "OK") + self._told(message)
        if message.method == "REGISTER":
            if message.status == 401:
                return self._register(digest.parts_of(message.header("www-authenticate")))
            self.ready = message.status == 200
        elif message.status == 403:
            self.ready = False
            return self._register()
        elif message.method == "MESSAGE" and message.status == 200 and message.header("call-id").startswith("report"):
            self.acknowledged += 1
        return b""

    def _told(self, query: Message) -> bytes:
        """The message that answers a query."""
        document = query.document
        if document is None or document.root not in {"Query", "Control"}:
            return b""
        number = document.text("SN")
        if query.command == "Catalog":
            pages = range(1, self._channels + 1)
            return b"".join(self._message("Response", "Catalog", self._page(each), number) for each in pages)
        if query.command == "DeviceInfo":
            told = f"<Result>OK</Result><DeviceName>模拟摄像机</DeviceName><Channel>{self._channels}</Channel>"
        elif query.command == "DeviceStatus":
            told = (
                "<Result>OK</Result><Online>ONLINE</Online><Status>OK</Status><Encode>ON</Encode><Record>OFF</Record>"
            )
        else:
            told = "<Result>OK</Result>"
        return self._message("Response", query.command, told, number)

    def _page(self, number: int) -> str:
        channel = f"{self.address[:13]}{number:07d}" if self._channels > 1 else self.address
        item = f"<Item><DeviceID>{channel}</DeviceID><Name>通道{number}</Name><Status>ON</Status></Item>"
        return f'<SumNum>{self._channels}</SumNum><DeviceList Num="1">{item}</DeviceList>'

    def _register(self, challenge: dict[str, str] | None = None) -> bytes:
        extra = [("Contact", f"<sip:{self.address}@192.168.1.64:5060>"), ("Expires", "3600")]
        if challenge is not None:
            parts = {"username": self.address, "realm": challenge.get("realm", ""), "nonce": challenge.get("nonce", "")}
            parts |= {"uri": f"sip:{SERVER}@{REALM}", "algorithm": challenge.get("algorithm", "MD5")}
            if challenge.get("qop"):
                parts |= {"qop": "auth", "nc": _NONCE_COUNT, "cnonce": "0a4f113b"}
            parts["response"] = digest.response_of(parts, "REGISTER", self._password) or ""
            bare = {"algorithm", "qop", "nc"}
            shown = ", ".join(f"{key}={value}" if key in bare else f'{key}="{value}"' for key, value in parts.items())
            extra.append(("Authorization", f"Digest {shown}"))
        return self._request("REGISTER", "register", extra)

    def _message(self, root: str, command: str, told: str, number: str = "") -> bytes:
        body = f'<?xml version="1.0" encoding="GB2312"?>\r\n<{root}>\r\n<CmdType>{command}</CmdType>\r\n'
        body += f"<SN>{number or self._number}</SN>\r\n<DeviceID>{self.address}</DeviceID>\r\n{told}\r\n</{root}>\r\n"
        kind = "report" if root == "Notify" else "answer"
        return self._request("MESSAGE", kind, [("Content-Type", "Application/MANSCDP+xml")], body)

    def _request(self, method: str, kind: str, extra: list[tuple[str, str]], body: str = "") -> bytes:
        self._number += 1
        ours = f"sip:{self.address}@{REALM}"
        headers = [
            ("Via", f"SIP/2.0/{self._transport} 192.168.1.64:5060;rport;branch=z9hG4bK{kind}{self._number}"),
            ("From", f"<{ours}>;tag={self._number}"),
            ("To", f"<{ours if method == 'REGISTER' else f'sip:{SERVER}@{REALM}'}>"),
            ("Call-ID", f"{kind}{self._number}"),
            ("CSeq", f"{self._number} {method}"),
            ("Max-Forwards", "70"),
            *extra,
        ]
        return encode(f"{method} sip:{SERVER}@{REALM} SIP/2.0", headers, body)


SIMULATION = Simulation(Camera, "camera")
