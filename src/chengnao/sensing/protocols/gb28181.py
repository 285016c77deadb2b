"""GB/T 28181 (2016, 2022) signalling: one SIP message with its MANSCDP body, bytes to plain values and back.

Nothing here reads a socket or a clock; finding messages in a stream is `gb28181_stream`. Media is no matter of this
module: only what a device says about itself is read.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chengnao.kernel.clock import CST
from chengnao.sensing.protocols.gb28181_document import Document, body_text, read_document, single
from chengnao.sensing.protocols.shape import Refusal

MAX_HEAD = 16_384
MAX_BODY = 65_536
METHODS = (
    "REGISTER", "MESSAGE", "NOTIFY", "SUBSCRIBE", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE",
    "PRACK", "REFER", "PUBLISH",
)  # fmt: skip
START_BYTES = 400
"""More than a start line may have."""
START = re.compile(
    rb"(?:(?:%b) (?:sips?|tel):[^\r\n ]{1,300} SIP/2\.0|SIP/2\.0 [1-6][0-9]{2}(?: [^\r\n]{0,80})?)\r?\n"
    % "|".join(METHODS).encode()
)
HEAD_END = re.compile(rb"\n\r?\n")

_MAX_HEADERS = 100
_SHORT_NAMES = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
    "o": "event", "s": "subject", "k": "supported",
}  # fmt: skip
_REQUIRED = {"from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}
_USER = re.compile(r"sips?:([^@;>\s]{1,64})@")
_CSEQ = re.compile(r"([0-9]{1,10})\s+([A-Z]+)")


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message, request or response. Names of headers are in lower case and in their long form."""

    raw: bytes
    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    declared: int | None
    """Content-Length as it was sent; None where there was none."""
    document: Document | None
    warnings: tuple[str, ...] = ()

    def header(self, name: str) -> str:
        """The first value of the header; empty where there is none."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def status(self) -> int | None:
        """The code of a response; None for a request."""
        return int(self.start[8:11]) if self.start.startswith("SIP/2.0 ") else None

    @property
    def method(self) -> str:
        """Of a request its own, of a response that of the request which it answers."""
        if self.status is None:
            return self.start.partition(" ")[0]
        return self.header("cseq").split()[-1]

    @property
    def uri(self) -> str:
        """What a request is addressed to; empty for a response."""
        return "" if self.status is not None else self.start.split(" ")[1]

    @property
    def command(self) -> str:
        """CmdType of the body: what the message is about."""
        return "" if self.document is None else self.document.text("CmdType")

    def fields(self) -> dict[str, Any]:
        """Headers and the body's values; an element that occurs only once is told at the top too, however deep."""
        found: dict[str, Any] = {}
        for name, value in self.headers:
            key = name.replace("-", "_")
            found[key] = f"{found[key]}, {value}" if key in found else value
        found |= {"start": self.start, "content_length": self.declared}
        if self.document is not None:
            found |= single(self.document.values) | {"charset": self.document.charset, "root": self.document.root}
            found |= self.document.values
        elif self.body:
            found["body"] = body_text(self.body)[0]
        return found


@dataclass(frozen=True, slots=True)
class Head:
    """The start line and headers of a message."""

    start: str
    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def wants_document(self) -> bool:
        """Whether a message of this kind says nothing without a body."""
        return self.start.startswith(("MESSAGE ", "NOTIFY ")) or "xml" in self.header("content-type").lower()


def parse_head(raw: bytes) -> Head:
    """The head that ends with its blank line; lines that are no headers are left out."""
    lines = [line.strip("\r").replace("\r", " ") for line in raw.decode("latin-1").split("\n")]
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in {" ", "\t"} and headers:
            name, value = headers[-1]
            headers[-1] = (name, f"{value} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        key = name.strip().lower()
        if colon and key and len(headers) < _MAX_HEADERS:
            headers.append((_SHORT_NAMES.get(key, key), value.strip()))
    return Head(lines[0], tuple(headers))


def declared_length(head: Head) -> int | str | None:
    """Content-Length as a number, None where there is none, or the text that is no number."""
    text = head.header("content-length")
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else text


def build(raw: bytes, head: Head, body: bytes, warnings: Sequence[str] = ()) -> Message | Refusal:
    """The message of a head and its body; what is wrong with it is a value, never raised."""
    names = {name for name, _ in head.headers}
    for key, shown in _REQUIRED.items():
        if key not in names:
            return Refusal("missing_field", raw, {"field": shown})
    cseq = _CSEQ.fullmatch(head.header("cseq"))
    if cseq is None or (not head.start.startswith("SIP/") and cseq.group(2) != head.start.partition(" ")[0]):
        return Refusal("bad_field", raw, {"field": "CSeq", "value": head.header("cseq")[:40]})
    declared = declared_length(head)
    if isinstance(declared, str):
        return Refusal("bad_field", raw, {"field": "Content-Length", "value": declared[:40]})
    found = list(warnings)
    if not head.header("call-id"):
        found.append("empty_call_id")
    document = None
    if body.lstrip().startswith(b"<"):
        document = read_document(body, found)
        if document is None:
            return Refusal("bad_xml", raw)
    elif body.strip(b"\r\n \t\x00") and "xml" in head.header("content-type").lower():
        return Refusal("bad_xml", raw)
    return Message(raw, head.start, head.headers, body, declared, document, tuple(dict.fromkeys(found)))


def user_of(value: str) -> str:
    """The user of the address in a header or URI: the 20 digits of a device; empty where there is none."""
    found = _USER.search(value)
    return found.group(1) if found else ""


def field_time(text: str) -> datetime | None:
    """UTC instant of a time such as `2026-11-25T09:19:12.000`, in UTC+8 where it names no zone; None for no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if not 2000 <= moment.year <= 2100:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=CST)).astimezone(UTC)


def field_text(moment: datetime) -> str:
    """The UTC+8 text of an instant, with milliseconds, as the header Date wants it."""
    return moment.astimezone(CST).replace(tzinfo=None).isoformat(timespec="milliseconds")


def encode(start: str, headers: Sequence[tuple[str, str]], body: str = "") -> bytes:
    """A message with its Content-Length; a body is written as GB18030.

    Refuses (ValueError) a start line or a header that would end its line.
    """
    content = body.encode("gb18030")
    lines = [start, *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(content)}"]
    for line in lines:
        if "\r" in line or "\n" in line:
            raise ValueError(f"{line!r} holds the end of a line")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + content


def answer(request: Message, status: int, reason: str, extra: Sequence[tuple[str, str]] = (), peer: str = "") -> bytes:
    """The response to a request: same Via, From, Call-ID and CSeq, `To` with a tag.

    `peer` (`host:port`) is where the request came from, told to a device behind a NAT that asks with `rport`
    (RFC 3581).
    """
    vias = [value for name, value in request.headers if name == "via"]
    if vias and peer:
        vias[0] = _seen(vias[0], peer)
    to = request.header("to")
    if "tag=" not in to:
        # The same request, sent again, must get the same tag (RFC 3261, 17.2).
        seed = "\n".join((request.header("call-id"), request.header("cseq"), request.header("from")))
        to += f";tag={hashlib.blake2s(seed.encode(), digest_size=6).hexdigest()}"
    headers = [("Via", via) for via in vias]
    headers += [("From", request.header("from")), ("To", to), ("Call-ID", request.header("call-id"))]
    headers += [("CSeq", request.header("cseq")), *extra]
    return encode(f"SIP/2.0 {status} {reason}", headers)


def _seen(via: str, peer: str) -> str:
    first, comma, others = via.partition(",")
    host, _, port = peer.rpartition(":")
    parts = [part.strip() for part in first.split(";")]
    if "rport" not in (part.partition("=")[0] for part in parts):
        return via
    kept = [part for part in parts if part.partition("=")[0] not in {"rport", "received"}]
    return ";".join([*kept, f"rport={port}", f"received={host}"]) + comma + others
