"""A concentrator with three electricity meters of DL/T 645-2007."""

from datetime import datetime
from math import sin
from typing import Any

from chengnao.sensing.protocols.dlt645 import ANSWER, ERROR, READ, READ_ADDRESS, SWITCH, Frame, Framer, encode
from chengnao.sensing.protocols.dlt645_items import kind_of
from chengnao.sensing.simulators.concentrator import METERS, Concentrator
from chengnao.sensing.simulators.shape import Simulation

_NO_SUCH_DATA = b"\x02"


def meter_address(number: int, meter: int) -> str:
    """The address of one of a concentrator's meters; the last holds 68 and 16."""
    return f"{number:08d}{('1201', '1202', '6816')[meter]}"


def _values(address: str, now: datetime) -> dict[str, float]:
    load = 2 + sin(now.timestamp() / 3600 + int(address) % 7)
    energy = int(address) % 1000 + (now.timestamp() % 31_536_000) / 3600
    return {
        "00010000": energy,
        "00000000": energy,
        "02010100": 220 + load,
        "02020100": load * 4.5,
        "02030000": load,
        "02800002": 50.02,
    }


def _answer(frame: Any, meters: tuple[str, ...], now: datetime) -> bytes:
    if not isinstance(frame, Frame) or frame.answer:
        return b""
    if frame.function == READ_ADDRESS and len(meters) == 1:
        return encode(meters[0], ANSWER | READ_ADDRESS, bytes.fromhex(meters[0])[::-1])
    if frame.address not in meters:
        return b""
    if frame.function == SWITCH:
        return encode(frame.address, ANSWER | SWITCH)
    if frame.function != READ:
        return encode(frame.address, ANSWER | ERROR | frame.function, _NO_SUCH_DATA)
    value, kind = _values(frame.address, now).get(frame.di), kind_of(frame.di)
    if value is None or kind is None:
        return encode(frame.address, ANSWER | ERROR | READ, _NO_SUCH_DATA)
    digits = f"{round(value * 10**kind.decimals):0{2 * kind.width}d}"
    return encode(frame.address, ANSWER | READ, frame.data[:4] + bytes.fromhex(digits)[::-1], preamble=2)


def make(number: int) -> Concentrator:
    meters = (meter_address(number, meter) for meter in range(METERS))
    return Concentrator(number, Framer(), meters, _answer)


SIMULATION = Simulation(make, "meter_concentrator")
