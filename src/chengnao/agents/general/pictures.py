"""What can be said of a picture without knowing anybody on it: how sharp, how bright, how large. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from chengnao.models.embedded.pictures import Pixels

_SIDE = 640
_DARK, _BRIGHT = 40.0, 225.0
_FLAT = 8.0
_BLURRED = 60.0
CROWD = ((25, "拥挤"), (10, "较密"), (1, "稀疏"), (0, "无人"))
"""From so many persons in one picture on; a picture knows nothing of square metres."""


@dataclass(frozen=True)
class Quality:
    """`usable` false: what is seen on it must not be relied on."""

    width: int
    height: int
    brightness: float
    """Mean grey, 0 to 255."""
    contrast: float
    """Standard deviation of grey."""
    sharpness: float
    """Variance of the Laplacian at 640 pixels; below 60 edges are blurred."""
    problems: tuple[str, ...]

    @property
    def usable(self) -> bool:
        return not self.problems


def quality_of(pixels: Pixels) -> Quality:
    """Size, light and sharpness, and in words what is wrong with them."""
    small = Image.fromarray(pixels).convert("L")
    small.thumbnail((_SIDE, _SIDE))
    grey: Any = np.asarray(small, dtype=np.float64)
    sharpness = _laplacian(grey)
    return judged(pixels.shape[1], pixels.shape[0], float(grey.mean()), float(grey.std()), sharpness)


def judged(width: int, height: int, brightness: float, contrast: float, sharpness: float) -> Quality:
    """The quality that these measures mean."""
    found = []
    if contrast < _FLAT:
        found.append("画面近乎单色，可能被遮挡或失去信号")
    elif brightness < _DARK:
        found.append("画面过暗")
    elif brightness > _BRIGHT:
        found.append("画面过亮")
    if contrast >= _FLAT and sharpness < _BLURRED:
        found.append("画面模糊")
    if min(width, height) < 240:
        found.append("分辨率过低")
    return Quality(width, height, round(brightness, 1), round(contrast, 1), round(sharpness, 1), tuple(found))


def density(persons: int) -> str:
    """How crowded a picture with so many persons is called."""
    return next(name for least, name in CROWD if persons >= least)


def _laplacian(grey: Any) -> float:
    if min(grey.shape) < 3:
        return 0.0
    inner = -4 * grey[1:-1, 1:-1] + grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(inner.var())
