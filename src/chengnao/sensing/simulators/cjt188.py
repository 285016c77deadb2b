"""A concentrator with three cold water meters of CJ/T 188; one knows the identifier as 1F90 alone."""

from datetime import datetime
from typing import Any

from chengnao.sensing.protocols.cjt188 import ANSWER, READ, READ_ADDRESS, WRITE, Frame, Framer, encode
from chengnao.sensing.simulators.concentrator import METERS, Concentrator
from chengnao.sensing.simulators.shape import Simulation

_M3 = b"\x2c"


def meter_address(number: int, meter: int) -> str:
    """The address of one of a concentrator's meters, the last knows 1F90."""
    return f"3300{number:08d}{meter + 1:02d}"


def _answer(frame: Any, meters: tuple[str, ...], now: datetime) -> bytes:
    if not isinstance(frame, Frame) or frame.answer:
        return b""
    if frame.control == READ_ADDRESS and len(meters) == 1:
        return encode(frame.meter_type, meters[0], ANSWER | READ_ADDRESS, frame.data[:3])
    if frame.address not in meters:
        return b""
    if frame.control == WRITE:
        return encode(frame.meter_type, frame.address, ANSWER | WRITE, frame.data[:3] + b"\x00\x00")
    if frame.control != READ or frame.di != ("1f90" if frame.address.endswith("03") else "901f"):
        return b""
    volume = int(frame.address) % 1000 + int(now.timestamp() % 31_536_000 / 360) / 100
    coded = bytes.fromhex(f"{round(volume * 100):08d}")[::-1] + _M3
    clock = bytes.fromhex(now.strftime("%Y%m%d%H%M%S"))[::-1]
    return encode(frame.meter_type, frame.address, ANSWER | READ, frame.data[:3] + coded + coded + clock + b"\x00\x00")


def make(number: int) -> Concentrator:
    meters = (meter_address(number, meter) for meter in range(METERS))
    return Concentrator(number, Framer(), meters, _answer)


SIMULATION = Simulation(make, "meter_concentrator")
