"""A simulated air quality station that speaks HJ 212-2017."""

from datetime import datetime

from chengnao.sensing.protocols.hj212 import Frame, encode, field_text
from chengnao.sensing.protocols.hj212_stream import Framer
from chengnao.sensing.simulators.shape import Simulation, wandering

_DATA_ACK = "9014"


class Station:
    """It reports PM2.5, PM10, temperature and humidity, each report asking for its acknowledgement."""

    def __init__(self, number: int) -> None:
        self.address = f"SIM212{number:018d}"
        self.acknowledged = 0
        self.ready = True
        self._number = number
        self._reports = 0
        self._framer = Framer()

    def hello(self, now: datetime) -> bytes:
        return b""

    def report(self, now: datetime) -> bytes:
        self._reports += 1
        header = {"QN": field_text(now, milliseconds=True), "ST": "22", "CN": "2011", "PW": "123456"}
        header |= {"MN": self.address, "Flag": "5"}
        values = {
            "a34004": wandering(self._number, self._reports, 35.0, 10.0),
            "a34002": wandering(self._number + 1, self._reports, 60.0, 15.0),
            "a01001": wandering(self._number + 2, self._reports, 18.0, 5.0),
            "a01002": wandering(self._number + 3, self._reports, 65.0, 12.0),
        }
        factors = {code: {"Rtd": f"{value:.1f}", "Flag": "N"} for code, value in values.items()}
        return encode(header, {"DataTime": field_text(now)}, factors)

    def hear(self, data: bytes, now: datetime) -> bytes:
        for piece in self._framer.feed(data):
            if isinstance(piece, Frame) and piece.cn == _DATA_ACK:
                self.acknowledged += 1
        return b""


SIMULATION = Simulation(Station, "air_station")
