"""A hydrological station with a stage gauge and a rain gauge that speaks SL 651-2014 in HEX/BCD mode."""

from datetime import datetime, timedelta
from math import sin

from chengnao.sensing.protocols.sl651 import ACK, EOT, ESC, Frame, Framer, encode
from chengnao.sensing.protocols.sl651_body import time_bytes
from chengnao.sensing.protocols.sl651_elements import BY_NAME
from chengnao.sensing.simulators.shape import Simulation

_CENTER, _PASSWORD, _RIVER = 1, "1234", 0x48
_REGULAR, _NOW, _ELEMENTS, _STATE, _SET_CLOCK, _CLOCK = 0x32, 0x37, 0x3A, 0x46, 0x4A, 0x51


class Station:
    """One station; its river rises and falls, and now and then it rains."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.acknowledged = 0
        self.ready = True
        self.offset = timedelta()
        """How far its clock is off; set by the centre."""
        self._serial = 0
        self._buckets = 0
        self._framer = Framer()

    @property
    def address(self) -> str:
        return f"{6_000_000_000 + self.number:010d}"

    def hello(self, now: datetime) -> bytes:
        return self._frame(0x2F, now, b"")

    def report(self, now: datetime) -> bytes:
        self._buckets += (self.number + now.minute) % 7 == 0
        return self._frame(_REGULAR, now, self._observed(now, ("Z", "PJ", "PT", "VT")))

    def hear(self, data: bytes, now: datetime) -> bytes:
        answers = [self._answer(piece, now) for piece in self._framer.feed(data) if isinstance(piece, Frame)]
        return b"".join(answers)

    def _answer(self, frame: Frame, now: datetime) -> bytes:
        if not frame.down or frame.station != self.address:
            return b""
        if frame.end in {EOT, ESC, ACK}:
            self.acknowledged += frame.function == _REGULAR
            return b""
        match frame.function:
            case 0x37:
                return self._frame(_NOW, now, self._observed(now, ("Z", "PJ", "PT", "VT")))
            case 0x3A:
                return self._frame(_ELEMENTS, now, self._observed(now, ("Z",)))
            case 0x46:
                return self._frame(_STATE, now, self._marked() + b"\x45\x20\x00\x00\x00\x00")
            case 0x4A if frame.body.send_time is not None:
                self.offset = frame.body.send_time - now
                return self._frame(_SET_CLOCK, now, self._marked())
            case 0x51:
                return self._frame(_CLOCK, now, self._marked())
        return b""

    def _observed(self, now: datetime, names: tuple[str, ...]) -> bytes:
        phase = now.timestamp() / 3600 + self.number
        values = {"Z": 160 + 5 * sin(phase), "PJ": self._buckets % 40 * 0.5, "PT": self._buckets * 0.5, "VT": 12.6}
        head = self._marked() + bytes((_RIVER, 0xF0, 0xF0)) + time_bytes(now + self.offset, seconds=False)
        return head + b"".join(_element(name, values[name]) for name in names)

    def _marked(self) -> bytes:
        return b"\xf1\xf1" + bytes.fromhex(self.address)

    def _frame(self, function: int, now: datetime, more: bytes) -> bytes:
        self._serial = self._serial % 0xFFFF + 1
        body = self._serial.to_bytes(2, "big") + time_bytes(now + self.offset) + more
        return encode(self.address, _CENTER, _PASSWORD, function, body)


def _element(name: str, value: float) -> bytes:
    known = BY_NAME[name]
    width = known.definition >> 3
    digits = f"{round(value * 10**known.decimals) % 10 ** (2 * width):0{2 * width}d}"
    return bytes((known.code, known.definition)) + bytes.fromhex(digits)


SIMULATION = Simulation(Station, "river_station")
