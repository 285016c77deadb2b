"""A review: why it was opened, what it covers, what people found. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files

import yaml

from chengnao.incident.model import Action, Actor, Incident, Source, TimelineEntry
from chengnao.kernel.errors import Conflict, Invalid
from chengnao.kernel.organisation.model import CITY, ancestors
from chengnao.kernel.vocabulary import Named

GRAVE = 2
"""Incidents of this grade and graver ones are reviewed."""
RETURNED_AT = 2
ESCALATED_AT = 2
REPEATED_AT = 3
"""So many incidents of a category, this one counted, near each other in place and time are one that comes back."""
NEAR_METRES = 300.0
NEAR_TIME = timedelta(days=30)


class ReviewState(Named):
    OPEN = "open", "待复盘", "to be reviewed"
    FINISHED = "finished", "已完成", "finished"


class Occasion(Named):
    """Why a review was opened."""

    GRAVE = "grave", "重大事件", "grave"
    REOPENED = "reopened", "办结后重启", "reopened"
    RETURNED = "returned", "多次退单", "returned again and again"
    ESCALATED = "escalated", "催办升级", "escalated"
    DISPUTED = "disputed", "职责争议", "disputed"
    REPEATED = "repeated", "反复发生", "repeated"
    BY_HAND = "by_hand", "人工发起", "opened by a person"


@dataclass(frozen=True)
class Cause:
    """One of the causes in the list."""

    code: str
    name: str
    name_en: str


@cache
def causes() -> Mapping[str, Cause]:
    """The causes that a review may name, by code."""
    entries = yaml.safe_load((files("chengnao.review") / "causes.yaml").read_text("utf-8"))
    return {entry["code"]: Cause(**entry) for entry in entries}


@dataclass(frozen=True)
class Finding:
    """A cause or a lesson, with who wrote it and when."""

    text: str
    author_id: str
    author_name: str
    at: datetime
    code: str | None = None
    """Of a cause: which of the list."""


@dataclass(frozen=True)
class Review:
    id: str
    number: str
    title: str
    state: ReviewState
    occasions: tuple[Occasion, ...]
    incident_ids: tuple[str, ...]
    division_code: str
    unit_id: str | None
    opened_at: datetime
    opened_by: Actor
    causes: tuple[Finding, ...] = ()
    lessons: tuple[Finding, ...] = ()
    finished_at: datetime | None = None
    finished_by: Actor | None = None
    version: int = 1


def occasions(incident: Incident, entries: Sequence[TimelineEntry], nearby: int) -> list[Occasion]:
    """Why an incident that was closed calls for a review; `nearby` others of its category lie near it.

    Cases that an earlier system closed call for none: their reviews, if any, were held there.
    """
    if incident.source is Source.IMPORT:
        return []
    actions = [entry.action for entry in entries]
    levels = [entry.data.get("escalation", 0) for entry in entries]
    called_for = {
        Occasion.GRAVE: incident.grade <= GRAVE,
        Occasion.REOPENED: incident.reopened > 0,
        Occasion.RETURNED: actions.count(Action.RETURN) >= RETURNED_AT,
        Occasion.ESCALATED: max(levels, default=0) >= ESCALATED_AT,
        Occasion.DISPUTED: Action.DISPUTE in actions,
        Occasion.REPEATED: incident.repeat_of is not None or nearby + 1 >= REPEATED_AT,
    }
    return [occasion for occasion, yes in called_for.items() if yes]


def common_division(codes: Sequence[str]) -> str:
    """The smallest division that holds all of them."""
    chains = [ancestors(code) for code in codes]
    return next((code for code in chains[0] if all(code in chain for chain in chains)), CITY) if chains else CITY


@dataclass(frozen=True)
class Written:
    """A cause or a lesson as somebody hands it in."""

    text: str
    code: str | None = None


def rewritten(known: Sequence[Finding], given: Sequence[Written], author: Actor, now: datetime) -> tuple[Finding, ...]:
    """The findings as given; those that stay as they were keep their author."""
    before = {(each.code, each.text): each for each in known}
    return tuple(
        before.get((each.code, each.text)) or Finding(each.text, author.id, author.name, now, each.code)
        for each in given
    )


def check_causes(given: Sequence[Written]) -> None:
    """Raises Invalid where a cause is not in the list."""
    for each in given:
        if each.code not in causes():
            raise Invalid("review_cause_unknown", field="causes", value=each.code, known="、".join(causes()))


def check_open(review: Review, version: int) -> None:
    """Raises Conflict where the review is finished, or has changed since the version."""
    if review.state is ReviewState.FINISHED:
        raise Conflict("review_finished", number=review.number)
    if review.version != version:
        raise Conflict("review_changed", number=review.number, seen=version, current=review.version)


def check_finished(review: Review) -> None:
    """Raises Invalid where something is missing for the review to be finished."""
    for field in ("causes", "lessons"):
        if not getattr(review, field):
            raise Invalid("review_unfinished", field=field, number=review.number)
