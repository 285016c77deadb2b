"""GB/T 32960.3: one frame of an electric vehicle, bytes to typed value and back.

``##`` + command + answer + VIN (17) + encryption + length (2) + data + XOR of all from the command on. The revision of
2025 begins with ``$$`` and has another data part (units of other layout, a signature), which stays raw here.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import xor
from typing import Any

from chengnao.kernel.clock import CST
from chengnao.sensing.protocols.gb32960_units import Units, read_units
from chengnao.sensing.protocols.shape import Refusal
from chengnao.sensing.protocols.sized_stream import SizedFramer, Sizing

MARK_2016, MARK_2025 = b"##", b"$$"
HEAD_BYTES = 24
LOGIN, REALTIME, RESENT, LOGOUT, PLATFORM_LOGIN, PLATFORM_LOGOUT, HEARTBEAT, CLOCK = range(1, 9)
COMMAND, SUCCESS, ERROR, VIN_REPEATED = 0xFE, 1, 2, 3
PLAIN = 1

_ANSWERS = frozenset({SUCCESS, ERROR, VIN_REPEATED, 4, COMMAND})
_ENCRYPTIONS = frozenset({0, PLAIN, 2, 3, 4, 5, 0xFE, 0xFF})
_CLEAR = frozenset({0, PLAIN})
"""0 is no value of the standard; some vehicles send it for data in clear."""
_TIMELESS = frozenset({HEARTBEAT})


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose length and checksum are right and whose time, where it has one, can be."""

    raw: bytes
    version: str
    """`2016` or `2025`."""
    command: int
    response: int
    vin: str
    encrypt: int
    data: bytes
    bcc: int
    time: datetime | None
    units: Units | None
    """Of a report in clear by the edition of 2016."""
    warnings: tuple[str, ...] = ()

    @property
    def in_clear(self) -> bool:
        return self.encrypt in _CLEAR

    @property
    def asks(self) -> bool:
        """It is no answer."""
        return self.response == COMMAND

    def fields(self) -> dict[str, Any]:
        """The frame as plain values; `units` in short, `unit_details` whole. Passwords are not shown."""
        found: dict[str, Any] = {
            "command": f"0x{self.command:02X}",
            "response": f"0x{self.response:02X}",
            "vin": self.vin,
            "encrypt": self.encrypt,
            "length": len(self.data),
            "bcc": f"{self.bcc:02x}",
        }
        if self.version == "2025":
            found["version"] = self.version
        if not self.in_clear:
            return found | {"body_encrypted_bytes": len(self.data)}
        if self.time is not None:
            found["time"] = self.time.astimezone(CST).isoformat()
        if self.units is not None:
            found |= {"units": self.units.fields(), "consumed_ok": self.units.whole}
            shown = self.units.details() or [{"raw": self.data[6:].hex()}]
            return found | {"unit_details": shown}
        if self.version == "2025" and len(self.data) > 6:
            return found | {"body_hex": self.data[6:].hex()}
        return found | self._signing()

    def _signing(self) -> dict[str, Any]:
        body = self.data[6:]
        if self.command == LOGIN and len(body) >= 24:
            login = {
                "serial": int.from_bytes(body[:2], "big"),
                "iccid": _text(body[2:22]),
                "subsystems": body[22],
                "code_length": body[23],
            }
            return {"login": login}
        if self.command in {LOGOUT, PLATFORM_LOGOUT} and len(body) >= 2:
            return {"logout": {"serial": int.from_bytes(body[:2], "big")}}
        if self.command == PLATFORM_LOGIN and len(body) >= 14:
            return {"platform_login": {"serial": int.from_bytes(body[:2], "big"), "user": _text(body[2:14])}}
        return {}

    def platform_account(self) -> tuple[str, str]:
        """User and password of a platform that signs in; empty where the frame carries none."""
        body = self.data[6:]
        return _text(body[2:14]), _text(body[14:34])


def decode(raw: bytes) -> Frame | Refusal:
    """Read one frame that fills ``raw``; what is wrong is a value, never raised."""
    if not raw.startswith((MARK_2016, MARK_2025)):
        return Refusal("bad_header", raw, {"found": raw[:2].hex()})
    if len(raw) < HEAD_BYTES:
        return Refusal("truncated", raw, {"need_bytes": HEAD_BYTES + 1 - len(raw)})
    command, response, encrypt = raw[2], raw[3], raw[21]
    if response not in _ANSWERS or encrypt not in _ENCRYPTIONS:
        return Refusal("bad_header", raw, {"found": raw[2:4].hex()})
    end = HEAD_BYTES + int.from_bytes(raw[22:24], "big")
    if len(raw) <= end:
        return Refusal("truncated", raw, {"need_bytes": end + 1 - len(raw)})
    computed = reduce(xor, raw[2:end])
    if computed != raw[end]:
        return Refusal("bad_bcc", raw, {"in_frame": f"{raw[end]:02x}", "computed": f"{computed:02x}"})
    data, version = raw[HEAD_BYTES:end], "2016" if raw.startswith(MARK_2016) else "2025"
    time: datetime | None = None
    units: Units | None = None
    warnings: tuple[str, ...] = ()
    if encrypt in _CLEAR and len(data) >= 6 and command not in _TIMELESS:
        time = field_time(data)
        if time is None:
            return Refusal("bad_field", raw, {"field": "time", "value": data[:6].hex()})
        if command in {REALTIME, RESENT} and version == "2016" and response == COMMAND:
            units = read_units(data[6:])
            warnings = () if units.standard else ("nonstandard_unit_layout",)
    return Frame(
        raw[: end + 1], version, command, response, _text(raw[4:21]), encrypt, data, raw[end], time, units, warnings
    )


def encode(
    command: int, vin: str, data: bytes = b"", response: int = COMMAND, version: str = "2016", encrypt: int = PLAIN
) -> bytes:
    """Build a frame; raises ValueError where the VIN or the data is too long."""
    name = vin.encode("latin-1", "replace")
    if len(name) > 17 or len(data) > 0xFFFF:
        raise ValueError("a VIN has at most 17 bytes, and data 65535")
    body = bytes([command, response]) + name.ljust(17, b"\x00") + bytes([encrypt]) + len(data).to_bytes(2, "big") + data
    return (MARK_2016 if version == "2016" else MARK_2025) + body + bytes([reduce(xor, body)])


def field_time(data: bytes) -> datetime | None:
    """UTC instant of year, month, day, hour, minute, second (a byte each, UTC+8); None where that is no time."""
    year, month, day, hour, minute, second = data[:6]
    try:
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=CST).astimezone(UTC)
    except ValueError:
        return None


def field_bytes(moment: datetime) -> bytes:
    local = moment.astimezone(CST)
    return bytes([local.year % 100, local.month, local.day, local.hour, local.minute, local.second])


def hint(raw: bytes) -> str:
    """The VIN that the head of a wrong frame seems to give."""
    name = _text(raw[4:21]) if raw.startswith((MARK_2016, MARK_2025)) else ""
    return name if name.isascii() and name.isalnum() else ""


def _text(data: bytes) -> str:
    return data.decode("gb18030", "replace").strip("\x00 ")


def _size(data: bytes, at: int) -> int | None:
    head = data[at : at + HEAD_BYTES]
    if (len(head) > 3 and head[3] not in _ANSWERS) or (len(head) > 21 and head[21] not in _ENCRYPTIONS):
        return 0
    return None if len(head) < HEAD_BYTES else HEAD_BYTES + int.from_bytes(head[22:24], "big") + 1


_SIZING: Sizing[Frame] = Sizing((MARK_2016, MARK_2025), _size, decode)


class Framer(SizedFramer[Frame]):
    """Finds frames in a stream; it holds one frame's bytes (64 KiB) at most."""

    def __init__(self) -> None:
        super().__init__(_SIZING)
        self._silent = True

    def feed(self, data: bytes) -> list[Frame | Refusal]:
        found = super().feed(data)
        self._silent = self._silent and not found
        return found

    def close(self) -> list[Frame | Refusal]:
        """Bytes in which nothing at all was found are a frame with a wrong head rather than noise around frames."""
        found = super().close()
        if self._silent and len(found) == 1 and isinstance(found[0], Refusal) and found[0].code == "garbage":
            return [decode(found[0].raw)]
        return found
