"""A simulated vehicle terminal that speaks JT/T 808, of 2013 or 2019 by turns."""

from collections.abc import Callable
from datetime import datetime
from math import cos, sin

from chengnao.sensing.protocols import jt808_bodies as bodies
from chengnao.sensing.protocols.jt808 import Frame, encode
from chengnao.sensing.protocols.jt808_location import write_location
from chengnao.sensing.protocols.jt808_stream import Framer
from chengnao.sensing.simulators.shape import Simulation, wandering

_HEARD: dict[int, int] = {
    bodies.QUERY_PARAMETERS: bodies.PARAMETERS,
    bodies.QUERY_ATTRIBUTES: bodies.ATTRIBUTES,
    bodies.QUERY_LOCATION: bodies.LOCATION_ANSWER,
}


class Terminal:
    """It registers, authenticates with the code it is given, circles in its district, and answers what it is asked."""

    def __init__(self, number: int) -> None:
        self.address = f"139{number:08d}"
        self.acknowledged = 0
        self.ready = False
        self.texts: list[str] = []
        self.interval_seconds = 30
        self._number = number
        self._version = "2019" if number % 2 else "2013"
        self._reports = 0
        self._serial = 0
        self._framer = Framer()
        self._waiting: set[int] = set()

    def hello(self, now: datetime) -> bytes:
        self.ready = False
        maker, model, terminal = bodies.WIDTHS[self._version]
        body = (50).to_bytes(2, "big") + (103).to_bytes(2, "big") + b"CN808".ljust(maker, b"\x00")
        body += b"SIMULATED".ljust(model, b"\x00") + f"{self._number:07d}"[-7:].encode().ljust(terminal, b"\x00")
        return self._say(bodies.REGISTER, body + b"\x02" + f"渝A{self._number:05d}"[:8].encode("gb18030"))

    def report(self, now: datetime) -> bytes:
        self._reports += 1
        self._waiting.add(self._serial)
        return self._say(bodies.LOCATION, self._location(now))

    def hear(self, data: bytes, now: datetime) -> bytes:
        pieces = self._framer.feed(data)
        return b"".join(self._answer(piece, now) for piece in pieces if isinstance(piece, Frame))

    def _answer(self, frame: Frame, now: datetime) -> bytes:
        if frame.msg_id == bodies.REGISTER_ANSWER and len(frame.body) > 3 and frame.body[2] == 0:
            return self._say(bodies.AUTHENTICATE, self._proof(frame.body[3:]))
        if frame.msg_id == bodies.PLATFORM_ACK:
            self._acknowledged(bodies.acknowledged(frame.body) or {})
            return b""
        serial = frame.serial.to_bytes(2, "big")
        act = self._orders().get(frame.msg_id)
        if act is not None:
            return self._say(_HEARD[frame.msg_id], act(serial, now))
        if frame.msg_id == bodies.TEXT:
            self.texts.append(bodies.text(frame.body[2 if self._version == "2019" else 1 :]))
        elif frame.msg_id == bodies.SET_PARAMETERS:
            found = bodies.parameters(b"\x00\x00" + frame.body) or {"parameters": {}}
            self.interval_seconds = found["parameters"].get("interval_seconds", self.interval_seconds)
        elif frame.msg_id != bodies.ASK_PARTS:
            return b""
        return self._say(bodies.ACK, serial + frame.msg_id.to_bytes(2, "big") + b"\x00")

    def _orders(self) -> dict[int, Callable[[bytes, datetime], bytes]]:
        return {
            bodies.QUERY_PARAMETERS: lambda serial, now: serial + bodies.write_parameters(self._parameters()),
            bodies.QUERY_ATTRIBUTES: lambda serial, now: self._attributes(),
            bodies.QUERY_LOCATION: lambda serial, now: serial + self._location(now),
        }

    def _parameters(self) -> dict[str, int]:
        return {"heartbeat_seconds": 60, "interval_seconds": self.interval_seconds, "max_speed_kmh": 80}

    def _attributes(self) -> bytes:
        maker, model, terminal = bodies.WIDTHS[self._version]
        head = b"\x00\x07" + b"CN808".ljust(maker, b"\x00") + b"SIMULATED".ljust(model, b"\x00")
        iccid = f"8986{self._number:016d}".encode()
        return head + b"1".ljust(terminal, b"\x00") + bytes.fromhex(iccid.decode()) + b"\x02H1\x02F1\x03\x01"

    def _acknowledged(self, found: dict[str, int | str]) -> None:
        if found.get("result") != 0:
            return
        if found["ack_msg_id"] == "0x0102":
            self.ready = True
        elif found["ack_serial"] in self._waiting:
            self._waiting.discard(int(found["ack_serial"]))
            self.acknowledged += 1

    def _proof(self, code: bytes) -> bytes:
        if self._version == "2013":
            return code
        return bytes([len(code)]) + code + f"{self._number:015d}".encode() + b"CN1.0".ljust(20, b"\x00")

    def _location(self, now: datetime) -> bytes:
        turn = self._reports / 40 + self._number
        speed = wandering(self._number, self._reports, 28.0, 12.0)
        extras = {
            0x01: (100_000 + self._number + self._reports * 2).to_bytes(4, "big"),
            0x02: round(wandering(self._number, self._reports, 90.0, 30.0) * 10).to_bytes(2, "big"),
            0x03: round(speed * 10).to_bytes(2, "big"),
            0x30: bytes([22]),
            0x31: bytes([11]),
        }
        return write_location(
            now,
            106.55 + 0.02 * cos(turn),
            29.56 + 0.02 * sin(turn),
            altitude_m=240,
            speed_kmh=speed,
            direction=round(turn * 57) % 360,
            extras=extras,
        )

    def _say(self, msg_id: int, body: bytes) -> bytes:
        serial, self._serial = self._serial, (self._serial + 1) % 0x10000
        return encode(msg_id, self.address, serial, body, self._version)


SIMULATION = Simulation(Terminal, "municipal_vehicle")
