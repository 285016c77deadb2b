"""Use cases of advice: find, classify, name a unit, tell what helped, draft an answer. None commits, none acts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chengnao.incident.advice.model import AnswerDraft, Question, likeness, pieces
from chengnao.incident.advice.repository import AdviceRepository
from chengnao.incident.catalogue import categories, category_name
from chengnao.incident.classification.labels import label_name, suggested_by_words
from chengnao.incident.classification.model import NO_MATTER, Understanding
from chengnao.incident.classification.service import understand_text
from chengnao.incident.dispatch.model import Choice
from chengnao.incident.dispatch.service import suggest
from chengnao.incident.model import Incident
from chengnao.incident.reports.model import Report
from chengnao.incident.reports.service import incidents_of
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.clock import city_text
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import CITY
from chengnao.kernel.organisation.repository import OrganisationRepository
from chengnao.kernel.places import Place
from chengnao.kernel.privacy.model import mask

_COMPARED = 200
_LEAST_LIKENESS = 0.08
_FAR = 3_000.0
"""Metres from which on nearness says nothing any more."""


@dataclass(frozen=True)
class Guess:
    """A category that a text may be of."""

    code: str
    name: str
    confidence: float


@dataclass(frozen=True)
class Alike:
    """A closed incident like the one asked about, and what was done then."""

    incident: Incident
    likeness: float
    unit_id: str | None
    result: str


@dataclass(frozen=True)
class Named:
    """The unit that is proposed, and why."""

    unit_id: str | None
    unit_name: str | None
    reasons: Sequence[str]


async def find(
    uow: UnitOfWork, scope: Scope, question: Question, limit: int, *, open_: bool | None = None
) -> list[tuple[Incident, int]]:
    """Incidents in the scope that the question may mean, the best first, with the number of words found in each."""
    repository = AdviceRepository(uow.session)
    if question.number is not None:
        return [(each, 1) for each in await repository.by_number(scope, question.number)]
    return await repository.matching(scope, pieces(question.words), limit, open_=open_)


async def guesses(uow: UnitOfWork, home: Path, text: str) -> tuple[list[Guess], Understanding]:
    """Up to three categories of the text, the likeliest first, and all else that was understood of it."""
    found = await understand_text(uow, home, text, uow.clock.now())
    ranked = {each.label: each.confidence for each in found.alternatives}
    if found.category is not None:
        ranked = {found.category: found.confidence} | ranked
    for code in suggested_by_words(text):
        ranked.setdefault(code, 0.0)
    known = [code for code in ranked if code == NO_MATTER or code in categories()][:4]
    return [Guess(code, label_name(code), round(ranked[code], 3)) for code in known], found


async def unit_for(uow: UnitOfWork, division_code: str | None, category: str, incident: Incident | None) -> Named:
    """The unit that the responsibilities name now; none where no row is in force or the category is not known."""
    if category not in categories():
        return Named(None, None, ["类别未定，无法按责任清单推荐单位"])
    tasks = await IncidentRepository(uow.session).tasks_of(incident.id) if incident else []
    choice: Choice | None = await suggest(uow, division_code or CITY, category, tasks)
    if choice is None:
        return Named(None, None, [f"责任清单没有“{category_name(category)}”的承办单位，请人工指定"])
    names = await OrganisationRepository(uow.session).unit_names()
    return Named(choice.unit_id, names.get(choice.unit_id, choice.unit_id), choice.reasons)


async def alike(
    uow: UnitOfWork, scope: Scope, text: str, category: str, place: Place | None, limit: int, apart_from: str = ""
) -> list[Alike]:
    """Closed incidents of the category in the scope that are like the text, with their results, the likest first."""
    repository = AdviceRepository(uow.session)
    closed = await repository.closed(scope, category, _COMPARED, apart_from)
    weighed = [(each, _likeness(each, text, place)) for each in closed]
    best = sorted((pair for pair in weighed if pair[1] >= _LEAST_LIKENESS), key=lambda pair: -pair[1])[:limit]
    results = await repository.results([each.id for each, _ in best])
    found = []
    for each, weight in best:
        task = results.get(each.id)
        said = mask(task.result or "") if task else ""
        found.append(Alike(each, round(weight, 3), task.unit_id if task else each.unit_id, said))
    return found


def _likeness(incident: Incident, text: str, place: Place | None) -> float:
    """Words count most; what is near counts a little more."""
    words = likeness(f"{incident.title}{incident.description}{incident.address}", text)
    here = Place.sound(incident.lon, incident.lat)
    near = 0.0 if here is None or place is None else max(0.0, 1 - here.distance_m(place) / _FAR)
    return 0.85 * words + 0.15 * near


@dataclass(frozen=True)
class Standing:
    """What a drafted answer may say of a report: facts of the record, nothing else."""

    report: Report
    incident: Incident
    unit_name: str | None
    result: str


async def standing_of(uow: UnitOfWork, report: Report) -> Standing:
    """The facts for an answer: the incident that the report is handled under, its unit, and what came of it."""
    incident = (await incidents_of(uow, report))[-1]
    task = (await AdviceRepository(uow.session).results([incident.id])).get(incident.id)
    names = await OrganisationRepository(uow.session).unit_names()
    unit = names.get(incident.unit_id or "")
    return Standing(report, incident, unit, mask(task.result or "") if task else "")


def answer_text(standing: Standing) -> str:
    """An answer in plain words out of the record alone."""
    report, incident = standing.report, standing.incident
    matter = mask(report.content.strip())
    matter = matter if len(matter) <= 60 else matter[:59] + "…"
    lines = ["您好！您的诉求已收悉。", f"您反映的“{matter}”（查询编号 {report.tracking_number}）"]
    if standing.unit_name:
        lines[-1] += f"由{standing.unit_name}承办。"
    else:
        lines[-1] += "已登记，正在确定承办单位。"
    if standing.result:
        lines.append(f"办理情况：{standing.result.rstrip('。')}。")
    else:
        lines.append(f"目前进展：{incident.state.zh}。")
        if incident.close_by is not None and not incident.state.final:
            lines.append(f"预计办结时间不晚于 {city_text(incident.close_by)}。")
    lines.append("如对办理结果不满意，可凭查询编号和查询码在市民页面评价，或拨打 12345 热线。感谢您的监督和支持！")
    return "".join(lines)


async def keep_draft(
    uow: UnitOfWork, actor: Principal, report: Report, text: str, made_by: str, run_id: str | None
) -> AnswerDraft:
    """Keep an answer for a person to read, mend and send; personal details in it are masked."""
    draft = AnswerDraft(
        id=new_id(),
        report_id=report.id,
        text=mask(text.strip()),
        made_by=made_by,
        run_id=run_id,
        asked_by=actor.id,
        asked_by_name=actor.name,
        at=uow.clock.now(),
    )
    await AdviceRepository(uow.session).add_draft(draft)
    return draft
