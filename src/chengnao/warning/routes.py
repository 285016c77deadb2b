"""Warnings and threshold rules over HTTP."""

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from chengnao.kernel.access.model import Principal
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.organisation.service import require_unit, today
from chengnao.kernel.vocabulary import Level
from chengnao.kernel.web import Id, PageDep, PageOf, ScopeDep, UowDep, check, require
from chengnao.sensing.devices.model import Device, device_class
from chengnao.sensing.devices.service import require_device
from chengnao.sensing.readings.routes import ThresholdLine
from chengnao.warning import service
from chengnao.warning.model import DeviceWarning, Direction, ThresholdRule, WarningState
from chengnao.warning.repository import WarningRepository

router = APIRouter(tags=["warning"])

Words = Annotated[str, Query(max_length=100)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
LevelKey = Literal["1", "2", "3", "4"]


class ThresholdIn(BaseModel):
    """Exactly one of `device_class` and `device_id`; `levels` maps a level, 1 to 4, to its value."""

    device_class: Id | None = None
    device_id: Id | None = None
    metric: Id
    direction: Direction
    levels: dict[LevelKey, Finite]
    duration_seconds: Annotated[float, Field(ge=0, le=30 * 86_400)] = 0.0
    hysteresis: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    category: Id
    opens_incident_at: Annotated[int, Field(ge=1, le=4)] = 3
    enabled: bool = True
    source: Annotated[str, Field(max_length=500)] = ""
    unit_id: Id | None = None


class ThresholdOut(ThresholdIn):
    id: str
    revision: int
    division_code: str

    @classmethod
    def of(cls, rule: ThresholdRule) -> Self:
        values = {name: getattr(rule, name) for name in cls.model_fields}
        levels = {str(int(level)): value for level, value in sorted(rule.levels.items())}
        return cls.model_validate(values | {"levels": levels})


class WarningOut(BaseModel):
    id: str
    title: str
    category: str
    level: int
    peak_level: int
    state: WarningState
    device_id: str
    device_name: str
    metric: str
    value: float
    unit: str
    threshold: float
    direction: Direction
    opened_at: datetime
    updated_at: datetime
    cleared_at: datetime | None
    division_code: str
    division_name: str
    unit_id: str | None
    lon: float | None
    lat: float | None
    incident_id: str | None

    @classmethod
    def of(cls, warning: DeviceWarning, division_name: str) -> Self:
        values = {name: getattr(warning, name) for name in WarningOut.model_fields if name != "division_name"}
        return cls(**values, division_name=division_name)


class WarningChangeOut(BaseModel):
    """`level` 0: cleared."""

    seq: int
    at: datetime
    level: int
    value: float | None
    reason: str


class WarningDetail(WarningOut):
    changes: list[WarningChangeOut] = []


@router.get("/warnings")
async def list_warnings(
    principal: Annotated[Principal, Depends(require("warning.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    state: WarningState | None = None,
    level: Annotated[int | None, Query(ge=1, le=4)] = None,
    division: Annotated[str | None, Query(pattern=r"^(\d{6}|\d{9})$")] = None,
    q: Words = "",
) -> PageOf[WarningOut]:
    """Warnings, the newest first; among open ones the gravest come before."""
    found = await WarningRepository(uow.session).warnings(
        scope, page, state=state, level=level, division=division, words=q
    )
    names = await OrganisationRepository(uow.session).division_names()
    items = [WarningOut.of(warning, names.get(warning.division_code, "")) for warning in found.items]
    return PageOf.of(found, items)


@router.get("/warnings/{warning_id}")
async def get_warning(
    warning_id: Id, principal: Annotated[Principal, Depends(require("warning.read"))], scope: ScopeDep, uow: UowDep
) -> WarningDetail:
    """One warning with the record of its levels."""
    warning = await service.require_warning(uow, scope, warning_id)
    division = await OrganisationRepository(uow.session).division(warning.division_code, today(uow))
    detail = WarningDetail.of(warning, division.name if division else "")
    changes = await WarningRepository(uow.session).changes(warning.id)
    detail.changes = [WarningChangeOut(**change.__dict__) for change in changes]
    return detail


@router.get("/thresholds")
async def list_thresholds(
    principal: Annotated[Principal, Depends(require("threshold.read"))],
    scope: ScopeDep,
    uow: UowDep,
    page: PageDep,
    q: Words = "",
) -> PageOf[ThresholdOut]:
    """Rules of the own devices, and those of classes, which hold for the whole city."""
    found = await WarningRepository(uow.session).rules(scope, page, words=q)
    items = [ThresholdOut.of(rule) for rule in found.items]
    return PageOf.of(found, items)


Writer = Annotated[Principal, Depends(require("threshold.write"))]


@router.post("/thresholds", status_code=201)
async def add_threshold(
    body: ThresholdIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> ThresholdOut:
    rule = await _rule(request, principal, scope, uow, body)
    added = await service.add_rule(uow, rule)
    await record_act(uow, principal, "threshold.write", threshold=added.id)
    await uow.commit()
    return ThresholdOut.of(added)


@router.put("/thresholds/{rule_id}")
async def change_threshold(
    rule_id: Id, body: ThresholdIn, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep
) -> ThresholdOut:
    old = await service.require_rule(uow, scope, rule_id)
    await check(request, principal, "threshold.write", old.division_code, old.unit_id)
    changed = await service.change_rule(uow, scope, rule_id, await _rule(request, principal, scope, uow, body))
    await record_act(uow, principal, "threshold.write", threshold=changed.id, revision=changed.revision)
    await uow.commit()
    return ThresholdOut.of(changed)


@router.delete("/thresholds/{rule_id}", status_code=204)
async def remove_threshold(rule_id: Id, request: Request, principal: Writer, scope: ScopeDep, uow: UowDep) -> None:
    """Remove a rule; a default one is switched off instead."""
    old = await service.require_rule(uow, scope, rule_id)
    await check(request, principal, "threshold.write", old.division_code, old.unit_id)
    await service.remove_rule(uow, scope, rule_id)
    await record_act(uow, principal, "threshold.write", threshold=rule_id, removed=True)
    await uow.commit()


async def threshold_lines(uow: UnitOfWork, device: Device, metric: str) -> list[ThresholdLine]:
    """The lines that a chart of the metric shows: the levels of the rules in force."""
    rules = await WarningRepository(uow.session).rules_for(device.class_code, device.id, metric)
    return [
        ThresholdLine(level=int(level), value=value, direction=rule.direction)
        for rule in rules
        for level, value in sorted(rule.levels.items())
    ]


async def _rule(
    request: Request, principal: Principal, scope: ScopeDep, uow: UowDep, body: ThresholdIn
) -> ThresholdRule:
    """The rule that the body means; one for a class belongs to the city, one for a device where the device does."""
    values = body.model_dump(exclude={"levels", "opens_incident_at"})
    division_code, class_code = CITY, body.device_class
    if body.device_id is not None:
        device = await require_device(uow, scope, body.device_id)
        division_code, class_code = device.division_code, device.class_code
        values["unit_id"] = body.unit_id or device.unit_id
    elif body.unit_id is not None:
        await require_unit(uow, body.unit_id)
    await check(request, principal, "threshold.write", division_code, values["unit_id"])
    rule = ThresholdRule(
        **values,
        id=new_id(),
        levels={Level(int(level)): value for level, value in body.levels.items()},
        opens_incident_at=Level(body.opens_incident_at),
        division_code=division_code,
    )
    if class_code is not None:
        known = device_class(class_code).metrics
        if body.metric not in known:
            raise Invalid(
                "threshold_metric_unknown",
                field="metric",
                device_class=class_code,
                metric=body.metric,
                known="、".join(known),
            )
    return rule
