"""A concentrator (DTU) that registers with a line of text and passes questions on to the meters behind it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from chengnao.sensing.protocols.shape import Framer

METERS = 3


class Concentrator:
    """It says nothing by itself but its registration and heartbeats; its meters answer."""

    def __init__(
        self,
        number: int,
        framer: Framer[Any],
        meters: Iterable[str],
        answer: Callable[[Any, tuple[str, ...], datetime], bytes],
    ) -> None:
        self.number = number
        self.acknowledged = 0
        """Questions that its meters have answered."""
        self.ready = True
        self.meters = tuple(meters)
        self.silent: set[str] = set()
        """Meters that are off."""
        self.echoes = False
        """Whether its wires bring back what it sends on them."""
        self._framer = framer
        self._answer = answer

    @property
    def address(self) -> str:
        return f"DTU{self.number:06d}"

    def hello(self, now: datetime) -> bytes:
        return self.address.encode("ascii") + b"\r\n"

    def report(self, now: datetime) -> bytes:
        return b""

    def hear(self, data: bytes, now: datetime) -> bytes:
        said = b""
        for frame in self._framer.feed(data):
            meters = tuple(meter for meter in self.meters if meter not in self.silent)
            answer = self._answer(frame, meters, now)
            self.acknowledged += bool(answer)
            said += (frame.raw if self.echoes else b"") + answer
        return said
