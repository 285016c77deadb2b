"""What all protocols have in common: frames out of a stream, and what is said over a connection.

A protocol is one `Wire`. Nothing in it reads a socket, a clock, a file or the database: a `Framer` turns bytes as they
were read into frames, a `Dialogue` turns each frame of a known device into acts, and a gateway does them. So the same
code serves a socket, a recording, the quarantine's replay and a fuzzer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from chengnao.sensing.readings.model import Quality


@dataclass(frozen=True, slots=True)
class Refusal:
    """Bytes that are not a frame: a stable code, what was found, and the bytes themselves."""

    code: str
    raw: bytes
    params: dict[str, Any] = field(default_factory=dict)


class Frame(Protocol):
    """One frame whose length and checksum are right."""

    @property
    def raw(self) -> bytes: ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Stable codes of what is odd about it and was accepted all the same."""

    def fields(self) -> dict[str, Any]:
        """The frame as plain values, for people and for tests."""


F = TypeVar("F", bound=Frame)
F_contra = TypeVar("F_contra", bound=Frame, contravariant=True)


class Framer(Protocol[F]):
    """Finds frames in a stream; how the bytes were cut into reads makes no difference, and nothing good is lost.

    It holds one frame's bytes at most between calls.
    """

    @property
    def pending(self) -> int:
        """Bytes held back because their frame is not whole yet."""

    def feed(self, data: bytes) -> list[F | Refusal]: ...

    def hurry(self) -> list[F | Refusal]:
        """The line has gone quiet in the middle of a frame: bring out what waiting on would hold back."""

    def close(self) -> list[F | Refusal]:
        """The stream has ended: whatever is left is refused, with the good frames inside it brought out."""


class Now(NamedTuple):
    """The moment of a call: the platform's time, and seconds of a clock that never jumps, for timers."""

    time: datetime
    seconds: float
    peer: str = ""
    """Where the other side is seen to be, `host:port`; empty where there is no line."""


class Known(Protocol):
    """A registered device, as far as a dialogue needs it."""

    @property
    def id(self) -> str: ...

    @property
    def address(self) -> str:
        """The name it gives itself."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the protocol needs to know of this device: a datum, a key, a register map."""

    @property
    def behind(self) -> Mapping[str, "Known"]:
        """The devices that are reached through this one (their setting `via` names its id), by their addresses."""


class Value(NamedTuple):
    """One value of one point, under the protocol's own name for the point, in the protocol's own unit."""

    point: str
    value: float
    quality: Quality = Quality.GOOD
    suffix: str = ""
    """Added to the metric's name: `_hour` for the mean of an hour."""
    time: datetime | None = None
    """When it was measured, where that is not the report's time (a series, a batch)."""


@dataclass(slots=True)
class Report:
    """What a device measured at one moment; `reply` is sent once the values are on the log's disk."""

    values: Sequence[Value]
    time: datetime | None
    """None: the device tells no time, and the moment of arrival stands for it."""
    raw: bytes
    reply: bytes = b""
    busy: bytes = b""
    """Sent in place of `reply` where the device sends more than it may; once a second at most."""
    period_ms: int = 0
    """`time` is when a period of this length begins, so that the report is not late before its end."""
    wrong: bytes = b""
    """Sent in place of `reply` where a time cannot be (2070): the frame is held, and sending it again helps nobody."""
    device: str | None = None
    """Address of the device that measured, where it is not the one that speaks (a meter behind a concentrator)."""
    personal: frozenset[str] = frozenset()
    """Points that may tell where a person is: kept only where the device or its class maps them."""


@dataclass(slots=True)
class Reply:
    """Bytes to be sent at once."""

    data: bytes


@dataclass(slots=True)
class Refused:
    """What was said cannot be used: it goes to the quarantine under the device, and `reply` is sent."""

    refusal: Refusal
    reply: bytes = b""


@dataclass(slots=True)
class Receipt:
    """The device's answer to the command with this key."""

    key: str
    ok: bool
    detail: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    """Address of the device that answers, where it is not the one that speaks."""


@dataclass(slots=True)
class Picture:
    """A picture that a device took, whole; it is kept beside the readings and is none of them."""

    data: bytes
    time: datetime | None


@dataclass(slots=True)
class Hangup:
    """The connection is to be closed once everything is answered."""


Act = Report | Reply | Refused | Receipt | Picture | Hangup


@dataclass(frozen=True, slots=True)
class Command:
    """Something a device is asked to do; `key` comes back in its Receipt."""

    key: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Dialogue(Protocol[F_contra]):
    """One connection's conversation. Its state is bounded, whatever the other side sends."""

    def address(self, frame: F_contra) -> str:
        """The name that the speaker of the frame gives itself; empty where it gives none at all."""

    def hear(self, frame: F_contra, device: Known, now: Now) -> list[Act]:
        """What follows from the frame of a registered device. Never raises for what a frame holds."""

    def unknown(self, frame: F_contra, now: Now) -> bytes:
        """What the speaker is told when no device has its address."""

    def tick(self, now: Now) -> list[Act]:
        """Called about once a second: what is due by itself (a question again, a part that never came)."""

    def close(self) -> list[Act]:
        """The connection has ended: what is still held comes out, mostly as Refused."""

    def command(self, command: Command, device: Known, now: Now) -> bytes:
        """The bytes that give the command; raises Invalid where the protocol has no such command or argument."""


def _no_hint(raw: bytes) -> str:
    return ""


@dataclass(frozen=True)
class Wire(Generic[F]):
    """A protocol: its name, how its frames are found, and how a connection is held."""

    name: str
    title_zh: str
    title_en: str
    framer: Callable[[], Framer[F]]
    summary: Callable[[Sequence[F]], dict[str, Any]]
    """What is told first of several frames in one recording, beside their number."""
    hint: Callable[[bytes], str] = _no_hint
    """What the bytes of a wrong frame seem to say of their sender; empty where they say nothing."""
    dialogue: Callable[[], Dialogue[F]] | None = None
    """None: frames are decoded, and no device speaks to the platform this way."""
    datagram: bool = False
    """Devices may speak over UDP too, one or more frames in a datagram."""
