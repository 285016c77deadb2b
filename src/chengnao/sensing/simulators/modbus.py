"""The controller of a pump station that answers Modbus TCP, with the registers of the map `pump_station`."""

from datetime import datetime

from chengnao.sensing.devices.register_maps import RegisterMap, load_maps
from chengnao.sensing.protocols.modbus import Frame, Framer, encode_tcp
from chengnao.sensing.simulators.shape import Simulation, wandering

MAP = "pump_station"
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_TABLES = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_WRITES = {5: "coil", 6: "holding", 15: "coil", 16: "holding"}


class PumpStation:
    """Its frequency and whether it runs can be written; flow follows them."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._map: RegisterMap = load_maps()[MAP]
        self._framer = Framer()
        self._set = {"frequency": 45.0, "running": 1.0}
        self.answered = 0

    @property
    def address(self) -> str:
        return f"PUMP{self._number:06d}"

    @property
    def ready(self) -> bool:
        return True

    @property
    def acknowledged(self) -> int:
        return 0

    def hello(self, now: datetime) -> bytes:
        return b""

    def report(self, now: datetime) -> bytes:
        return b""

    def hear(self, data: bytes, now: datetime) -> bytes:
        frames = [piece for piece in self._framer.feed(data) if isinstance(piece, Frame)]
        return b"".join(self._answer(frame, now) for frame in frames if frame.transaction is not None)

    def values(self, now: datetime) -> dict[str, float]:
        """What it measures now, by point."""
        step = int(now.timestamp() // 60)
        share = self._set["frequency"] / 50 * self._set["running"]
        return self._set | {
            "inlet_pressure": wandering(self._number, step, 12.0, 2.0),
            "outlet_pressure": 12.0 + 30 * share * share + wandering(self._number + 1, step, 0.0, 0.5),
            "flow": 800 * share + wandering(self._number + 2, step, 0.0, 10.0) * (share > 0),
            "sump_level": wandering(self._number + 3, step, 2.5, 0.8),
            "alarm": 0.0,
            "total": float(step % 1_000_000),
        }

    def _answer(self, frame: Frame, now: datetime) -> bytes:
        assert frame.transaction is not None
        self.answered += 1
        return encode_tcp(frame.transaction, frame.unit, self._pdu(frame, now))

    def _pdu(self, frame: Frame, now: datetime) -> bytes:
        function, values = frame.pdu.function, frame.pdu.values
        if function in _TABLES and "count" in values:
            words = self._words(_TABLES[function], now)
            wanted = [words.get(address) for address in range(values["address"], values["address"] + values["count"])]
            if None in wanted:
                return _refusal(function, _ILLEGAL_ADDRESS)
            found = [word for word in wanted if word is not None]
            if function in {1, 2}:
                bits = sum(bit << place for place, bit in enumerate(found))
                data = bits.to_bytes((len(found) + 7) // 8, "little")
            else:
                data = b"".join(word.to_bytes(2, "big") for word in found)
            return bytes([function, len(data)]) + data
        if function in _WRITES and "address" in values:
            return self._write(frame, values["address"])
        return _refusal(function, _ILLEGAL_FUNCTION)

    def _write(self, frame: Frame, address: int) -> bytes:
        function, values = frame.pdu.function, frame.pdu.values
        given = values.get("registers") or values.get("bits") or [values.get("value")]
        for point, register in self._map.registers.items():
            if register.table == _WRITES[function] and register.address == address and register.writable:
                if len(given) != register.size:
                    return _refusal(function, _ILLEGAL_VALUE)
                raw = register.raw([int(word) for word in given], self._map.order)
                self._set[point] = raw * register.scale + register.offset
                return frame.raw[7:12]
        return _refusal(function, _ILLEGAL_ADDRESS)

    def _words(self, table: str, now: datetime) -> dict[int, int]:
        """The registers, or bits, of a table; gaps between them hold 0."""
        found: dict[int, int] = {}
        values = self.values(now)
        for point, register in self._map.registers.items():
            if register.table == table:
                if register.bit is not None:
                    words = [int(values[point]) << register.bit]
                else:
                    words = register.words(values[point], self._map.order)
                found |= {register.address + place: word for place, word in enumerate(words)}
        return {address: found.get(address, 0) for address in range(max(found, default=-1) + 1)}


def _refusal(function: int, code: int) -> bytes:
    return bytes([function | 0x80, code])


SIMULATION = Simulation(PumpStation, "pump_station", "listen")
