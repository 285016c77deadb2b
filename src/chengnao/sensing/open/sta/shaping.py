"""Entities as SensorThings shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from chengnao.sensing.devices.model import device_classes
from chengnao.sensing.open.sta.kinds import NAVIGATION, Kind, datastream_id, observation_id
from chengnao.sensing.open.sta.observations import Observed
from chengnao.sensing.open.sta.options import Options
from chengnao.sensing.open.sta.repository import Row, property_names

_MEASUREMENT = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
_GEOJSON = "application/geo+json"


@dataclass
class Entity:
    """One entity: where it comes from, and what is shown of it."""

    kind: Kind
    row: Row
    observed: Observed | None = None
    shown: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        if self.observed is not None:
            return observation_id(self.observed.device, self.observed.metric, self.observed.milliseconds)
        return datastream_id(self.row.id, self.row.metric) if self.kind is Kind.DATASTREAMS else self.row.id

    @property
    def path(self) -> str:
        return f"{self.kind}('{quote(self.id, safe=':-._@')}')"


def shape(entity: Entity, base: str, options: Options) -> dict[str, Any]:
    """Fill in what is shown of the entity, but for what is expanded; gives it back."""
    own = f"{base}/{entity.path}"
    whole: dict[str, Any] = {"@iot.id": entity.id, "@iot.selfLink": own} | _properties(entity)
    links = {f"{name}@iot.navigationLink": f"{own}/{name}" for name in NAVIGATION[entity.kind]}
    select = options.select
    if select is None:
        entity.shown = whole | links
    else:
        wanted = {"@iot.id" if name == "id" else name for name in select}
        entity.shown = {
            name: value for name, value in (whole | links).items() if name in wanted or _link_name(name) in wanted
        }
    for name in options.expand:
        entity.shown.pop(f"{name}@iot.navigationLink", None)
    return entity.shown


def _link_name(name: str) -> str:
    return name.removesuffix("@iot.navigationLink") if name.endswith("@iot.navigationLink") else ""


def _properties(entity: Entity) -> dict[str, Any]:
    row = entity.row
    match entity.kind:
        case Kind.THINGS:
            return {"name": row.name, "description": _class_name(row.class_code), "properties": _of_thing(row)}
        case Kind.LOCATIONS:
            return {"name": row.name, "description": row.name, "encodingType": _GEOJSON, "location": place(row)}
        case Kind.FEATURES:
            return {"name": row.name, "description": row.name, "encodingType": _GEOJSON, "feature": place(row)}
        case Kind.HISTORICAL_LOCATIONS:
            return {"time": None if row.updated_at is None else moment(row.updated_at)}
        case Kind.DATASTREAMS:
            return _of_datastream(row)
        case Kind.SENSORS:
            kind = device_classes().get(row.id)
            if kind is None:
                return {"name": row.id, "description": row.id, "encodingType": "text/plain", "metadata": ""}
            metrics = ", ".join(f"{metric.code} [{metric.unit}]" for metric in kind.metrics.values())
            shown = {"name": kind.name_zh, "description": kind.name_en, "encodingType": "text/plain"}
            return shown | {"metadata": metrics, "properties": {"interval_seconds": kind.interval_seconds}}
        case Kind.OBSERVED_PROPERTIES:
            name, english, _ = property_names().get(row.id, (row.id, row.id, ""))
            return {"name": name, "definition": f"urn:chengnao:metric:{row.id}", "description": english}
        case Kind.OBSERVATIONS:
            assert entity.observed is not None
            return _of_observation(entity.observed)


def _of_thing(row: Row) -> Mapping[str, Any]:
    names = ("class_code", "division_code", "unit_id", "protocol", "address", "interval_seconds", "life")
    return {name: getattr(row, name) for name in names}


def _of_datastream(row: Row) -> dict[str, Any]:
    kind = device_classes().get(row.class_code)
    metric = kind.metrics.get(row.metric) if kind else None
    name = metric.name_zh if metric else property_names().get(row.metric, (row.metric, "", ""))[0]
    unit = metric.unit if metric else ""
    shown: dict[str, Any] = {
        "name": f"{row.name} {name}",
        "description": f"{row.name} {name}",
        "observationType": _MEASUREMENT,
        "unitOfMeasurement": {"name": unit or None, "symbol": unit or None, "definition": f"ucum:{unit}"},
    }
    if row.place_ok:
        shown["observedArea"] = place(row)
    if metric is not None:
        shown["properties"] = {"metric": row.metric, "low": metric.low, "high": metric.high}
    return shown


def _of_observation(observed: Observed) -> dict[str, Any]:
    return {
        "phenomenonTime": moment(observed.time),
        "resultTime": moment(observed.time),
        "result": observed.value,
        "resultQuality": observed.quality,
        "parameters": {"receivedAt": moment(observed.received_at)},
    }


def place(row: Row) -> dict[str, Any]:
    """GeoJSON, WGS84."""
    return {"type": "Point", "coordinates": [row.lon, row.lat]}


def moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _class_name(code: str) -> str:
    kind = device_classes().get(code)
    return kind.name_zh if kind else code
