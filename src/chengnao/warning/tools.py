"""Tools about warnings and the readings around them."""

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from chengnao.agents.model import Effect
from chengnao.agents.tools import Call, Tool, offer
from chengnao.kernel.clock import city_text
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.settings import load_secrets
from chengnao.sensing.readings.store import ReadingsStore
from chengnao.warning.explaining import Course, Point, course_of, in_words
from chengnao.warning.model import DeviceWarning
from chengnao.warning.repository import WarningRepository
from chengnao.warning.service import require_warning

WarningId = Annotated[str, Field(min_length=1, max_length=64, description="预警的编号")]
_POINTS = 240


class WarningShort(BaseModel):
    id: str
    title: str
    level: int
    state: str
    device: str
    division: str
    value: float
    threshold: float
    unit: str
    opened_at: str

    @classmethod
    def of(cls, warning: DeviceWarning, division: str) -> Self:
        return cls(
            id=warning.id,
            title=warning.title,
            level=int(warning.level),
            state="未解除" if warning.state == "open" else "已解除",
            device=warning.device_name,
            division=division,
            value=warning.value,
            threshold=warning.threshold,
            unit=warning.unit,
            opened_at=city_text(warning.opened_at),
        )


class ReadIn(BaseModel):
    warning_id: WarningId


class ChangeOut(BaseModel):
    at: str
    level: int
    value: float | None


class ReadOut(WarningShort):
    metric: str
    direction: str
    category: str
    incident_id: str | None
    rule_source: str
    changes: list[ChangeOut]


async def _read(call: Call, given: ReadIn) -> ReadOut:
    warning = await require_warning(call.uow, call.scope, given.warning_id)
    repository = WarningRepository(call.uow.session)
    rule = await repository.rule(call.scope, warning.rule_id)
    changes = await repository.changes(warning.id)
    names = await OrganisationRepository(call.uow.session).division_names()
    return ReadOut(
        **WarningShort.of(warning, names.get(warning.division_code, "")).model_dump(),
        metric=warning.metric,
        direction=warning.direction.zh,
        category=warning.category,
        incident_id=warning.incident_id,
        rule_source=rule.source if rule else "",
        changes=[ChangeOut(at=city_text(each.at), level=each.level, value=each.value) for each in changes[-8:]],
    )


class SeriesIn(BaseModel):
    warning_id: WarningId
    hours: Annotated[float, Field(gt=0, le=168, description="预警前后各看多少小时")] = 6.0


class SeriesOut(BaseModel):
    """`points` are thinned; `summary` says in words what they come to. `available` false: the store is away."""

    available: bool
    trend: str
    summary: str
    beyond_since: str
    lowest: float | None
    highest: float | None
    points: list[tuple[str, float]]


async def course_around(call: Call, warning: DeviceWarning, hours: float) -> tuple[Course, list[Point]]:
    """The readings of the warning's device and metric around it; raises Unavailable where the store is away."""
    begin = warning.opened_at - timedelta(hours=hours)
    until = min(call.uow.clock.now(), (warning.cleared_at or call.uow.clock.now()) + timedelta(hours=hours))
    store = ReadingsStore.create(call.settings, load_secrets(call.home))
    try:
        table = await store.series(warning.device_id, warning.metric, begin, until, _POINTS)
    finally:
        await store.close()
    points = [(row["time"], row["value"]) for row in table.to_pylist() if row["value"] is not None]
    return course_of(points, warning.threshold, warning.direction), points


async def _series(call: Call, given: SeriesIn) -> SeriesOut:
    warning = await require_warning(call.uow, call.scope, given.warning_id)
    try:
        course, points = await course_around(call, warning, given.hours)
    except Unavailable:
        course, points, available = Course(0), [], False
    else:
        available = True
    now = call.uow.clock.now() if course.last is None else course.last[0]
    return SeriesOut(
        available=available,
        trend=course.trend,
        summary=in_words(course, warning.threshold, warning.direction, warning.unit, now),
        beyond_since=_when(course.beyond_since),
        lowest=course.lowest,
        highest=course.highest,
        points=[(city_text(at), round(value, 4)) for at, value in points[-12:]],
    )


def _when(moment: datetime | None) -> str:
    return "" if moment is None else city_text(moment)


class ListIn(BaseModel):
    words: Annotated[str, Field(max_length=60)] = ""
    state: Literal["open", "cleared", "any"] = "open"
    level: Annotated[int | None, Field(ge=1, le=4)] = None
    limit: Annotated[int, Field(ge=1, le=20)] = 5


class ListOut(BaseModel):
    total: int
    warnings: list[WarningShort]


async def _list(call: Call, given: ListIn) -> ListOut:
    found = await WarningRepository(call.uow.session).warnings(
        call.scope,
        PageRequest(1, given.limit),
        state=None if given.state == "any" else given.state,
        level=given.level,
        words=given.words.strip(),
    )
    names = await OrganisationRepository(call.uow.session).division_names()
    items = [WarningShort.of(each, names.get(each.division_code, "")) for each in found.items]
    return ListOut(total=found.total, warnings=items)


READ, VIEW = Effect.READ, "warning.read"

offer(
    Tool("warning.read", "读取预警", "读取一条预警：指标、阈值、等级变化", READ, VIEW, ReadIn, ReadOut, _read),
    Tool(
        "warning.series",
        "预警读数",
        "读取预警前后的读数，给出走势和持续时间",
        READ,
        "reading.read",
        SeriesIn,
        SeriesOut,
        _series,
    ),
    Tool("warning.list", "查找预警", "按名称、等级和状态列出预警", READ, VIEW, ListIn, ListOut, _list),
)
