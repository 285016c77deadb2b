"""Devices as features."""

from typing import Any

from sqlalchemy import text

from chengnao.kernel.access.model import Scope
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.repository import Repository
from chengnao.sensing.devices.model import device_classes
from chengnao.sensing.open.features.model import Feature, Features, Question

_COLUMNS = (
    "d.id, d.name, d.class_code, d.division_code, d.unit_id, d.protocol, d.life, d.interval_seconds, d.lon, d.lat,"
    " d.place_ok, d.updated_at"
)
QUERYABLES = ("class_code", "division_code", "protocol", "life")
_LONGEST_MS = 20_000


class FeatureRepository(Repository):
    async def devices(self, scope: Scope, question: Question) -> Features:
        parameters: dict[str, Any] = {}
        conditions = _inside(scope, parameters)
        if question.boxes:
            boxes = []
            for number, box in enumerate(question.boxes):
                names = [f"{side}{number}" for side in ("west", "south", "east", "north")]
                parameters |= dict(zip(names, box, strict=True))
                west, south, east, north = names
                boxes.append(f"d.lon BETWEEN :{west} AND :{east} AND d.lat BETWEEN :{south} AND :{north}")
            conditions.append(f"d.place_ok AND ({' OR '.join(boxes)})")
        for name, value, sign in (("since", question.since, ">="), ("until", question.until, "<=")):
            if value is not None:
                parameters[name] = value
                conditions.append(f"d.updated_at {sign} CAST(:{name} AS timestamptz)")
        for name, wanted in question.equals.items():
            parameters[f"equal_{name}"] = wanted
            conditions.append(f"d.{name} = :equal_{name}")
        where = " AND ".join(conditions) or "true"
        await self.session.execute(text(f"SET LOCAL statement_timeout = {_LONGEST_MS}"))
        count = text(f"SELECT count(*) FROM devices d WHERE {where}")  # noqa: S608 - values are bound
        matched = await self.session.scalar(count, parameters)
        page = text(f"SELECT {_COLUMNS} FROM devices d WHERE {where} ORDER BY d.id LIMIT :limit OFFSET :offset")  # noqa: S608
        parameters |= {"limit": question.limit, "offset": question.offset}
        rows = await self.session.execute(page, parameters)
        return Features([_feature(row) for row in rows], int(matched or 0))

    async def device(self, scope: Scope, device_id: str) -> Feature | None:
        parameters: dict[str, Any] = {"id": device_id}
        where = " AND ".join(["d.id = :id", *_inside(scope, parameters)])
        one = text(f"SELECT {_COLUMNS} FROM devices d WHERE {where}")  # noqa: S608 - values are bound
        row = (await self.session.execute(one, parameters)).one_or_none()
        return None if row is None else _feature(row)


def _inside(scope: Scope, parameters: dict[str, Any]) -> list[str]:
    """The second wall, as `Scope.where` draws it."""
    found = []
    if scope.division_code != CITY:
        parameters["scope_division"] = scope.division_code
        found.append("starts_with(d.division_code, :scope_division)")
    if scope.unit_id is not None:
        parameters["scope_unit"] = scope.unit_id
        found.append("d.unit_id = :scope_unit")
    return found


def _feature(row: Any) -> Feature:
    kind = device_classes().get(row.class_code)
    properties = {
        "name": row.name,
        "class_code": row.class_code,
        "class_name": kind.name_zh if kind else row.class_code,
        "division_code": row.division_code,
        "unit_id": row.unit_id,
        "protocol": row.protocol,
        "life": row.life,
        "interval_seconds": row.interval_seconds,
        "updated_at": row.updated_at.isoformat(),
    }
    return Feature(row.id, row.lon if row.place_ok else None, row.lat if row.place_ok else None, properties)
