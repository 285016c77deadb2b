"""Reviews as the API shows them."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel

from chengnao.incident.model import Incident, State
from chengnao.incident.names import Names
from chengnao.incident.views import IncidentOut, TimelineOut
from chengnao.review.deviations import Deviation, DeviationKind
from chengnao.review.model import Finding, Occasion, Review, ReviewState, causes
from chengnao.review.service import Facts
from chengnao.review.wording import sentence


class OccasionOut(BaseModel):
    code: Occasion
    name: str
    name_en: str


class FindingOut(BaseModel):
    """A cause (with its `code` and `name`) or a lesson, and who wrote it."""

    code: str | None
    name: str | None
    text: str
    author_name: str
    at: datetime

    @classmethod
    def of(cls, finding: Finding) -> Self:
        cause = causes().get(finding.code or "")
        name = cause.name if cause else finding.code
        return cls(code=finding.code, name=name, text=finding.text, author_name=finding.author_name, at=finding.at)


class DeviationOut(BaseModel):
    """`text`: the deviation as a sentence; `seq`: the entry of the timeline that tells of it."""

    kind: DeviationKind
    name: str
    name_en: str
    text: str
    at: datetime
    seq: int | None
    seconds: float | None
    state: State | None
    unit_id: str | None
    unit_name: str | None
    reason_code: str | None
    reason: str

    @classmethod
    def of(cls, deviation: Deviation, names: Names) -> Self:
        derived = {
            "name": deviation.kind.zh,
            "name_en": deviation.kind.en,
            "text": sentence(deviation, names),
            "unit_name": names.unit(deviation.unit_id),
        }
        return cls(**{name: getattr(deviation, name) for name in cls.model_fields if name not in derived}, **derived)


class NearOut(BaseModel):
    """An incident of the same category nearby, and its distance in metres."""

    id: str
    number: str
    title: str
    state: State
    state_name: str
    opened_at: datetime
    metres: float

    @classmethod
    def of(cls, incident: Incident, metres: float) -> Self:
        return cls(
            id=incident.id,
            number=incident.number,
            title=incident.title,
            state=incident.state,
            state_name=incident.state.zh,
            opened_at=incident.opened_at,
            metres=round(metres, 1),
        )


class FactsOut(BaseModel):
    incident: IncidentOut
    deviations: list[DeviationOut]
    near: list[NearOut]
    timeline: list[TimelineOut]

    @classmethod
    def of(cls, facts: Facts, names: Names) -> Self:
        return cls(
            incident=IncidentOut.of(facts.incident, names),
            deviations=[DeviationOut.of(each, names) for each in facts.deviations],
            near=[NearOut.of(incident, metres) for incident, metres in facts.near],
            timeline=[TimelineOut.of(entry, names) for entry in facts.entries],
        )


class ReviewOut(BaseModel):
    id: str
    number: str
    title: str
    state: ReviewState
    state_name: str
    occasions: list[OccasionOut]
    incident_ids: list[str]
    division_code: str
    division_name: str
    unit_id: str | None
    unit_name: str | None
    opened_at: datetime
    opened_by_name: str
    causes: list[FindingOut]
    lessons: list[FindingOut]
    finished_at: datetime | None
    finished_by_name: str | None
    version: int

    @classmethod
    def of(cls, review: Review, names: Names) -> Self:
        return cls.model_validate(flat(review, names))


def flat(review: Review, names: Names) -> dict[str, object]:
    """The fields of a review that a list shows."""
    return {
        **{name: getattr(review, name) for name in ("id", "number", "title", "state", "division_code", "unit_id")},
        **{name: getattr(review, name) for name in ("opened_at", "finished_at", "version")},
        "state_name": review.state.zh,
        "occasions": [OccasionOut(code=each, name=each.zh, name_en=each.en) for each in review.occasions],
        "incident_ids": list(review.incident_ids),
        "division_name": names.division(review.division_code),
        "unit_name": names.unit(review.unit_id),
        "opened_by_name": review.opened_by.name,
        "causes": [FindingOut.of(each) for each in review.causes],
        "lessons": [FindingOut.of(each) for each in review.lessons],
        "finished_by_name": review.finished_by.name if review.finished_by else None,
    }
