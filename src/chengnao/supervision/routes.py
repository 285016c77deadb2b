"""The situation over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from chengnao.incident.tally_repository import TallyRepository
from chengnao.kernel.access.model import Principal
from chengnao.kernel.web import ScopeDep, UowDep, require
from chengnao.sensing.devices.list_repository import DeviceLists
from chengnao.supervision import service
from chengnao.warning.repository import WarningRepository

router = APIRouter(tags=["supervision"])

MAP_LIMIT = 2_000
"""Points of each kind on the map: the gravest and newest; lists show the rest."""


class SituationCounts(BaseModel):
    open_incidents: int
    open_warnings: dict[int, int]
    overdue: int
    devices_online: int
    devices_total: int
    today_opened: int
    today_closed: int


class DistrictSituation(BaseModel):
    """`worst_level`: the gravest level of an open warning or grade of an open incident."""

    code: str
    incidents: int
    warnings: int
    worst_level: int | None


class Situation(BaseModel):
    at: datetime
    counts: SituationCounts
    districts: list[DistrictSituation]


SituationReader = Annotated[Principal, Depends(require("situation.read"))]


@router.get("/situation")
async def get_situation(principal: SituationReader, scope: ScopeDep, uow: UowDep) -> Situation:
    """The state of the own divisions at this moment."""
    now = uow.clock.now()
    standing = await TallyRepository(uow.session).standing(scope, service.midnight(now), now)
    by_level = await WarningRepository(uow.session).open_by_level(scope)
    devices = DeviceLists(uow.session)
    incidents = await TallyRepository(uow.session).open_by_district(scope)
    warnings = await WarningRepository(uow.session).open_by_district(scope)
    return Situation(
        at=now,
        counts=SituationCounts(
            open_incidents=standing.open,
            open_warnings={level: by_level.get(level, 0) for level in range(1, 5)},
            overdue=standing.overdue,
            devices_online=await devices.online(scope),
            devices_total=await devices.count(scope),
            today_opened=standing.today_opened,
            today_closed=standing.today_closed,
        ),
        districts=[
            DistrictSituation(
                code=code,
                incidents=incidents.get(code, (0, 0))[0],
                warnings=warnings.get(code, (0, 0))[0],
                worst_level=min(found[code][1] for found in (incidents, warnings) if code in found),
            )
            for code in sorted(incidents.keys() | warnings.keys())
        ],
    )


class Point(BaseModel):
    type: Literal["Point"] = "Point"
    coordinates: tuple[float, float]


class MapProperties(BaseModel):
    """`level` is the level of a warning or the grade of an incident."""

    id: str
    kind: Literal["warning", "incident"]
    level: int
    title: str
    state: str
    at: datetime


class MapFeature(BaseModel):
    type: Literal["Feature"] = "Feature"
    geometry: Point
    properties: MapProperties


class MapFeatures(BaseModel):
    type: Literal["FeatureCollection"] = "FeatureCollection"
    features: list[MapFeature]


@router.get("/situation/map")
async def get_situation_map(principal: SituationReader, scope: ScopeDep, uow: UowDep) -> MapFeatures:
    """Open warnings and incidents that have a place, as GeoJSON; the gravest 2,000 of each kind."""
    features = []
    for incident in await TallyRepository(uow.session).open_on_map(scope, MAP_LIMIT):
        assert incident.lon is not None
        assert incident.lat is not None
        properties = MapProperties(
            id=incident.id,
            kind="incident",
            level=incident.grade,
            title=incident.title,
            state=incident.state.value,
            at=incident.opened_at,
        )
        features.append(MapFeature(geometry=Point(coordinates=(incident.lon, incident.lat)), properties=properties))
    for warning in await WarningRepository(uow.session).open_on_map(scope, MAP_LIMIT):
        assert warning.lon is not None
        assert warning.lat is not None
        properties = MapProperties(
            id=warning.id,
            kind="warning",
            level=int(warning.level),
            title=warning.title,
            state=warning.state.value,
            at=warning.opened_at,
        )
        features.append(MapFeature(geometry=Point(coordinates=(warning.lon, warning.lat)), properties=properties))
    return MapFeatures(features=features)
