"""What stands inside every frame of Modbus: a function and its fields, the same in RTU, TCP and ASCII.

Lengths and limits are those of the Modbus Application Protocol Specification V1.1b3. A request and an answer share
their function, so that both readings of the bytes are tried; where both fit, the request is taken if its count is
possible.
"""

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

MAX_PDU = 253
MAX_BITS = 2000
MAX_REGISTERS = 125
EXCEPTION = 0x80

_BITS, _REGISTERS = frozenset({1, 2}), frozenset({3, 4})
_READ = _BITS | _REGISTERS
_WRITE_ONE, _WRITE_MANY = frozenset({5, 6}), frozenset({15, 16})
_USER_DEFINED = frozenset(range(65, 73)) | frozenset(range(100, 111))
_COUNTED = frozenset({12, 17, 20, 21})
"""Functions whose answer is a count of bytes and so many bytes."""


class Pdu(NamedTuple):
    """One function as a request or as an answer. The answer of 5, 6, 8, 15 and 22 repeats its request or a part of it;
    where the bytes are the same, it reads as the request."""

    function: int
    kind: str
    values: dict[str, Any]


def lengths(head: bytes) -> list[int]:
    """How long the PDU that begins like this may be, shortest first; nothing where no function begins so.

    Where a length depends on a byte that is not there yet, the length up to that byte stands for it.
    """
    return sorted(size for size in set(_lengths(head)) if size <= MAX_PDU) if head else []


def _lengths(head: bytes) -> Iterable[int]:
    function = head[0]
    counts = _counts(head)
    if function & EXCEPTION:
        return [2] if _known(function & 0x7F) else []
    if function in _READ:
        return [5, *counts]
    if function in _WRITE_ONE or function == 8:
        return [5]
    if function in _WRITE_MANY:
        return [5, 6 + head[5]] if len(head) > 5 and head[5] else [5]
    if function == 23:
        if len(head) <= 9:
            return [10, *counts]
        return [10 + head[9], *counts] if head[9] else counts
    if function in {7, 11}:
        return [1, 2 if function == 7 else 5]
    if function in _COUNTED:
        return [1, *counts] if function in {12, 17} else counts
    if function == 22:
        return [7]
    if function == 24:
        return [3, 3 + int.from_bytes(head[1:3], "big")] if len(head) > 2 else [3]
    if function == 43:
        return _identification_lengths(head)
    return []


def _counts(head: bytes) -> list[int]:
    """The length of an answer that says how many bytes it holds."""
    if len(head) < 2:
        return [2]
    if not head[1]:
        return []
    whole = head[1] % 2 == 0 or head[0] not in _REGISTERS | {23}
    return [2 + head[1]] if whole and 2 + head[1] <= MAX_PDU else []


def _identification_lengths(head: bytes) -> list[int]:
    """Read device identification: code and object asked for, or the objects with a length each."""
    if len(head) > 1 and head[1] != 14:
        return []
    end = 7
    if len(head) >= end:
        for _ in range(head[6]):
            if len(head) < end + 2:
                return [4, end + 2]
            end += 2 + head[end + 1]
        return [4, end] if end <= MAX_PDU else [4]
    return [4, 7]


def parse(pdu: bytes) -> Pdu | None:
    """The function with its fields; None where the bytes are no PDU, or one of another length."""
    if not pdu or len(pdu) > MAX_PDU:
        return None
    function = pdu[0]
    if function in _USER_DEFINED:
        return Pdu(function, "user_defined", {"data": pdu[1:].hex()})
    if len(pdu) not in set(_lengths(pdu)):
        return None
    if function & EXCEPTION:
        return Pdu(function & 0x7F, "response", {"exception": pdu[1]})
    return _request(function, pdu) or _answer(function, pdu)


def plausible(pdu: bytes) -> bool:
    """Whether a device would say this. A request for more than an answer can hold is rather the head of an answer; a
    coil is set by FF00 and cleared by 0000."""
    found = parse(pdu)
    if found is not None and found.function == 5 and len(pdu) == 5:
        return pdu[3:] in {b"\0\0", b"\xff\0"}
    if found is None or found.kind != "request" or found.function not in _READ:
        return found is not None
    count: int = found.values["count"]
    return 1 <= count <= (MAX_BITS if found.function in _BITS else MAX_REGISTERS)


def _request(function: int, pdu: bytes) -> Pdu | None:
    values: dict[str, Any] | None = None
    size = len(pdu)
    if function in _READ and size == 5:
        address, count = struct.unpack(">HH", pdu[1:])
        fits = 1 <= count <= (MAX_BITS if function in _BITS else MAX_REGISTERS)
        # An answer of three bytes has the length of a request: then the count decides.
        values = {"address": address, "count": count} if fits or pdu[1] != 3 or function in _REGISTERS else None
    elif function in _WRITE_ONE:
        address, value = struct.unpack(">HH", pdu[1:])
        values = {"address": address, "value": value if function == 6 else value == 0xFF00}
    elif function == 8:
        sub, value = struct.unpack(">HH", pdu[1:])
        values = {"sub_function": sub, "value": value}
    elif function in _WRITE_MANY and size > 5:
        values = _many(function, pdu)
    elif function == 22:
        address, kept, added = struct.unpack(">HHH", pdu[1:])
        values = {"address": address, "and_mask": kept, "or_mask": added}
    elif function == 23 and size > 10 and size == 10 + pdu[9] and size != 2 + pdu[1]:
        address, count, write_address, write_count = struct.unpack(">HHHH", pdu[1:9])
        values = {"address": address, "count": count, "write_address": write_address, "write_count": write_count}
        values["registers"] = _words(pdu[10:])
    elif size == 1:
        values = {}
    elif function == 24 and size == 3:
        values = {"address": int.from_bytes(pdu[1:], "big")}
    elif function == 43 and size == 4:
        values = {"read_code": pdu[2], "object": pdu[3]}
    return None if values is None else Pdu(function, "request", values)


def _many(function: int, pdu: bytes) -> dict[str, Any] | None:
    address, count, held = struct.unpack(">HHB", pdu[1:6])
    if function == 16:
        return {"address": address, "count": count, "registers": _words(pdu[6:])} if held == 2 * count else None
    if held != (count + 7) // 8:
        return None
    return {"address": address, "count": count, "bits": _bits(pdu[6:])[:count]}


def _answer(function: int, pdu: bytes) -> Pdu | None:
    values: dict[str, Any]
    if function in _BITS:
        values = {"bits": _bits(pdu[2:])}
    elif function in _REGISTERS or function == 23:
        if len(pdu) % 2:
            return None
        values = {"registers": _words(pdu[2:])}
    elif function in _WRITE_MANY:
        if len(pdu) != 5:
            return None
        address, count = struct.unpack(">HH", pdu[1:])
        values = {"address": address, "count": count}
    elif function == 7:
        values = {"status": pdu[1]}
    elif function == 11:
        status, events = struct.unpack(">HH", pdu[1:])
        values = {"status": status, "events": events}
    elif function == 43:
        values = {"objects": _objects(pdu)}
    else:
        values = {"data": pdu[(3 if function == 24 else 2) :].hex()}
    return Pdu(function, "response", values)


def _objects(pdu: bytes) -> dict[str, str]:
    """Names by the number of the object: 0 the maker, 1 the product, 2 the revision."""
    found: dict[str, str] = {}
    position = 7
    while position + 2 <= len(pdu):
        end = position + 2 + pdu[position + 1]
        found[str(pdu[position])] = pdu[position + 2 : end].decode("utf-8", "replace")
        position = end
    return found


def _known(function: int) -> bool:
    return function in _READ | _WRITE_ONE | _WRITE_MANY | _COUNTED | _USER_DEFINED | {7, 8, 11, 22, 23, 24, 43}


def _words(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2]))


def _bits(data: bytes) -> list[bool]:
    """Least significant bit first, as coils are counted."""
    return [bool(byte >> bit & 1) for byte in data for bit in range(8)]
