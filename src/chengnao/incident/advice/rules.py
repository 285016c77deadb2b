"""What answers for the agents that advise on incidents where no model does: sensible, checkable, and at once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chengnao.agents.tools import Answer, Call, Evidence
from chengnao.incident.advice import service
from chengnao.incident.advice.model import likeness
from chengnao.incident.advice.service import Alike, Guess, Named
from chengnao.incident.catalogue import categories, category_name
from chengnao.incident.classification.model import NO_MATTER, Understanding
from chengnao.incident.model import Incident
from chengnao.incident.moves import Move
from chengnao.incident.service import require_incident
from chengnao.kernel.places import Place
from chengnao.kernel.privacy.model import mask

Moving = Callable[[int], Move]
_REASONS = 6
_LIMIT = 300


@dataclass(frozen=True)
class Subject:
    """What advice is asked about: an incident, or a text for which there is none yet."""

    text: str
    category: str
    division_code: str | None
    place: Place | None
    incident: Incident | None
    guesses: tuple[Guess, ...] = ()
    understanding: Understanding | None = None


async def subject_of(call: Call, incident_id: str, text: str) -> Subject:
    """The incident where one is named, within the scope of the asker; else what the text was understood to be."""
    if incident_id:
        incident = await require_incident(call.uow, call.scope, incident_id)
        place = Place.sound(incident.lon, incident.lat)
        said = incident.description or incident.title
        return Subject(text or said, incident.category, incident.division_code, place, incident)
    found, understanding = await service.guesses(call.uow, call.home, text)
    category = found[0].code if found else "other"
    return Subject(text, category, understanding.division_code, None, None, tuple(found), understanding)


async def triage(call: Call, given: dict[str, Any]) -> Answer:
    """Category, grade and unit, each with its reasons."""
    subject = await subject_of(call, str(given.get("incident_id", "")), str(given.get("text", "")))
    guesses, understanding = subject.guesses, subject.understanding
    if understanding is None:
        found, understanding = await service.guesses(call.uow, call.home, subject.text)
        guesses = tuple(found)
    category = guesses[0].code if guesses else subject.category
    reasons = [reason.zh for reason in (*understanding.category_reasons, *understanding.grade_reasons)]
    named = await unit_of(call, given, subject, category)
    reasons += named.reasons
    confidence = guesses[0].confidence if guesses else 0.0
    return Answer(
        result={
            "category": category,
            "category_name": _name(category),
            "grade": understanding.grade,
            "unit_id": named.unit_id or "",
            "unit_name": named.unit_name or "",
            "reason": mask("；".join(reasons))[:_LIMIT],
            "candidates": [vars(each) for each in guesses],
        },
        evidence=[
            *_subject_evidence(subject),
            *(Evidence(kind="rule", id="triage", title=reason[:120]) for reason in reasons[:_REASONS]),
        ],
        confidence=confidence,
    )


def _name(category: str) -> str:
    return "没有诉求事项" if category == NO_MATTER else category_name(category)


async def unit_of(call: Call, given: dict[str, Any], subject: Subject, category: str) -> Named:
    """The unit among those that the asker names, else the one that the responsibilities name."""
    units = [each for each in given.get("units", []) if isinstance(each, dict)]
    if units:
        return _of_choices(units, subject.text, category)
    return await service.unit_for(call.uow, subject.division_code, category, subject.incident)


def _of_choices(units: list[dict[str, Any]], text: str, category: str) -> Named:
    """The unit among those that were named whose duties share most words with the matter."""
    kind = categories().get(category)
    matter = text + (f"{kind.name}{''.join(kind.words)}" if kind else "")
    weighed = [(_shared(f"{each.get('name', '')}{each.get('duty', '')}", matter), each) for each in units]
    weight, best = max(weighed, key=lambda pair: pair[0])
    return Named(str(best.get("id", "")), str(best.get("name", "")), [f"职责与事项相符程度 {weight:.2f}"])


def _shared(duty: str, matter: str) -> float:
    words = {duty[start : start + 2] for start in range(len(duty) - 1)}
    return sum(word in matter for word in words) / (len(words) ** 0.5 or 1.0) + likeness(duty, matter)


def _subject_evidence(subject: Subject) -> list[Evidence]:
    if subject.incident is None:
        return []
    incident = subject.incident
    return [
        Evidence(
            kind="incident", id=incident.id, title=f"{incident.number} {mask(incident.title)}", quote=subject.text[:80]
        )
    ]


async def recommendation(call: Call, given: dict[str, Any]) -> Answer:
    """What helped in such matters, which texts bear on it, and who handles it."""
    subject = await subject_of(call, str(given.get("incident_id", "")), str(given.get("text", "")))
    closed = await service.alike(
        call.uow, call.scope, subject.text, subject.category, subject.place, 3, str(given.get("incident_id", ""))
    )
    named = await unit_of(call, given, subject, subject.category)
    measure = next((each.result for each in closed if each.result), "")
    return Answer(
        result={
            "answerable": bool(closed or named.unit_id),
            "measure": measure[:_LIMIT] or "没有找到可参考的处置结果，请按职责和规程办理。",
            "cases": [each.incident.number for each in closed],
            "unit_id": named.unit_id or "",
            "unit_name": named.unit_name or "",
            "reason": "；".join(named.reasons)[:_LIMIT],
        },
        evidence=[_case(each) for each in closed],
        confidence=round(min(0.9, 0.3 + max((each.likeness for each in closed), default=0.0)), 2),
    )


def _case(each: Alike) -> Evidence:
    title = f"{each.incident.number} {mask(each.incident.title)}"
    return Evidence(kind="incident", id=each.incident.id, title=title, quote=each.result[:120])
