"""Decoded objects (JSON) into values, whatever a maker called them."""

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from chengnao.sensing.protocols.shape import Value

_MAX_DEPTH = 8
_POSITIONS = frozenset({"lat", "latitude", "lon", "lng", "long", "longitude", "gps", "location", "position"})


def numbers_of(node: Any, name: str = "", depth: int = 0) -> Iterator[Value]:
    """All finite numbers in the object, under their names joined by dots; truth values as 1 and 0."""
    if isinstance(node, bool | int | float):
        if name and _finite(node):
            yield Value(name, float(node))
    elif depth < _MAX_DEPTH:
        pairs = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list) else ()
        for key, each in pairs:
            yield from numbers_of(each, f"{name}.{key}" if name else str(key), depth + 1)


def personal_points(values: Iterable[Value]) -> frozenset[str]:
    """The points that may be a trajectory, by their names: to be kept only where the device or its class maps them."""
    return frozenset(value.point for value in values if is_position(value.point))


def is_position(point: str) -> bool:
    """Whether the name says that this is a part of a place."""
    return any(part in _POSITIONS for part in point.lower().replace("/", ".").replace("_", ".").split("."))


def _finite(value: float) -> bool:
    try:
        return isfinite(value)
    except OverflowError:
        return False
