"""Why there is a warning, in words: the rule, the readings, what is around it, and what helped in such cases before."""

from datetime import datetime, timedelta
from typing import Any

from chengnao.agents.tools import Answer, Call, Evidence
from chengnao.incident.advice import service
from chengnao.incident.advice.service import Alike
from chengnao.incident.catalogue import categories, category_name
from chengnao.kernel.errors import Unavailable
from chengnao.kernel.paging import PageRequest
from chengnao.kernel.places import Place
from chengnao.kernel.vocabulary import Level
from chengnao.warning.explaining import Course, course_of, in_words
from chengnao.warning.model import DeviceWarning, Direction, WarningState
from chengnao.warning.repository import WarningRepository
from chengnao.warning.service import require_warning
from chengnao.warning.tools import course_around

_AROUND_METRES = 5_000.0
_AROUND = 50
_HOURS = 6.0
_LIMIT = 400

_ADVICE = {
    "water_pressure": "核查泵站和上游阀门，排查爆管；必要时启用备用水源并告知用户",
    "water_quality": "停用可疑水源，复测水样，核查上游排放口",
    "wastewater": "复核在线数据，到排污口取样，通知生态环境执法",
    "river_pollution": "沿河排查排放口并取样，必要时设置拦截",
    "river_flood": "通知沿岸值守和转移责任人，关闭亲水步道，核对上游来水",
    "heavy_rain": "检查下穿道、低洼点和排水泵站，按预案布设人员",
    "waterlogging": "封闭进水路段，调派移动泵车，疏导交通",
    "air_quality": "核查周边工地和排放企业，落实扬尘管控",
    "gas_leak": "疏散人员、禁火禁电，通知燃气企业关阀检测",
    "landslide": "撤离受威胁人员，设警戒线，请地勘人员现场研判",
}
_DEFAULT_ADVICE = "先核实设备是否正常，再派人到现场查看"


async def warning_explanation(call: Call, given: dict[str, Any]) -> Answer:
    """The explanation of a warning of the platform, or of facts that are given instead."""
    if isinstance(given.get("facts"), dict):
        return _of_facts(given["facts"], call.uow.clock.now())
    warning = await require_warning(call.uow, call.scope, str(given.get("warning_id", "")))
    try:
        course, _ = await course_around(call, warning, _HOURS)
    except Unavailable:
        course = Course(0)
    near = await _around(call, warning)
    rule = await WarningRepository(call.uow.session).rule(call.scope, warning.rule_id)
    place = Place.sound(warning.lon, warning.lat)
    before = await service.alike(call.uow, call.scope, warning.title, warning.category, place, 3)
    now = warning.updated_at if course.last is None else course.last[0]
    course = course if course.last is not None else Course(1, last=(warning.updated_at, warning.value))
    parts = [
        f"{warning.device_name}触发{warning.level.zh}预警",
        in_words(course, warning.threshold, warning.direction, warning.unit, now),
    ]
    if near:
        shown = "、".join(each.device_name for each in near[:3])
        parts.append(f"5 公里内另有 {len(near)} 处同类预警：{shown}。")
    else:
        parts.append("5 公里内没有同类预警，先排除设备故障。")
    if rule is not None and rule.source:
        parts.append(f"阈值依据：{rule.source}。")
    action = _action(warning.category, before)
    return Answer(
        result={
            "answerable": True,
            "trend": course.trend,
            "explanation": "：".join(parts[:2])[:_LIMIT] + "".join(parts[2:])[:_LIMIT],
            "action": action,
            "neighbours": len(near),
        },
        evidence=[
            Evidence(kind="warning", id=warning.id, title=warning.title),
            Evidence(
                kind="rule",
                id=warning.rule_id,
                title=f"{warning.direction.zh}{warning.threshold:g} {warning.unit}",
                quote=rule.source if rule else "",
            ),
            *_readings(warning.device_id, course),
            *(
                Evidence(kind="incident", id=each.incident.id, title=each.incident.number, quote=each.result[:120])
                for each in before
                if each.result
            ),
        ],
        confidence=0.8 if course.count > 2 else 0.5,
    )


async def _around(call: Call, warning: DeviceWarning) -> list[DeviceWarning]:
    """Other open warnings of the category not far away."""
    here = Place.sound(warning.lon, warning.lat)
    if here is None:
        return []
    page = await WarningRepository(call.uow.session).warnings(
        call.scope, PageRequest(1, _AROUND), state=WarningState.OPEN.value, division=warning.division_code[:6]
    )
    found = []
    for each in page.items:
        there = Place.sound(each.lon, each.lat)
        if each.id == warning.id or each.category != warning.category or there is None:
            continue
        if here.distance_m(there) <= _AROUND_METRES:
            found.append(each)
    return found


def _action(category: str, before: list[Alike]) -> str:
    """What helped last time, where the record says so; else what is usual for the category."""
    helped = next((each for each in before if each.result), None)
    usual = _ADVICE.get(category, _DEFAULT_ADVICE)
    if helped is None:
        return f"{usual}。"
    return f"以往同类事件（{helped.incident.number}）的处置：{helped.result[:120].rstrip('。')}。可参照；并{usual}。"


def _readings(device_id: str, course: Course) -> list[Evidence]:
    if course.first is None or course.last is None:
        return []
    quote = f"{course.count} 个读数，最低 {course.lowest:.4g}，最高 {course.highest:.4g}"
    return [Evidence(kind="reading", id=device_id, title="预警前后的读数", quote=quote)]


def _of_facts(facts: dict[str, Any], now: datetime) -> Answer:
    """The same for a warning that is told in full; `points` are pairs of minutes ago and value."""
    direction = Direction(facts.get("direction", "above"))
    threshold, unit = float(facts.get("threshold", 0.0)), str(facts.get("unit", ""))
    pairs = sorted(((float(ago), float(value)) for ago, value in facts.get("points", [])), reverse=True)
    points = [(now - timedelta(minutes=ago), value) for ago, value in pairs]
    if not points and "value" in facts:
        points = [(now, float(facts["value"]))]
    course = course_of(points, threshold, direction)
    category = str(facts.get("category", ""))
    level = int(facts.get("level", 0))
    head = f"{facts.get('device', '设备')}触发{Level(level).zh if 1 <= level <= 4 else ''}预警"
    kind = f"（{category_name(category)}）" if category in categories() else ""
    return Answer(
        result={
            "answerable": course.count > 0,
            "trend": course.trend,
            "explanation": f"{head}{kind}：{in_words(course, threshold, direction, unit, now)}"[:_LIMIT],
            "action": _action(category, []),
            "neighbours": 0,
        },
        evidence=[
            Evidence(kind="rule", id="facts", title=f"{direction.zh}{threshold:g} {unit}"),
            *_readings("facts", course),
        ],
        confidence=0.7 if course.count > 2 else 0.4,
    )
