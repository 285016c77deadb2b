"""Modbus in its three wrappings, requests and answers, found in a stream and decoded.

RTU is unit, PDU and CRC-16 (low byte first) without any start or length; TCP puts the MBAP head before unit and PDU;
ASCII is `:`, hexadecimal digits with an LRC, CRLF. A line carries one of them; the framer finds out which.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from chengnao.sensing.protocols.crc import crc16
from chengnao.sensing.protocols.modbus_pdu import MAX_PDU, Pdu, lengths, parse, plausible
from chengnao.sensing.protocols.shape import Refusal, Wire

Version = Literal["RTU", "TCP", "ASCII"]

_MAX_ASCII = 1 + 2 * (MAX_PDU + 2) + 2
_MAX_HELD = 1024
_NO_ASCII = re.compile(rb"[^0-9A-Fa-f]")


def lrc(data: bytes) -> int:
    """The check of ASCII frames: what makes the sum of all bytes a multiple of 256."""
    return -sum(data) & 0xFF


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame whose check and length are right."""

    raw: bytes
    version: Version
    unit: int
    pdu: Pdu
    transaction: int | None = None
    crc: int | None = None
    warnings: tuple[str, ...] = ()

    def fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {"version": self.version}
        if self.transaction is not None:
            found["transaction"] = self.transaction
        found |= {"unit": self.unit, "function": self.pdu.function, "kind": self.pdu.kind, **self.pdu.values}
        if self.crc is not None:
            found["crc_le"] = f"{self.crc:04x}"
        return found


def encode_rtu(unit: int, pdu: bytes) -> bytes:
    body = bytes([unit]) + pdu
    return body + crc16(body).to_bytes(2, "little")


def encode_tcp(transaction: int, unit: int, pdu: bytes) -> bytes:
    return b"".join(
        (transaction.to_bytes(2, "big"), b"\0\0", (len(pdu) + 1).to_bytes(2, "big"), bytes([unit]), pdu),
    )


def encode_ascii(unit: int, pdu: bytes) -> bytes:
    body = bytes([unit]) + pdu
    return b":" + (body + bytes([lrc(body)])).hex().upper().encode() + b"\r\n"


class _Waits:
    """More bytes are needed to tell."""


_WAITS = _Waits()
_Found = Frame | _Waits | None


class Framer:
    """Finds frames in a stream. It holds 1.3 kB at most between calls."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._version: Version | None = None
        self._fresh = False
        """The last thing in the stream was a good frame."""

    @property
    def pending(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame | Refusal]:
        self._buffer += data
        return self._drain(final=False)

    def hurry(self) -> list[Frame | Refusal]:
        """Frames of RTU end by silence: what waits for its rest is over if a good frame stands behind its start."""
        data = bytes(self._buffer)
        behind = any(isinstance(self._at(data[place:], final=True), Frame) for place in range(1, len(data)))
        return self._drain(final=True) if behind else []

    def close(self) -> list[Frame | Refusal]:
        return self._drain(final=True)

    def _drain(self, *, final: bool) -> list[Frame | Refusal]:
        found: list[Frame | Refusal] = []
        data = bytes(self._buffer)
        start = position = 0
        while position < len(data):
            # No frame is longer than one of ASCII, so that a look at one position costs the same in any buffer.
            piece = self._at(data[position : position + _MAX_ASCII], final=final)
            if isinstance(piece, _Waits):
                break
            if piece is None:
                position += 1
                continue
            if position > start:
                self._refuse(data[start:position], found)
            found.append(piece)
            self._version = piece.version
            self._fresh = True
            start = position = position + len(piece.raw)
        if position > start and (final or position - start > _MAX_HELD):
            self._refuse(data[start:position], found)
            start = position
        del self._buffer[:start]
        return found

    def _at(self, data: bytes, *, final: bool) -> _Found:
        """The frame that begins here. What the line has carried so far is looked for first."""
        order: list[Version] = ["RTU", "TCP", "ASCII"]
        if self._version is not None:
            order.remove(self._version)
            order.insert(0, self._version)
        waits = False
        for version in order:
            piece = _FINDERS[version](data)
            if isinstance(piece, Frame):
                return piece
            if isinstance(piece, _Waits):
                if version == self._version and not final:
                    return piece
                waits = True
        return _WAITS if waits and not final else None

    def _refuse(self, piece: bytes, found: list[Frame | Refusal]) -> None:
        if self._fresh and len(piece) == 1:
            found.append(Refusal("trailing_byte", piece))
        elif self._version == "ASCII" and not piece.strip(b"\r\n"):
            pass  # line ends between frames
        else:
            found.append(_diagnosis(piece, self._version))
        self._fresh = False


def _rtu(data: bytes) -> _Found:
    if len(data) < 2:
        return _WAITS
    for length in lengths(data[1 : 2 + MAX_PDU]):
        end = 1 + length + 2
        if end > len(data):
            return _WAITS
        pdu = parse(data[1 : end - 2])
        if pdu is not None:
            crc = int.from_bytes(data[end - 2 : end], "little")
            if crc == crc16(data[: end - 2]):
                return Frame(data[:end], "RTU", data[0], pdu, crc=crc)
    return None


def _tcp(data: bytes) -> _Found:
    if data[2:4] != b"\0\0"[: len(data[2:4])]:
        return None
    if len(data) < 6:
        return _WAITS
    declared = int.from_bytes(data[4:6], "big")
    # A PDU of one byte is a question of serial lines; taking it here would find frames within those of RTU.
    if not 3 <= declared <= MAX_PDU + 1:
        return None
    end = 6 + declared
    if len(data) > 7 and not (lengths(data[7:8]) or parse(data[7:8])):
        return None
    if len(data) < end:
        return _WAITS
    pdu = parse(data[7:end])
    if pdu is None:
        return None
    return Frame(data[:end], "TCP", data[6], pdu, transaction=int.from_bytes(data[:2], "big"))


def _ascii(data: bytes) -> _Found:
    if data[:1] != b":":
        return None
    stop = _NO_ASCII.search(data, 1)
    digits = len(data) - 1 if stop is None else stop.start() - 1
    if digits > _MAX_ASCII - 3:
        return None
    if stop is None or data[stop.start() :] == b"\r":
        return _WAITS
    end = stop.start() + 2
    if data[end - 2 : end] != b"\r\n" or digits % 2 or digits < 6:
        return None
    body = bytes.fromhex(data[1 : end - 2].decode())
    pdu = parse(body[1:-1])
    return Frame(data[:end], "ASCII", body[0], pdu) if pdu is not None and lrc(body) == 0 else None


_FINDERS = {"RTU": _rtu, "TCP": _tcp, "ASCII": _ascii}


def _diagnosis(piece: bytes, version: Version | None) -> Refusal:
    """What is wrong with bytes that hold no frame, by what they seem to have been."""
    colon = piece.find(b":")
    if colon == 0 or (version == "ASCII" and colon > 0):
        return _bad_ascii(piece)
    rtu = _bad_rtu(piece) if version != "TCP" else None
    tcp = _bad_tcp(piece) if version != "RTU" else None
    whole = rtu is not None and rtu.code == "bad_crc" and rtu.params["bytes_of_frame"] == len(piece)
    exact = whole and plausible(piece[1:-2])
    return (rtu if exact else tcp or rtu) or Refusal("garbage", piece)


def _bad_rtu(piece: bytes) -> Refusal | None:
    candidates = [3 + length for length in lengths(piece[1 : 2 + MAX_PDU])]
    whole = [end for end in candidates if end <= len(piece)]
    likely = [end for end in whole if plausible(piece[1 : end - 2])]
    if likely or (whole and len(whole) == len(candidates)):
        whole = likely or whole
        end = len(piece) if len(piece) in whole else whole[0]
        in_frame, computed = int.from_bytes(piece[end - 2 : end], "little"), crc16(piece[: end - 2])
        params = {"in_frame": f"{in_frame:04x}", "computed": f"{computed:04x}", "bytes_of_frame": end}
        return Refusal("bad_crc", piece, params)
    missing = min((end - len(piece) for end in candidates if end > len(piece)), default=0)
    return Refusal("truncated", piece, {"need_bytes": missing}) if candidates else None


def _bad_tcp(piece: bytes) -> Refusal | None:
    if len(piece) < 6:
        return Refusal("truncated", piece, {"need_bytes": 9 - len(piece)}) if piece[2:4] == b"\0\0" else None
    identifier, declared = int.from_bytes(piece[2:4], "big"), int.from_bytes(piece[4:6], "big")
    if identifier:
        fits = len(piece) > 8 and declared == len(piece) - 6 and parse(piece[7:]) is not None
        return Refusal("bad_header", piece, {"field": "protocol", "value": identifier}) if fits else None
    if not 2 <= declared <= MAX_PDU + 1:
        return Refusal("bad_header", piece, {"field": "length", "value": declared})
    wanted = lengths(piece[7 : 8 + MAX_PDU])
    if len(piece) > 7 and not wanted:
        return Refusal("bad_field", piece, {"field": "function", "value": piece[7]})
    if wanted and declared - 1 < min(wanted):
        return Refusal("length_short", piece, {"declared": declared, "actual": 1 + min(wanted)})
    if len(piece) < 6 + declared:
        return Refusal("truncated", piece, {"need_bytes": 6 + declared - len(piece)})
    return Refusal("length_mismatch", piece, {"declared": declared, "actual": 1 + max(wanted, default=0)})


def _bad_ascii(piece: bytes) -> Refusal:
    start = piece.find(b":")
    end = piece.find(b"\r\n", start)
    if end < 0:
        digits = _NO_ASCII.search(piece, start + 1)
        if digits is None or piece[digits.start() :] == b"\r":
            return Refusal("truncated", piece, {"need_bytes": 2 if digits is None else 1})
        end = len(piece)
    text = piece[start + 1 : end]
    wrong = _NO_ASCII.search(text)
    if wrong is not None:
        return Refusal("bad_field", piece, {"field": "hex", "value": text[wrong.start() : wrong.start() + 1].hex()})
    if len(text) % 2:
        return Refusal("bad_field", piece, {"field": "hex", "value": f"{len(text)} digits"})
    body = bytes.fromhex(text.decode())
    if len(body) < 3:
        return Refusal("too_short", piece)
    if lrc(body):
        return Refusal("bad_checksum", piece, {"in_frame": f"{body[-1]:02x}", "computed": f"{lrc(body[:-1]):02x}"})
    return Refusal("length_mismatch", piece, {"declared": min(lengths(body[1:-1]), default=0), "actual": len(body) - 2})


WIRE: Wire[Frame] = Wire(
    "modbus",
    "Modbus（RTU、TCP、ASCII）",
    "Modbus (RTU, TCP, ASCII)",
    Framer,
    lambda frames: frames[0].fields() if len(frames) == 1 else {},
)
