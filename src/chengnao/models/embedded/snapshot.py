"""One picture of a camera: how many people, how dense, and whether the picture can be relied on at all.

The frame is dropped when the numbers are there; what remains shows nobody.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chengnao.kernel.errors import Unavailable
from chengnao.kernel.vocabulary import Named
from chengnao.models.embedded.persons import find_persons
from chengnao.models.embedded.pictures import Pixels, read_pixels, resized

_WIDTH = 640
"""Pixels of the grey copy on which the quality is measured, so that cameras compare."""
_DARK, _BRIGHT = 40.0, 225.0
_EVEN = 8.0
_BLURRED = 60.0
_SMALL = 240
_TILES = 8
_SAME = 0.9
_PER_PICTURE = (1, 10, 25)
_PER_SQUARE_METRE = (0.0, 0.5, 2.0, 4.0)


class Fault(Named):
    COVERED = "covered", "画面近乎单色，可能被遮挡或失去信号", "of one colour, perhaps covered or without a signal"
    DARK = "dark", "画面过暗", "too dark"
    BRIGHT = "bright", "画面过亮", "too bright"
    BLURRED = "blurred", "画面模糊", "blurred"
    SMALL = "small", "分辨率过低", "of too few pixels"
    FROZEN = "frozen", "画面停滞", "frozen"


class Density(Named):
    """How crowded it is; the last level exists only where the area is known: there people may be crushed."""

    NOBODY = "nobody", "无人", "nobody"
    SPARSE = "sparse", "稀疏", "sparse"
    BUSY = "busy", "较密", "busy"
    CROWDED = "crowded", "拥挤", "crowded"
    DANGEROUS = "dangerous", "过密", "dangerously dense"


@dataclass(frozen=True)
class Quality:
    """Measures of a picture."""

    width: int
    height: int
    brightness: float
    """Mean grey, 0 to 255."""
    contrast: float
    """Standard deviation of grey."""
    sharpness: float
    """How much neighbouring pixels differ: variance of the Laplacian, at most 640 pixels wide, at a contrast of 50."""

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What makes the picture useless, as far as one picture shows it."""
        found = []
        if self.contrast < _EVEN:
            found.append(Fault.COVERED)
        elif self.brightness < _DARK:
            found.append(Fault.DARK)
        elif self.brightness > _BRIGHT:
            found.append(Fault.BRIGHT)
        if self.contrast >= _EVEN and self.sharpness < _BLURRED:
            found.append(Fault.BLURRED)
        if min(self.width, self.height) < _SMALL:
            found.append(Fault.SMALL)
        return tuple(found)


@dataclass(frozen=True)
class Snapshot:
    quality: Quality
    persons: int | None
    """People seen; in a crowd, where they cover one another, there are more. None where no model is installed."""
    density: Density | None
    """None where nobody was counted."""
    faults: tuple[Fault, ...]
    """What is wrong with the picture; where there is something, the count is not to be relied on."""
    marks: tuple[str, ...]
    """Give them with the next picture of this camera, to see whether it moves; nothing can be seen in them."""


def snapshot_apart(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """For `kernel/apart.py`: a Snapshot as a dictionary; the options are those of `look`."""
    yield asdict(look(read_pixels(data), home, **options))


def look(picture: Pixels, home: Path, ground_m2: float | None = None, before: Sequence[str] = ()) -> Snapshot:
    """What a camera's picture shows; `before` are the marks of its last picture, `ground_m2` the area that it shows.

    People are counted where `chengnao models pull pedestrian-ssdlite` has fetched the model.
    """
    quality, marks = quality_of(picture), marks_of(picture)
    faults = quality.faults
    if before and sum(one == other for one, other in zip(marks, before, strict=False)) >= _SAME * len(marks):
        faults = (*faults, Fault.FROZEN)
    try:
        persons = len(find_persons(picture, home))
    except Unavailable:
        return Snapshot(quality, None, None, faults, marks)
    return Snapshot(quality, persons, density_of(persons, ground_m2), faults, marks)


def density_of(persons: int, ground_m2: float | None = None) -> Density:
    """The level of so many people in one picture, or on so many square metres; these bounds are of crowd safety."""
    if persons == 0:
        return Density.NOBODY
    each, bounds = (persons, _PER_PICTURE) if ground_m2 is None else (persons / ground_m2, _PER_SQUARE_METRE)
    return list(Density)[sum(each >= bound for bound in bounds)]


def quality_of(picture: Pixels) -> Quality:
    """Size, light and sharpness of a picture."""
    height, width = picture.shape[:2]
    across = min(_WIDTH, width)
    small = resized(picture, max(3, across), max(3, round(height * across / width)))
    grey = small.astype(np.float32) @ np.array((0.299, 0.587, 0.114), dtype=np.float32)
    contrast = float(grey.std())
    sharpness = float(_curve(grey).var()) * (50 / max(contrast, 1.0)) ** 2
    return Quality(width, height, round(float(grey.mean()), 1), round(contrast, 1), round(sharpness, 1))


def _curve(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    around: NDArray[np.float32] = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return around - 4 * grey[1:-1, 1:-1]


def marks_of(picture: Pixels) -> tuple[str, ...]:
    """A digest of each of 64 parts: a live camera's noise changes all of them, a clock in the picture a few."""
    parts = (part for row in np.array_split(picture, _TILES) for part in np.array_split(row, _TILES, axis=1))
    return tuple(hashlib.blake2b(part.tobytes(), digest_size=6).hexdigest() for part in parts)
