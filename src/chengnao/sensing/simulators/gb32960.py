"""A simulated electric bus that speaks GB/T 32960.3-2016."""

from datetime import datetime

from chengnao.sensing.protocols.gb32960 import (
    LOGIN,
    REALTIME,
    SUCCESS,
    Frame,
    Framer,
    encode,
    field_bytes,
)
from chengnao.sensing.simulators.shape import Simulation, wandering

_CELLS = 24


class Vehicle:
    """It signs in once a connection and reports vehicle, motor, position, extremes, alarms, cells and temperatures."""

    def __init__(self, number: int) -> None:
        self.address = f"LSIM32960{number:08d}"
        self.acknowledged = 0
        self.ready = False
        self._number = number
        self._reports = 0
        self._framer = Framer()

    def hello(self, now: datetime) -> bytes:
        self.ready = False
        body = field_bytes(now) + b"\x00\x01" + f"8986{self._number:016d}".encode() + b"\x01\x00"
        return encode(LOGIN, self.address, body)

    def report(self, now: datetime) -> bytes:
        self._reports += 1
        return encode(REALTIME, self.address, field_bytes(now) + self._units())

    def hear(self, data: bytes, now: datetime) -> bytes:
        for piece in self._framer.feed(data):
            if isinstance(piece, Frame) and piece.response == SUCCESS:
                self.ready = self.ready or piece.command == LOGIN
                self.acknowledged += piece.command == REALTIME
        return b""

    def _wave(self, seed: int, middle: float, spread: float, scale: float = 1.0, offset: float = 0.0) -> int:
        return round((wandering(self._number + seed, self._reports, middle, spread) - offset) / scale)

    def _units(self) -> bytes:
        speed, voltage = self._wave(0, 30, 20, 0.1), self._wave(1, 560, 20, 0.1)
        current, cell = self._wave(2, 20, 60, 0.1, -1000), self._wave(3, 3.62, 0.05, 0.001)
        warm = self._wave(4, 28, 4, 1, -40)
        mileage = (500_000 + self._number * 10 + self._reports) % 10_000_000
        vehicle = b"\x01\x03\x01" + speed.to_bytes(2, "big") + mileage.to_bytes(4, "big") + voltage.to_bytes(2, "big")
        vehicle += current.to_bytes(2, "big") + bytes([self._wave(5, 60, 30), 1, 14]) + b"\x13\x88\x00\x00"
        motor = bytes([1, 1, 1, warm + 10]) + (21_500).to_bytes(2, "big") + (20_800).to_bytes(2, "big")
        motor += bytes([warm + 20]) + voltage.to_bytes(2, "big") + current.to_bytes(2, "big")
        position = b"\x00" + (106_550_000).to_bytes(4, "big") + (29_560_000).to_bytes(4, "big")
        extremes = b"\x01\x05" + (cell + 8).to_bytes(2, "big") + b"\x01\x09" + (cell - 8).to_bytes(2, "big")
        extremes += bytes([1, 2, warm + 2, 1, 7, warm - 2])
        cells = b"\x01\x01" + voltage.to_bytes(2, "big") + current.to_bytes(2, "big") + _CELLS.to_bytes(2, "big")
        cells += b"\x00\x01" + bytes([_CELLS]) + cell.to_bytes(2, "big") * _CELLS
        temperatures = b"\x01\x01\x00\x08" + bytes([warm] * 8)
        units = (vehicle, motor, None, None, position, extremes, bytes(9), cells, temperatures)
        return b"".join(bytes([kind]) + unit for kind, unit in enumerate(units, 1) if unit is not None)


SIMULATION = Simulation(Vehicle, "electric_vehicle")
