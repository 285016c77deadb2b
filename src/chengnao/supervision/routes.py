"""Evaluation and situation over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, Field

from chengnao.incident.model import total_of
from chengnao.incident.tally_repository import TallyRepository
from chengnao.kernel.access.model import Principal
from chengnao.kernel.errors import Invalid
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.web import ScopeDep, UowDep, require
from chengnao.sensing.devices.model import Status
from chengnao.sensing.devices.repository import DeviceFilter, DeviceRepository
from chengnao.sensing.readings.seen import LastSeenDep
from chengnao.supervision import service
from chengnao.supervision.model import evaluate, indicators
from chengnao.warning.repository import WarningRepository

router = APIRouter(tags=["supervision"])

MAP_LIMIT = 2_000
"""Points of each kind on the map: the gravest and newest; lists show the rest."""


class EvaluationRow(BaseModel):
    """Counts and rates of one group; a rate over nothing is null."""

    key: str
    name: str
    opened: int
    dispatched: int
    accept_due: int
    accepted_on_time: int
    accept_rate: float | None
    handle_due: int
    handled_on_time: int
    handle_rate: float | None
    closable: int
    closed: int
    close_rate: float | None
    returned: int
    return_rate: float | None
    reworked: int
    rework_rate: float | None
    overdue_open: int


class Definition(BaseModel):
    key: str
    name: str
    name_en: str
    numerator: str
    numerator_en: str
    denominator: str | None
    denominator_en: str | None


class Evaluation(BaseModel):
    since: Annotated[datetime, Field(serialization_alias="from")]
    to: datetime
    rows: list[EvaluationRow]
    total: EvaluationRow
    definitions: list[Definition]


@router.get("/evaluation")
async def get_evaluation(
    principal: Annotated[Principal, Depends(require("evaluation.read"))],
    scope: ScopeDep,
    uow: UowDep,
    by: Literal["unit", "tier", "division"] = "unit",
    since: Annotated[AwareDatetime | None, Query(alias="from")] = None,
    to: AwareDatetime | None = None,
) -> Evaluation:
    """The indicators of a period, by default the last 30 days, with their definitions."""
    until = to or uow.clock.now()
    try:
        begin = since or until - timedelta(days=30)
    except OverflowError:
        begin = until
    if begin > until:
        raise Invalid(
            "invalid_value",
            field="from",
            value=begin.isoformat(),
            reason_zh="开始时间晚于结束时间",
            reason_en="it is after `to`",
        )
    groups = await service.evaluate_period(uow, scope, by, begin, until)
    return Evaluation(
        since=begin,
        to=until,
        rows=[EvaluationRow(key=each.key, name=each.name, **_values(each.tally)) for each in groups],
        total=EvaluationRow(key="total", name="合计", **_values(total_of(each.tally for each in groups))),
        definitions=_definitions(),
    )


def _values(tally: Any) -> dict[str, Any]:
    return dict(evaluate(tally))


def _definitions() -> list[Definition]:
    known = indicators()
    counts = [
        Definition(
            key=count.key,
            name=count.name,
            name_en=count.name_en,
            numerator=count.text,
            numerator_en=count.text_en,
            denominator=None,
            denominator_en=None,
        )
        for count in known.counts
    ]
    rates = [
        Definition(
            key=rate.key,
            name=rate.name,
            name_en=rate.name_en,
            numerator=rate.numerator.text,
            numerator_en=rate.numerator.text_en,
            denominator=rate.denominator.text,
            denominator_en=rate.denominator.text_en,
        )
        for rate in known.rates
    ]
    return counts + rates


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
async def get_situation(principal: SituationReader, scope: ScopeDep, uow: UowDep, seen: LastSeenDep) -> Situation:
    """The state of the own divisions at this moment."""
    now = uow.clock.now()
    standing = await TallyRepository(uow.session).standing(scope, service.midnight(now), now)
    by_level = await WarningRepository(uow.session).open_by_level(scope)
    devices, one = DeviceRepository(uow.session), PageRequest(1, 1)
    total = await devices.devices(scope, DeviceFilter(), one, {}, now)
    online = await devices.devices(scope, DeviceFilter(status=Status.ONLINE), one, await seen.all(), now)
    incidents = await TallyRepository(uow.session).open_by_district(scope)
    warnings = await WarningRepository(uow.session).open_by_district(scope)
    return Situation(
        at=now,
        counts=SituationCounts(
            open_incidents=standing.open,
            open_warnings={level: by_level.get(level, 0) for level in range(1, 5)},
            overdue=standing.overdue,
            devices_online=online.total,
            devices_total=total.total,
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
