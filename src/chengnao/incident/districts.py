"""Which district a place lies in, by the simplified outlines that the package carries."""

import json
from functools import cache
from importlib.resources import files
from itertools import pairwise

from chengnao.kernel.places import Place

Ring = list[tuple[float, float]]


def district_at(place: Place) -> str | None:
    """The code of the present district around the place; None outside the city.

    Near a border it may be the neighbour's. There is no outline of 两江新区: a place in either of the districts that it
    replaced counts as lying in it, also in the five towns of 渝北 that went to 北碚.
    """
    for code, (west, south, east, north), polygons in _outlines():
        inside = west <= place.lon <= east and south <= place.lat <= north
        if inside and any(_contains(rings, place.lon, place.lat) for rings in polygons):
            return code
    return None


def _contains(rings: list[Ring], lon: float, lat: float) -> bool:
    """Even-odd rule over all rings of a polygon, holes included."""
    inside = False
    for ring in rings:
        for (x1, y1), (x2, y2) in pairwise(ring):
            if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
                inside = not inside
    return inside


@cache
def _outlines() -> list[tuple[str, tuple[float, float, float, float], list[list[Ring]]]]:
    source = files("chengnao.kernel.organisation") / "data" / "outlines.geojson"
    found = []
    for feature in json.loads(source.read_text("utf-8"))["features"]:
        properties, geometry = feature["properties"], feature["geometry"]
        if properties["kind"] != "district":
            continue
        polygons = geometry["coordinates"]
        lons = [point[0] for polygon in polygons for ring in polygon for point in ring]
        lats = [point[1] for polygon in polygons for ring in polygon for point in ring]
        code = properties.get("successor_code") or properties["code"]
        found.append((code, (min(lons), min(lats), max(lons), max(lats)), polygons))
    return found
