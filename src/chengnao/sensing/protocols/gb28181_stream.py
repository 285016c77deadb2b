"""Finding SIP messages in a stream: half messages, several in one read, keepalives between them, wrong lengths.

Content-Length decides, as far as it can be true: a body ends where another message begins or its document is closed.
So a length that is 0, too short or too long costs neither its message nor the next. The result does not depend on how
the bytes were cut into reads.
"""

from enum import Enum

from chengnao.sensing.protocols.gb28181 import (
    HEAD_END,
    MAX_BODY,
    MAX_HEAD,
    METHODS,
    START,
    START_BYTES,
    Head,
    Message,
    build,
    declared_length,
    parse_head,
)
from chengnao.sensing.protocols.gb28181_document import document_end
from chengnao.sensing.protocols.shape import Refusal

_MAX_GARBAGE = 4096
_BLANK = b"\r\n \t\x00"
_BEGINNINGS = (*(f"{method} sip".encode() for method in METHODS), b"SIP/2.0 ")


class _Mode(Enum):
    READING = 1
    QUIET = 2
    ENDED = 3


class Framer:
    """Feed it what was read; it returns the messages and the refused pieces, in order.

    It holds at most one message's bytes (80 kB) between calls.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._kept_alive = False
        self._spill = False
        """A body without a true length has just ended: the line end behind it still belongs to it."""

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Message | Refusal]:
        self._buffer += data
        return self._drain(_Mode.READING)

    def hurry(self) -> list[Message | Refusal]:
        """The line is quiet: a message that only waits for a body which nothing promises is whole."""
        return self._drain(_Mode.QUIET)

    def close(self) -> list[Message | Refusal]:
        return self._drain(_Mode.ENDED)

    def _drain(self, mode: _Mode) -> list[Message | Refusal]:
        found: list[Message | Refusal] = []
        data = bytes(self._buffer)
        position = 0
        while position < len(data):
            start = START.search(data, position)
            if start is None:
                position = self._no_start(data, position, found, mode)
                break
            self._between(data[position : start.start()], found)
            position = start.start()
            stop = self._message(data, position, start.end(), found, mode)
            if stop is None:
                break
            position = stop
        del self._buffer[:position]
        return found

    def _no_start(self, data: bytes, position: int, found: list[Message | Refusal], mode: _Mode) -> int:
        rest = data[position:]
        if mode is _Mode.ENDED or not rest.strip(_BLANK):
            self._between(rest, found)
            return len(data)
        if len(rest) > _MAX_GARBAGE:
            self._between(rest[:-START_BYTES], found)
            return len(data) - START_BYTES
        return position

    def _between(self, piece: bytes, found: list[Message | Refusal]) -> None:
        """Bytes that belong to no message: keepalives of either side, or garbage."""
        rest = piece.lstrip(_BLANK)
        if len(rest) < len(piece) and not self._spill:
            self._kept_alive = True
        rest = rest.rstrip(_BLANK)
        self._spill = self._spill and not piece
        if rest.startswith(_BEGINNINGS):
            found.append(Refusal("truncated", rest, {"need_bytes": 4}))  # at least the end of its head
        elif rest:
            found.append(Refusal("garbage", rest))

    def _message(
        self, data: bytes, begin: int, line_end: int, found: list[Message | Refusal], mode: _Mode
    ) -> int | None:
        """Take the message that begins at `begin`; where it stops, or None where it is not whole yet."""
        head_end = HEAD_END.search(data, line_end - 1, begin + MAX_HEAD)
        other = START.search(data, line_end, len(data) if head_end is None else head_end.end())
        if other is not None:
            found.append(Refusal("truncated", data[begin : other.start()], {"need_bytes": 4}))
            return other.start()
        if head_end is None:
            if len(data) - begin >= MAX_HEAD:
                found.append(Refusal("bad_header", data[begin:line_end]))
                return line_end
            if mode is _Mode.ENDED:
                found.append(Refusal("truncated", data[begin:], {"need_bytes": 4}))
                return len(data)
            return None
        head = parse_head(data[begin : head_end.end()])
        declared = declared_length(head)
        if isinstance(declared, int) and declared > MAX_BODY:
            params = {"field": "Content-Length", "value": declared}
            found.append(Refusal("bad_field", data[begin : head_end.end()], params))
            return head_end.end()
        if isinstance(declared, int) and declared > 0:
            piece = _measured(data, begin, head_end.end(), head, declared, mode)
        elif head.wants_document:
            piece = _unmeasured(data, begin, head_end.end(), head, mode)
        else:
            piece = build(data[begin : head_end.end()], head, b"")
        if piece is None:
            return None
        if isinstance(piece, Message):
            if self._kept_alive:
                whole = (*piece.warnings, "keepalive_crlf")
                piece = Message(
                    piece.raw, piece.start, piece.headers, piece.body, piece.declared, piece.document, whole
                )
            self._kept_alive = False
            self._spill = len(piece.body) != (piece.declared or 0)
        found.append(piece)
        return begin + len(piece.raw)


def _measured(data: bytes, begin: int, body: int, head: Head, declared: int, mode: _Mode) -> Message | Refusal | None:
    """The message whose Content-Length is not 0."""
    end = body + declared
    limit = min(len(data), body + MAX_BODY)
    other = _next_start(data, body, min(end + START_BYTES, len(data)))
    if other is not None and other < end:
        return _ended_early(data, begin, body, other, head)
    if len(data) < end:
        closed = document_end(data, body, len(data)) if mode is not _Mode.READING else None
        if closed is not None and not data[closed:].strip(_BLANK):
            return build(data[begin:closed], head, data[body:closed], ["length_mismatch"])
        return Refusal("truncated", data[begin:], {"need_bytes": end - len(data)}) if mode is _Mode.ENDED else None
    if mode is _Mode.READING and _may_begin(data, body, end):
        return None
    if not _is_document(data, body, end) or document_end(data, body, end) is not None:
        return build(data[begin:end], head, data[body:end])
    closed = document_end(data, body, limit if other is None else other)
    if closed is not None:
        return build(data[begin:closed], head, data[body:closed], ["length_mismatch"])
    if mode is _Mode.READING and other is None and limit < body + MAX_BODY:
        return None
    return build(data[begin:end], head, data[body:end])


def _ended_early(data: bytes, begin: int, body: int, end: int, head: Head) -> Message | Refusal:
    """The message into whose body the next one begins: whole where its document is closed."""
    closed = document_end(data, body, end)
    if closed is None:
        declared = declared_length(head)
        return Refusal("length_mismatch", data[begin:end], {"declared": declared, "actual": end - body})
    return build(data[begin:closed], head, data[body:closed], ["length_mismatch"])


def _unmeasured(data: bytes, begin: int, body: int, head: Head, mode: _Mode) -> Message | Refusal | None:
    """The message with a Content-Length of 0, or none, that must have a body to say something."""
    rest = data[body : body + MAX_BODY]
    content = rest.lstrip(_BLANK)
    if not content:
        return None if mode is _Mode.READING else build(data[begin:body], head, b"")
    if not content.startswith(b"<"):
        return build(data[begin:body], head, b"")
    limit = body + len(rest)
    other = _next_start(data, body, limit)
    closed = document_end(data, body, limit if other is None else other)
    if closed is not None:
        declared = declared_length(head)
        odd = "content_length_zero_with_body" if declared == 0 else "content_length_missing"
        return build(data[begin:closed], head, data[body:closed], [odd])
    if other is not None:
        return Refusal("bad_xml", data[begin:other])
    if len(rest) == MAX_BODY or mode is _Mode.ENDED:
        return Refusal("bad_xml", data[begin:limit])
    return None


def _next_start(data: bytes, position: int, end: int) -> int | None:
    """Where the next message begins whose start line ends before `end`."""
    if data.find(b"SIP/2.0", position, end) < 0:  # far cheaper than the pattern, and nearly always enough
        return None
    start = START.search(data, position, end)
    return None if start is None else start.start()


def _may_begin(data: bytes, body: int, end: int) -> bool:
    """Whether the last line of the body may be the first part of another message's start line."""
    last = max(data.rfind(b"\n", body, end), data.rfind(b">", body, end), body - 1) + 1
    line = data[last:end]
    if not line or len(data) - last >= START_BYTES or data.find(b"\n", last) >= 0:
        return False
    return any(line.startswith(word) or word.startswith(line) for word in _BEGINNINGS)


def _is_document(data: bytes, body: int, end: int) -> bool:
    return data[body:end].lstrip(_BLANK).startswith(b"<")
