"""The kinds of entities of SensorThings, what each has, and what it leads to."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chengnao.kernel.errors import NotFound


class Kind(StrEnum):
    """By the name of their sets."""

    THINGS = "Things"
    LOCATIONS = "Locations"
    HISTORICAL_LOCATIONS = "HistoricalLocations"
    DATASTREAMS = "Datastreams"
    SENSORS = "Sensors"
    OBSERVED_PROPERTIES = "ObservedProperties"
    OBSERVATIONS = "Observations"
    FEATURES = "FeaturesOfInterest"


@dataclass(frozen=True)
class Way:
    """Where a navigation property leads, and whether to many."""

    kind: Kind
    many: bool


NAVIGATION: Mapping[Kind, Mapping[str, Way]] = {
    Kind.THINGS: {
        "Locations": Way(Kind.LOCATIONS, True),
        "HistoricalLocations": Way(Kind.HISTORICAL_LOCATIONS, True),
        "Datastreams": Way(Kind.DATASTREAMS, True),
    },
    Kind.LOCATIONS: {
        "Things": Way(Kind.THINGS, True),
        "HistoricalLocations": Way(Kind.HISTORICAL_LOCATIONS, True),
    },
    Kind.HISTORICAL_LOCATIONS: {
        "Thing": Way(Kind.THINGS, False),
        "Locations": Way(Kind.LOCATIONS, True),
    },
    Kind.DATASTREAMS: {
        "Thing": Way(Kind.THINGS, False),
        "Sensor": Way(Kind.SENSORS, False),
        "ObservedProperty": Way(Kind.OBSERVED_PROPERTIES, False),
        "Observations": Way(Kind.OBSERVATIONS, True),
    },
    Kind.SENSORS: {"Datastreams": Way(Kind.DATASTREAMS, True)},
    Kind.OBSERVED_PROPERTIES: {"Datastreams": Way(Kind.DATASTREAMS, True)},
    Kind.OBSERVATIONS: {
        "Datastream": Way(Kind.DATASTREAMS, False),
        "FeatureOfInterest": Way(Kind.FEATURES, False),
    },
    Kind.FEATURES: {"Observations": Way(Kind.OBSERVATIONS, True)},
}

OF_A_DEVICE = frozenset({Kind.THINGS, Kind.LOCATIONS, Kind.HISTORICAL_LOCATIONS, Kind.FEATURES, Kind.DATASTREAMS})
"""Kinds that are a row of the registry, seen from one side or another; the place needs a sound coordinate."""

PLACED = frozenset({Kind.LOCATIONS, Kind.HISTORICAL_LOCATIONS, Kind.FEATURES})

PROPERTIES: Mapping[Kind, frozenset[str]] = {
    Kind.THINGS: frozenset({"name", "description", "properties"}),
    Kind.LOCATIONS: frozenset({"name", "description", "encodingType", "location"}),
    Kind.HISTORICAL_LOCATIONS: frozenset({"time"}),
    Kind.DATASTREAMS: frozenset({"name", "description", "observationType", "unitOfMeasurement", "observedArea"}),
    Kind.SENSORS: frozenset({"name", "description", "encodingType", "metadata"}),
    Kind.OBSERVED_PROPERTIES: frozenset({"name", "definition", "description"}),
    Kind.OBSERVATIONS: frozenset({"phenomenonTime", "resultTime", "result", "resultQuality", "parameters"}),
    Kind.FEATURES: frozenset({"name", "description", "encodingType", "feature"}),
}


def kind_of(name: str) -> Kind:
    """The kind with this set name; raises NotFound."""
    try:
        return Kind(name)
    except ValueError:
        raise NotFound("sta_path", part=name[:60], known=", ".join(Kind)) from None


def datastream_id(device_id: str, metric: str) -> str:
    """`DEVICE.METRIC`: a device's id has no dot in it."""
    return f"{device_id}.{metric}"


def observation_id(device_id: str, metric: str, milliseconds: int) -> str:
    return f"{device_id}.{metric}@{milliseconds}"
