"""Recorded frames of the public set, and whether what was decoded says all that is expected of it."""

import json
from collections.abc import Iterator
from typing import Any

from chengnao.sensing.protocols.recording import Recording, read_recording
from chengnao.sensing.protocols.shape import Wire

from .shared import shared


def recorded(protocol: str) -> list[dict[str, Any]]:
    """The public frames of a protocol; skips the test where they are absent."""
    lines = shared("frames", f"{protocol}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def read(wire: Wire[Any], record: dict[str, Any]) -> Recording[Any]:
    return read_recording(wire.framer(), bytes.fromhex(record["hex"]))


def missing(expected: Any, found: Any, place: str = "") -> Iterator[str]:
    """What is expected and not found, however deep."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key, value in expected.items():
            if key in found:
                yield from missing(value, found[key], f"{place}.{key}")
            else:
                yield f"{place}.{key}: missing"
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, value in enumerate(expected):
            yield from missing(value, found[number], f"{place}[{number}]")
    elif expected != found:
        yield f"{place}: {found!r}, not {expected!r}"
