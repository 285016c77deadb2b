"""One picture of a camera: how many people, how dense, and whether the picture can be relied on at all.

The frame is dropped when the numbers are there; what remains shows nobody.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chengnao.kernel.vocabulary import Named
from chengnao.models.embedded.persons import find_persons
from chengnao.models.embedded.pictures import Pixels, read_pixels, resized

_WIDTH = 640
"""Pixels of the grey copy on which the quality is measured, so that cameras compare."""
_DARK = 30.0
_BRIGHT = 240.0
_EVEN = 8.0
_BLURRED = 60.0
_TILES = 8
_SAME = 0.9


class Fault(Named):
    DARK = "dark", "画面过暗", "too dark"
    BRIGHT = "bright", "画面过曝", "too bright"
    COVERED = "covered", "画面无内容（可能被遮挡）", "empty (perhaps covered)"
    BLURRED = "blurred", "画面模糊", "blurred"
    FROZEN = "frozen", "画面停滞", "frozen"


class Density(Named):
    """People for each square metre of the ground that the camera shows; the bounds are those of crowd safety."""

    EMPTY = "empty", "无人", "nobody"
    SPARSE = "sparse", "稀疏（不足 0.5 人/㎡）", "sparse (under 0.5 a m²)"
    BUSY = "busy", "较多（0.5 至 2 人/㎡）", "busy (0.5 to 2 a m²)"
    DENSE = "dense", "密集（2 至 4 人/㎡）", "dense (2 to 4 a m²)"
    DANGEROUS = "dangerous", "过密（4 人/㎡以上，有踩踏风险）", "dangerously dense (over 4 a m²)"


@dataclass(frozen=True)
class Snapshot:
    persons: int
    """People seen; in a crowd, where they cover one another, there are more."""
    density: Density | None
    """None where the area is not known, or the picture cannot be relied on."""
    faults: tuple[Fault, ...]
    """What is wrong with the picture; where there is something, the count is not to be relied on."""
    marks: tuple[str, ...]
    """Give them with the next picture of this camera, to see whether it moves; nothing can be seen in them."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "persons": self.persons,
            "density": self.density,
            "faults": list(self.faults),
            "marks": list(self.marks),
        }


def snapshot_apart(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For `kernel/apart.py`: one dictionary; the options are those of `look`."""
    yield look(read_pixels(data), home, **options).to_dict()


def look(picture: Pixels, home: Path, ground_m2: float | None = None, before: Sequence[str] = ()) -> Snapshot:
    """What a camera's picture shows; `before` are the marks of its last picture, `ground_m2` the area that it shows.

    Raises Unavailable where the model was not fetched (`chengnao models pull pedestrian-ssdlite`).
    """
    marks = marks_of(picture)
    faults = faults_of(picture)
    if before and sum(one == other for one, other in zip(marks, before, strict=False)) >= _SAME * len(marks):
        faults = (*faults, Fault.FROZEN)
    persons = len(find_persons(picture, home))
    density = None if ground_m2 is None or faults else density_of(persons, ground_m2)
    return Snapshot(persons, density, faults, marks)


def density_of(persons: int, ground_m2: float) -> Density:
    """The level for so many people on so many square metres."""
    if persons == 0:
        return Density.EMPTY
    each = persons / ground_m2
    bounds = ((0.5, Density.SPARSE), (2.0, Density.BUSY), (4.0, Density.DENSE))
    return next((level for bound, level in bounds if each < bound), Density.DANGEROUS)


def faults_of(picture: Pixels) -> tuple[Fault, ...]:
    """What makes the picture useless, as far as one picture shows it."""
    height = max(1, round(picture.shape[0] * _WIDTH / picture.shape[1]))
    grey = resized(picture, _WIDTH, height).astype(np.float32) @ np.array((0.299, 0.587, 0.114), dtype=np.float32)
    faults = []
    if grey.mean() < _DARK:
        faults.append(Fault.DARK)
    elif grey.mean() > _BRIGHT:
        faults.append(Fault.BRIGHT)
    if grey.std() < _EVEN:
        faults.append(Fault.COVERED)
    elif _sharpness(grey) < _BLURRED:
        faults.append(Fault.BLURRED)
    return tuple(faults)


def _sharpness(grey: NDArray[np.float32]) -> float:
    """How much neighbouring pixels differ: the variance of the second derivative, for a contrast of 50."""
    middle = grey[1:-1, 1:-1]
    curve = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * middle
    return float(curve.var() * (50 / grey.std()) ** 2)


def marks_of(picture: Pixels) -> tuple[str, ...]:
    """A digest of each of 64 parts: a live camera's noise changes all of them, a clock in the picture a few."""
    parts = (part for row in np.array_split(picture, _TILES) for part in np.array_split(row, _TILES, axis=1))
    return tuple(hashlib.blake2b(part.tobytes(), digest_size=6).hexdigest() for part in parts)
