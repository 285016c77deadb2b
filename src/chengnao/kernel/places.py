"""Places on the ground, with the coordinate reference system in the type.

Inside the platform there is only `Place`: WGS84, which equals CGCS2000 for our purposes. Map services in China
speak GCJ-02 and BD-09; such a coordinate is a different type and is converted where it enters.
"""

from dataclasses import dataclass
from math import atan2, cos, hypot, isfinite, pi, radians, sin, sqrt

from chengnao.kernel.errors import Invalid

_EARTH_RADIUS_M = 6_371_008.8  # mean radius, IUGG


def _check(lon: float, lat: float) -> None:
    for field, value, bound in (("lon", lon, 180.0), ("lat", lat, 90.0)):
        if not isfinite(value) or abs(value) > bound:
            raise Invalid("place_invalid", field=field, value=value)


@dataclass(frozen=True)
class Place:
    """A WGS84 point, decimal degrees; raises Invalid where it is not on the globe."""

    lon: float
    lat: float

    def __post_init__(self) -> None:
        _check(self.lon, self.lat)

    @classmethod
    def given(cls, lon: float | None, lat: float | None) -> "Place | None":
        """The point of two coordinates; None where one is missing, Invalid where they are no point on earth."""
        return None if lon is None or lat is None else cls(lon, lat)

    @classmethod
    def sound(cls, lon: float | None, lat: float | None) -> "Place | None":
        """The same, but None too where they are no point on earth."""
        try:
            return cls.given(lon, lat)
        except Invalid:
            return None

    def distance_m(self, other: "Place") -> float:
        """Great-circle distance in metres (haversine)."""
        dlat, dlon = radians(other.lat - self.lat), radians(other.lon - self.lon)
        chord = sin(dlat / 2) ** 2 + cos(radians(self.lat)) * cos(radians(other.lat)) * sin(dlon / 2) ** 2
        return 2 * _EARTH_RADIUS_M * atan2(sqrt(chord), sqrt(max(0.0, 1 - chord)))


@dataclass(frozen=True)
class Gcj02Place:
    """A point as Amap, Tencent and most phones in China give it."""

    lon: float
    lat: float

    def __post_init__(self) -> None:
        _check(self.lon, self.lat)

    def to_wgs84(self) -> Place:
        """The true point; the shift is inverted by iteration, which agrees with itself to about 1 cm."""
        lon, lat = self.lon, self.lat
        for _ in range(8):
            shift_lon, shift_lat = _gcj02_shift(lon, lat)
            lon, lat = self.lon - shift_lon, self.lat - shift_lat
        return Place(lon, lat)

    @staticmethod
    def from_wgs84(place: Place) -> "Gcj02Place":
        shift_lon, shift_lat = _gcj02_shift(place.lon, place.lat)
        return Gcj02Place(place.lon + shift_lon, place.lat + shift_lat)


@dataclass(frozen=True)
class Bd09Place:
    """A point as Baidu gives it: GCJ-02 shifted once more."""

    lon: float
    lat: float

    def __post_init__(self) -> None:
        _check(self.lon, self.lat)

    def to_wgs84(self) -> Place:
        x, y = self.lon - 0.0065, self.lat - 0.006
        length = hypot(x, y) - 0.00002 * sin(y * pi * 3000 / 180)
        angle = atan2(y, x) - 0.000003 * cos(x * pi * 3000 / 180)
        return Gcj02Place(length * cos(angle), length * sin(angle)).to_wgs84()


def _gcj02_shift(lon: float, lat: float) -> tuple[float, float]:
    """Degrees that GCJ-02 adds to a WGS84 point, after the widely published reverse-engineered formula.

    It uses the Krassovsky 1940 ellipsoid (a = 6378245 m, e2 = 0.00669342162296594323) and adds nothing outside
    the bounding box of the mainland.
    """
    if not (72.004 <= lon <= 137.8347 and 0.8293 <= lat <= 55.8271):
        return 0.0, 0.0
    x, y = lon - 105.0, lat - 35.0
    waves = 20 * sin(6 * x * pi) + 20 * sin(2 * x * pi)
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(abs(x))
    east += (waves + 20 * sin(x * pi) + 40 * sin(x / 3 * pi) + 150 * sin(x / 12 * pi) + 300 * sin(x / 30 * pi)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(abs(x))
    north += (waves + 20 * sin(y * pi) + 40 * sin(y / 3 * pi) + 160 * sin(y / 12 * pi) + 320 * sin(y / 30 * pi)) * 2 / 3
    e2, axis = 0.00669342162296594323, 6_378_245.0
    curvature = 1 - e2 * sin(radians(lat)) ** 2
    shift_lat = north * 180 / (axis * (1 - e2) / (curvature * sqrt(curvature)) * pi)
    shift_lon = east * 180 / (axis / sqrt(curvature) * cos(radians(lat)) * pi)
    return shift_lon, shift_lat
