"""What all simulated devices have in common: one device each, as pure bytes in and bytes out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import sin
from typing import Literal, Protocol


class Device(Protocol):
    """One simulated device. It reads no socket and no clock; a runner does."""

    @property
    def address(self) -> str:
        """The name it gives itself: what is registered as the device's address."""

    def hello(self, now: datetime) -> bytes:
        """What it sends when the connection is there (registration, sign-in); empty where it says nothing."""

    def report(self, now: datetime) -> bytes:
        """One report of what it measures now; empty where it only answers questions."""

    def hear(self, data: bytes, now: datetime) -> bytes:
        """Take in what the platform sent, in pieces of any size, and answer it (a question, a command)."""

    @property
    def acknowledged(self) -> int:
        """Reports that the platform has acknowledged; equal to those sent where the protocol knows no answer."""

    @property
    def ready(self) -> bool:
        """Whether it may report: where the protocol signs in, only after that was answered."""


@dataclass(frozen=True)
class Simulation:
    """How devices of one protocol are made and reached."""

    make: Callable[[int], Device]
    """The device with this number; the same number is the same device."""
    class_code: str
    """A device class that has points of this protocol."""
    transport: Literal["tcp", "udp", "listen"] = "tcp"
    """`listen`: the device waits for the platform to connect (Modbus TCP)."""


def wandering(seed: int, step: int, middle: float, spread: float) -> float:
    """A value that wanders within `spread` around `middle`; the same seed and step give the same value."""
    return middle + spread * 0.5 * (sin(step / 7.0 + seed) + sin(step / 31.0 + 1.7 * seed))
