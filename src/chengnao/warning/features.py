"""Warnings as a collection of OGC API Features."""

from dataclasses import replace

from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid
from chengnao.sensing.open.features.collection import Collection
from chengnao.sensing.open.features.model import Feature, Features, Question
from chengnao.warning.model import DeviceWarning
from chengnao.warning.repository import WarningRepository


async def _ask(uow: UnitOfWork, scope: Scope, question: Question) -> Features:
    level = question.equals.get("level")
    if level is not None and level not in {"1", "2", "3", "4"}:
        raise Invalid("invalid_value", field="level", value=level[:20], reason_zh="应为 1 至 4", reason_en="1 to 4")
    equals = {name: value for name, value in question.equals.items() if name != "level"}
    found, matched = await WarningRepository(uow.session).as_features(
        scope, replace(question, equals=equals), None if level is None else int(level)
    )
    return Features([_feature(each) for each in found], matched)


async def _one(uow: UnitOfWork, scope: Scope, warning_id: str) -> Feature | None:
    found = await WarningRepository(uow.session).warning(scope, warning_id)
    return None if found is None else _feature(found)


def _feature(warning: DeviceWarning) -> Feature:
    properties = {
        "title": warning.title,
        "level": int(warning.level),
        "peak_level": int(warning.peak_level),
        "state": str(warning.state),
        "category": warning.category,
        "metric": warning.metric,
        "value": warning.value,
        "threshold": warning.threshold,
        "unit": warning.unit,
        "device_id": warning.device_id,
        "device_name": warning.device_name,
        "division_code": warning.division_code,
        "incident_id": warning.incident_id,
        "opened_at": warning.opened_at.isoformat(),
        "cleared_at": None if warning.cleared_at is None else warning.cleared_at.isoformat(),
    }
    return Feature(warning.id, warning.lon, warning.lat, properties)


WARNINGS = Collection(
    "warnings",
    "预警 / warnings",
    "设备预警，1 级最重；datetime 指预警存续的时段。Warnings of devices, 1 the gravest; datetime is while they stand.",
    "warning.read",
    ("state", "level", "category", "division_code", "device_id"),
    _ask,
    _one,
)
