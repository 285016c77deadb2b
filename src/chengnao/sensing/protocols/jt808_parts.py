"""JT/T 808: messages split over several frames, put together again.

The parts may come in any order and more than once. A message is known by phone, id and the serial that its first part
has, because serials go on by one from part to part.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from chengnao.sensing.protocols.jt808 import Frame

PART_SECONDS = 60.0
"""So long a message waits for all its parts, from the first one that came."""
ASK_SECONDS = 5.0
MAX_ASKED = 3
MAX_MESSAGES = 8
MAX_PARTS = 256
MAX_BYTES = 512 << 10


class Key(NamedTuple):
    phone: str
    msg_id: int
    first_serial: int


@dataclass(slots=True)
class Message:
    """A message whose parts are coming in."""

    key: Key
    total: int
    since: float
    parts: dict[int, Frame] = field(default_factory=dict)
    asked: int = 0
    quiet_since: float = 0.0
    size: int = 0

    @property
    def missing(self) -> list[int]:
        if len(self.parts) == self.total:
            return []
        return [number for number in range(1, self.total + 1) if number not in self.parts]

    def contradicts(self, frame: Frame) -> bool:
        """The part belongs to another message that has the same serials."""
        package = frame.package
        assert package is not None
        known = self.parts.get(package.number)
        return package.total != self.total or (known is not None and known.body != frame.body)

    @property
    def raw(self) -> bytes:
        return b"".join(self.parts[number].raw for number in sorted(self.parts))


class Taken(NamedTuple):
    """What a part leads to: the whole message, and those that had to give way; both mostly nothing."""

    whole: Frame | None = None
    given_up: Sequence[Message] = ()
    impossible: bool = False
    """No part can have this number, or a message cannot have so many."""


class Assembler:
    """All split messages of a connection; it holds 8 of them and 512 KiB at most.

    A whole message stays for a while: a part that is repeated, because its answer was lost or never given, brings the
    whole again, to be answered as the first time.
    """

    def __init__(self) -> None:
        self._messages: dict[Key, Message] = {}

    def take(self, frame: Frame, seconds: float) -> Taken:
        package = frame.package
        assert package is not None
        if not 1 <= package.number <= package.total <= MAX_PARTS:
            return Taken(impossible=True)
        key = Key(frame.phone, frame.msg_id, (frame.serial - package.number + 1) % 0x10000)
        message = self._messages.get(key)
        given_up: list[Message] = []
        if message is not None and message.contradicts(frame):
            # Serials have come round, or the terminal gives every message the same ones.
            given_up.append(self._messages.pop(key))
            message = None
        if message is None:
            message = self._messages[key] = Message(key, package.total, seconds)
        if package.number not in message.parts:
            message.parts[package.number] = frame
            message.size += len(frame.raw)
        message.quiet_since = seconds
        whole = None if message.missing else _joined(message, frame)
        while len(self._messages) > MAX_MESSAGES or sum(each.size for each in self._messages.values()) > MAX_BYTES:
            given_up.append(self._messages.pop(next(iter(self._messages))))
        return Taken(whole, [each for each in given_up if each.missing])

    def due(self, seconds: float) -> list[Message]:
        """Messages whose missing parts are to be asked for now."""
        found = []
        for message in self._messages.values():
            if message.missing and message.asked < MAX_ASKED and seconds - message.quiet_since >= ASK_SECONDS:
                message.asked += 1
                message.quiet_since = seconds
                found.append(message)
        return found

    def expired(self, seconds: float) -> list[Message]:
        """Messages that are given up."""
        gone = [each for each in self._messages.values() if seconds - each.since >= PART_SECONDS]
        for message in gone:
            del self._messages[message.key]
        return [message for message in gone if message.missing]

    def close(self) -> list[Message]:
        gone, self._messages = self._messages, {}
        return [message for message in gone.values() if message.missing]


def wholes(frames: Iterable[Frame]) -> list[Frame]:
    """The messages that the parts among the frames make up."""
    assembler = Assembler()
    taken = [assembler.take(frame, 0.0).whole for frame in frames if frame.package is not None]
    return [whole for whole in taken if whole is not None]


def _joined(message: Message, last: Frame) -> Frame:
    """The whole under the serial of the part that came last: that part is still to be answered."""
    body = b"".join(message.parts[number].body for number in sorted(message.parts))
    return replace(last, raw=message.raw, package=None, body=body)
