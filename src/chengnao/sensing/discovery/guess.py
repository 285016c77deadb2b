"""What a device may be, told by the points that its frames carry."""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from chengnao.sensing.devices.model import Protocol, device_classes
from chengnao.sensing.protocols.recording import read_recording
from chengnao.sensing.protocols.shape import Now, Report
from chengnao.sensing.protocols.wires import wire
from chengnao.sensing.quarantine.model import Form, Held

log = logging.getLogger(__name__)

MOST_POINTS = 500


@dataclass(frozen=True)
class Guess:
    """A class that the device may belong to: it knows `matched` of the points that were seen."""

    class_code: str
    matched: int
    seen: int


@dataclass(frozen=True)
class _Stranger:
    """The speaker of a frame, as far as a dialogue needs it."""

    id: str
    address: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    behind: Mapping[str, Any] = field(default_factory=dict)


def points_of(piece: Held, now: datetime) -> set[str]:
    """The names of the points, or metrics, that the piece carries; none where it cannot be read."""
    try:
        return _in_frames(piece, now) if piece.form is Form.FRAME else _in_rows(piece)
    except Exception as error:  # whatever a stranger sends, it is only a guess that fails
        log.info("no points are found in %s: %s", piece.id, error)
        return set()


def _in_frames(piece: Held, now: datetime) -> set[str]:
    spoken = wire(piece.source)
    if spoken.dialogue is None:
        return set()
    dialogue = spoken.dialogue()
    found: set[str] = set()
    for frame in read_recording(spoken.framer(), piece.payload).frames:
        stranger: Any = _Stranger(piece.device_hint, dialogue.address(frame))
        for act in dialogue.hear(frame, stranger, Now(now, time.monotonic())):
            if isinstance(act, Report):
                found |= {value.point for value in act.values}
    return set(sorted(found)[:MOST_POINTS])


def _in_rows(piece: Held) -> set[str]:
    read = orjson.loads(piece.payload)
    rows = read if isinstance(read, list) else [read]
    found: set[str] = set()
    for row in rows:
        if isinstance(row, dict):
            metric = row.get("metric")
            found |= {metric} if isinstance(metric, str) else {str(key) for key in row}
    return set(sorted(found)[:MOST_POINTS])


def guesses(protocol: Protocol, seen: Iterable[str]) -> list[Guess]:
    """Classes that know some of the points, the likeliest first: most points known, fewest others expected."""
    names = set(seen)
    found = []
    for code, kind in device_classes().items():
        known = {*kind.points.get(protocol, {}), *kind.metrics}
        matched = len(names & known)
        if matched:
            found.append((Guess(code, matched, len(names)), len(kind.metrics)))
    found.sort(key=lambda each: (-each[0].matched, each[1], each[0].class_code))
    return [guess for guess, _ in found]
