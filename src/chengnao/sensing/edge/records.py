"""Records of the edge's log, on disk and on the line: numbered, checked, and small.

A record is a header of 37 bytes and its payload. The header holds a mark, the payload's length packed and plain, the
record's number, when it was written, its kind, how many rows it stands for, and a CRC-32 over all of that and the
payload. A reader can tell a whole record from a torn one, and can find the next one after damage.
"""

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from chengnao.kernel.errors import Invalid

_HEADER = struct.Struct("<4sIIQQBI")
_MARK = b"CNR1"
_CRC = struct.Struct("<I")
OVERHEAD = _HEADER.size + _CRC.size
MAX_PAYLOAD = 4 * 2**20


class Kind(IntEnum):
    """What a payload is."""

    READINGS = 1
    HELD = 2


class Record(NamedTuple):
    """One entry. `at`: milliseconds since 1970 by the edge's clock; `rows`: readings in it, or refused pieces."""

    sequence: int
    at: int
    kind: Kind
    rows: int
    payload: bytes


class Found(NamedTuple):
    """A whole record and where it ends."""

    record: Record
    start: int
    end: int


class RecordsInvalid(Invalid):
    """A body that is not a row of whole records."""


def pack(record: Record) -> bytes:
    """The record as bytes."""
    payload = zlib_small(record.payload)
    head = _HEADER.pack(_MARK, len(payload), len(record.payload), record.sequence, record.at, record.kind, record.rows)
    return head + _CRC.pack(zlib.crc32(payload, zlib.crc32(head))) + payload


def find(data: bytes | memoryview, start: int = 0) -> Iterator[Found]:
    """The whole records of some bytes, in order; what is damaged in between is passed over."""
    view = memoryview(data)
    place = start
    while True:
        found = _at(view, place)
        if found is None:
            place = _next_mark(view, place + 1)
            if place < 0:
                return
            continue
        yield found
        place = found.end


def unpack_all(data: bytes) -> list[Record]:
    """The records of a body that holds nothing else, numbered upwards; raises RecordsInvalid."""
    records: list[Record] = []
    end = 0
    for found in find(data):
        if found.start != end or (records and found.record.sequence <= records[-1].sequence):
            break
        records.append(found.record)
        end = found.end
    if end != len(data) or not records:
        raise RecordsInvalid("edge_records_invalid", offset=end, size=len(data))
    return records


def _at(view: memoryview, place: int) -> Found | None:
    body = place + OVERHEAD
    if body > len(view):
        return None
    mark, length, plain, sequence, at, kind, rows = _HEADER.unpack_from(view, place)
    if mark != _MARK or length > MAX_PAYLOAD or plain > MAX_PAYLOAD or body + length > len(view):
        return None
    (claimed,) = _CRC.unpack_from(view, place + _HEADER.size)
    payload = view[body : body + length]
    if zlib.crc32(payload, zlib.crc32(view[place : place + _HEADER.size])) != claimed:
        return None
    try:
        record = Record(sequence, at, Kind(kind), rows, unzip_small(bytes(payload), plain))
    except (ValueError, zlib.error):
        return None
    return Found(record, place, body + length)


def _next_mark(view: memoryview, place: int) -> int:
    step = 1 << 20
    while place < len(view):
        at = bytes(view[place : place + step + len(_MARK)]).find(_MARK)
        if at >= 0:
            return place + at
        place += step
    return -1


@cache
def _dictionary() -> bytes:
    return files("chengnao.sensing.edge").joinpath("dictionary.bin").read_bytes()


def zlib_small(payload: bytes) -> bytes:
    """The payload compressed against what every message of readings begins with: a few readings take 1,200 bytes in
    Arrow and some 150 so."""
    squeezer = zlib.compressobj(1, zdict=_dictionary())
    return squeezer.compress(payload) + squeezer.flush()


def unzip_small(payload: bytes, size: int) -> bytes:
    """What `zlib_small` was given; raises ValueError where it is not of the size."""
    stretcher = zlib.decompressobj(zdict=_dictionary())
    plain = stretcher.decompress(payload, size + 1)
    if len(plain) != size or not stretcher.eof:
        raise ValueError("a payload of another size than its header says")
    return plain
