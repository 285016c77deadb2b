"""JT/T 808: from a position to readings, by point."""

from collections.abc import Mapping
from typing import Any

from chengnao.kernel.places import Gcj02Place, Place
from chengnao.sensing.protocols.jt808_location import Location
from chengnao.sensing.protocols.shape import Value

PERSONAL = frozenset({"lon", "lat", "altitude", "direction"})
"""Points that say where the vehicle is; a class of devices has to map them, or they are not kept."""

_EXTRAS = {
    "mileage": (0x01, 4, 0.1),
    "fuel": (0x02, 2, 0.1),
    "recorder_speed": (0x03, 2, 0.1),
    "signal": (0x30, 1, 1.0),
    "satellites": (0x31, 1, 1.0),
}


def values_of(location: Location, settings: Mapping[str, Any]) -> list[Value]:
    """The values of a position by point: degrees WGS84, metres, km/h, km, litres; those of the receiver with a fix."""
    values = [Value("alarm", location.alarm), Value("ignition", float(location.ignition))]
    if location.fixed:
        place = _place(location, str(settings.get("datum", "wgs84")))
        if place is not None:
            values += [Value("lon", round(place.lon, 6)), Value("lat", round(place.lat, 6))]
        values += [Value("altitude", location.altitude_m), Value("speed", location.speed_kmh)]
        values.append(Value("direction", location.direction))
    for point, (number, length, scale) in _EXTRAS.items():
        found = location.number_of(number, length)
        if found is not None:
            values.append(Value(point, round(found * scale, 1)))
    cargo = location.number_of(0x06, 2)
    if cargo is not None:
        values.append(Value("cargo_temperature", cargo - 0x10000 if cargo >= 0x8000 else cargo))
    return values


def _place(location: Location, datum: str) -> Place | None:
    """None where the degrees are no place on earth, or the datum is none that is known."""
    if Place.sound(location.longitude, location.latitude) is None:
        return None
    if datum == "gcj02":
        return Gcj02Place(location.longitude, location.latitude).to_wgs84()
    return Place(location.longitude, location.latitude) if datum == "wgs84" else None
