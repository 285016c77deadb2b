"""Which incidents an incident or a new report may be about: candidates, the match, and the suspected repeat."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chengnao.incident.merging.model import Matter, Reason, Score, default_weights
from chengnao.incident.merging.repository import MergeRepository
from chengnao.incident.merging.scoring import score, score_against
from chengnao.incident.model import Incident, State
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.places import Place

TAKES_IN = frozenset({State.NEW, State.DISPATCHED, State.ACCEPTED, State.SUSPENDED, State.RETURNED, State.DISPUTED})
"""In these states a report joins by itself. Once the work is finished, what is told now may be news."""
_SHOWN = 20


@dataclass(frozen=True)
class Draft:
    """What is known of a matter that has no incident yet."""

    text: str
    category: str
    division_code: str
    at: datetime
    place: Place | None = None
    address: str = ""
    grade: int | None = None
    """As the words tell it; None where they do not."""


@dataclass(frozen=True)
class Match:
    """An open incident that may be about the same matter."""

    incident: Incident
    score: Score


async def candidates(uow: UnitOfWork, scope: Scope, incident: Incident) -> list[Match]:
    """The open incidents in the scope that may be about the incident's matter, the most probable first."""
    place = Place.sound(incident.lon, incident.lat)
    known = await _open_near(uow, scope, place, incident.division_code, incident.opened_at, apart_from=incident.id)
    return await _scored(_matter(incident), known)


async def score_pair(one: Incident, other: Incident) -> Score:
    """How probable it is that two incidents are about one matter, and why."""
    return await asyncio.to_thread(score, _matter(one), _matter(other))


async def find_match(uow: UnitOfWork, draft: Draft) -> Match | None:
    """The open incident that a new report joins by itself, locked; None where none is probable enough.

    An incident whose handling is finished or that is closed takes nothing in: what is told after it is news. Nor does
    one of a lesser grade than the report's: what is graver now must be seen.
    """
    known = await _open_near(uow, Scope(), draft.place, draft.division_code, draft.at)
    fit = [each for each in known if each.state in TAKES_IN and each.grade <= (draft.grade or each.grade)]
    for match in await _scored(_draft_matter(draft), fit):
        if match.score.probability < default_weights().settings.automatic:
            return None
        locked = await IncidentRepository(uow.session).get(Scope(), match.incident.id, lock=True)
        if locked is not None and locked.state in TAKES_IN:
            return replace(match, incident=locked)
    return None


async def suspected_repeat(uow: UnitOfWork, draft: Draft) -> Match | None:
    """The incident closed not long ago and not far away that the matter seems to repeat; None without a place."""
    if draft.place is None:
        return None
    settings = default_weights().settings
    since = draft.at - timedelta(days=settings.repeat_days)
    near = await MergeRepository(uow.session).closed_near(draft.place, settings.repeat_metres, since)
    # A repeat is of another time by its nature: only place and matter are compared.
    closed = [(each, replace(_matter(each), at=draft.at, closed_at=None)) for each in near]
    found = await _score(_draft_matter(draft), closed)
    return next((match for match in found if _metres(match.incident, draft.place) <= settings.repeat_metres), None)


async def _open_near(
    uow: UnitOfWork,
    scope: Scope,
    place: Place | None,
    division_code: str,
    at: datetime,
    apart_from: str | None = None,
) -> list[Incident]:
    settings = default_weights().settings
    apart = timedelta(hours=settings.hours)
    found = await MergeRepository(uow.session).open_near(
        scope, place, division_code, settings.metres, at - apart, at + apart
    )
    return [incident for incident in found if incident.id != apart_from]


async def _scored(matter: Matter, incidents: Sequence[Incident]) -> list[Match]:
    return await _score(matter, [(incident, _matter(incident)) for incident in incidents])


async def _score(matter: Matter, known: Sequence[tuple[Incident, Matter]]) -> list[Match]:
    """Those that are probable enough to be shown, the most probable first; in a thread, since texts are read."""
    offered = default_weights().settings.offered
    scores = await asyncio.to_thread(score_against, matter, [each for _, each in known], floor=offered)
    found = [Match(incident, each) for (incident, _), each in zip(known, scores, strict=True) if each is not None]
    return sorted(found, key=lambda match: -match.score.probability)[:_SHOWN]


def _matter(incident: Incident) -> Matter:
    return Matter(
        id=incident.id,
        text=incident.description or incident.title,
        category=incident.category,
        at=incident.opened_at,
        place=Place.sound(incident.lon, incident.lat),
        address=incident.address,
        closed_at=incident.closed_at or incident.handled_at,
    )


def _draft_matter(draft: Draft) -> Matter:
    return Matter("", draft.text, draft.category, draft.at, draft.place, draft.address)


def _metres(incident: Incident, place: Place) -> float:
    here = Place.sound(incident.lon, incident.lat)
    return float("inf") if here is None else here.distance_m(place)


def reasons_in_words(reasons: Sequence[Reason]) -> str:
    """The reasons that speak for one matter, as a timeline tells them."""
    return "，".join(reason.zh for reason in reasons if reason.speaks_for)
