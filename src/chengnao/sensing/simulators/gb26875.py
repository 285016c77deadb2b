"""A user information transmission device with a fire alarm host behind it (GB/T 26875.3)."""

import struct
from datetime import datetime, timedelta

from chengnao.sensing.protocols.gb26875 import ANSWER, CONFIRM, CONTROL, REQUEST, SEND, Frame, Framer, encode
from chengnao.sensing.protocols.gb26875_adu import CALL_DUTY, DEVICE_STATE, SYNC_CLOCK, read_time, time_bytes
from chengnao.sensing.simulators.shape import Simulation

_CENTER = 1
_SYSTEM, _SMOKE, _RESENDS = 1, 42, 3


class Transmitter:
    """One device. It reports its host's state, now and then a component in alarm, and resends what is not confirmed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.acknowledged = 0
        self.ready = True
        self.offset = timedelta()
        """How far its clock is off; set by the centre."""
        self._serial = 0
        self._waiting: dict[int, tuple[bytes, int]] = {}
        self._framer = Framer()

    @property
    def address(self) -> str:
        return str(10_000 + self.number)

    def hello(self, now: datetime) -> bytes:
        return b""

    def report(self, now: datetime) -> bytes:
        again = [raw for raw, sent in self._waiting.values() if sent <= _RESENDS]
        self._waiting = {serial: (raw, sent + 1) for serial, (raw, sent) in self._waiting.items() if sent <= _RESENDS}
        if (self.number + self._serial) % 20 == 19:
            return b"".join(again) + self.alarm(now, fire=True)
        state = struct.pack("<BBH", _SYSTEM, 1, 1) + time_bytes(now + self.offset)
        return b"".join(again) + self._send(bytes((1, 1)) + state, now)

    def alarm(self, now: datetime, *, fire: bool) -> bytes:
        """One smoke detector's state."""
        text = "一层走廊感烟探测器".encode("gb18030").ljust(31, b"\x00")
        state = struct.pack("<BBBIH31s", _SYSTEM, 1, _SMOKE, 0x10001, 2 if fire else 1, text)
        return self._send(bytes((2, 1)) + state + time_bytes(now + self.offset), now)

    def hear(self, data: bytes, now: datetime) -> bytes:
        return b"".join(self._answer(piece, now) for piece in self._framer.feed(data) if isinstance(piece, Frame))

    def _answer(self, frame: Frame, now: datetime) -> bytes:
        if str(frame.target) != self.address:
            return b""
        if frame.command == CONFIRM:
            self.acknowledged += self._waiting.pop(frame.serial, None) is not None
        elif frame.command == CONTROL and frame.adu[:1] in {bytes((SYNC_CLOCK,)), bytes((CALL_DUTY,))}:
            moment, _ = read_time(frame.adu[2:8])
            if moment is not None:
                self.offset = moment - now
            return self._frame(CONFIRM, frame.serial, now)
        elif frame.command == REQUEST:
            state = bytes((DEVICE_STATE, 1, 1)) + time_bytes(now + self.offset)
            return self._frame(ANSWER, frame.serial, now, state)
        return b""

    def _send(self, adu: bytes, now: datetime) -> bytes:
        self._serial = (self._serial + 1) % 0x10000
        raw = self._frame(SEND, self._serial, now, adu)
        self._waiting[self._serial] = (raw, 1)
        return raw

    def _frame(self, command: int, serial: int, now: datetime, adu: bytes = b"") -> bytes:
        return encode(command, serial, int(self.address), _CENTER, now + self.offset, adu)


SIMULATION = Simulation(Transmitter, "fire_alarm_host")
