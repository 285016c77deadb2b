"""Use cases of reviews: open, write, finish, and the facts that a review looks at. None of them commits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from chengnao.incident.case_repository import CaseRepository
from chengnao.incident.model import Incident, State, TimelineEntry
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import actor_of, numbered, require_incident
from chengnao.kernel.access.model import SYSTEM, Principal, Scope
from chengnao.kernel.access.service import record_act
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.review.deviations import Alarm, Deviation, deviations
from chengnao.review.events import ReviewFinished, ReviewOpened
from chengnao.review.model import (
    NEAR_METRES,
    NEAR_TIME,
    Occasion,
    Review,
    ReviewState,
    Written,
    check_causes,
    check_finished,
    check_open,
    common_division,
    occasions,
    rewritten,
)
from chengnao.review.repository import ReviewRepository
from chengnao.warning.repository import WarningRepository


async def review_if_called_for(uow: UnitOfWork, incident_id: str) -> Review | None:
    """Open a review for an incident that was closed, or add it to an open one, where there is a reason.

    An incident that comes back is added to the open review of those near it, so that one place makes one review.
    """
    incident = await require_incident(uow, Scope(), incident_id, lock=True)
    if incident.state is not State.CLOSED:
        return None
    entries = await IncidentRepository(uow.session).timeline_of(incident.id)
    near = [each for each, _ in await CaseRepository(uow.session).near(Scope(), incident, NEAR_METRES, NEAR_TIME)]
    reasons = occasions(incident, entries, len(near))
    if not reasons:
        return None
    known = await _open_for(uow, incident, near, reasons)
    if known is None:
        title = f"{incident.title}（{'、'.join(each.zh for each in reasons)}）"
        return await _open(uow, SYSTEM, title, [incident], reasons)
    return await _join(uow, known, incident, reasons)


async def _open_for(
    uow: UnitOfWork, incident: Incident, near: Sequence[Incident], reasons: Sequence[Occasion]
) -> Review | None:
    repository = ReviewRepository(uow.session)
    own = await repository.open_with([incident.id])
    if own is not None or Occasion.REPEATED not in reasons:
        return own
    earlier = [each.id for each in near] + ([incident.repeat_of] if incident.repeat_of else [])
    return await repository.open_with(earlier, Occasion.REPEATED)


async def _join(uow: UnitOfWork, review: Review, incident: Incident, reasons: Sequence[Occasion]) -> Review:
    units = {incident.unit_id, review.unit_id}
    after = replace(
        review,
        occasions=tuple(each for each in Occasion if each in review.occasions or each in reasons),
        incident_ids=tuple(dict.fromkeys((*review.incident_ids, incident.id))),
        division_code=common_division([review.division_code, incident.division_code]),
        unit_id=incident.unit_id if len(units) == 1 else None,
    )
    if after == review:
        return review
    after = replace(after, version=review.version + 1)
    await ReviewRepository(uow.session).save(after)
    _tell_opened(uow, after)
    return after


async def open_by_hand(uow: UnitOfWork, actor: Principal, incident_ids: Sequence[str], title: str) -> Review:
    """Open a review for incidents of the actor's scope; raises NotFound for one outside it, Invalid for none."""
    ids = list(dict.fromkeys(incident_ids))
    if not ids:
        raise Invalid("review_no_incidents", field="incident_ids")
    incidents = [await require_incident(uow, Scope.of(actor), each) for each in ids]
    review = await _open(uow, actor, title or incidents[0].title, incidents, [Occasion.BY_HAND])
    await record_act(uow, actor, "review.write", review=review.number, incidents=ids)
    return review


async def _open(
    uow: UnitOfWork, actor: Principal, title: str, incidents: Sequence[Incident], reasons: Sequence[Occasion]
) -> Review:
    units = {each.unit_id for each in incidents}
    review = Review(
        id=new_id(),
        number=await numbered(uow, "FP"),
        title=title,
        state=ReviewState.OPEN,
        occasions=tuple(reasons),
        incident_ids=tuple(each.id for each in incidents),
        division_code=common_division([each.division_code for each in incidents]),
        unit_id=units.pop() if len(units) == 1 else None,
        opened_at=uow.clock.now(),
        opened_by=actor_of(actor),
    )
    await ReviewRepository(uow.session).add(review)
    _tell_opened(uow, review)
    return review


def _tell_opened(uow: UnitOfWork, review: Review) -> None:
    uow.publish(
        ReviewOpened(
            subject=review.id,
            division_code=review.division_code,
            unit_id=review.unit_id,
            number=review.number,
            title=review.title,
            incident_ids=list(review.incident_ids),
            occasions=[each.value for each in review.occasions],
        )
    )


async def write(
    uow: UnitOfWork,
    actor: Principal,
    review_id: str,
    version: int,
    causes: Sequence[Written],
    lessons: Sequence[Written],
) -> Review:
    """Set the causes and lessons; what stays as it was keeps its author.

    Raises NotFound outside the scope, Conflict where it is finished or was changed since the version, Invalid for an
    unknown cause.
    """
    review = await require_review(uow, Scope.of(actor), review_id, lock=True)
    check_open(review, version)
    check_causes(causes)
    author, now = actor_of(actor), uow.clock.now()
    after = replace(
        review,
        causes=rewritten(review.causes, causes, author, now),
        lessons=rewritten(review.lessons, lessons, author, now),
        version=version + 1,
    )
    await ReviewRepository(uow.session).save(after)
    await record_act(uow, actor, "review.write", review=review.number)
    return after


async def finish(uow: UnitOfWork, actor: Principal, review_id: str, version: int) -> Review:
    """Finish a review that names its causes and lessons; raises as `write` does, and Invalid where they are missing."""
    review = await require_review(uow, Scope.of(actor), review_id, lock=True)
    check_open(review, version)
    check_finished(review)
    after = replace(
        review,
        state=ReviewState.FINISHED,
        finished_at=uow.clock.now(),
        finished_by=actor_of(actor),
        version=version + 1,
    )
    await ReviewRepository(uow.session).save(after)
    await record_act(uow, actor, "review.write", review=review.number, finished=True)
    uow.publish(
        ReviewFinished(
            subject=after.id,
            division_code=after.division_code,
            unit_id=after.unit_id,
            number=after.number,
            title=after.title,
            incident_ids=list(after.incident_ids),
            actor=actor.name,
        )
    )
    return after


async def require_review(uow: UnitOfWork, scope: Scope, review_id: str, *, lock: bool = False) -> Review:
    review = await ReviewRepository(uow.session).get(scope, review_id, lock=lock)
    if review is None:
        raise NotFound("not_found", kind="复盘 review", id=review_id)
    return review


@dataclass(frozen=True)
class Facts:
    """What the records say of one incident of a review."""

    incident: Incident
    entries: list[TimelineEntry]
    deviations: list[Deviation]
    near: list[tuple[Incident, float]]
    """Others of its category within 300 m and 30 days, with their distance in metres."""


async def facts_of(uow: UnitOfWork, scope: Scope, review: Review) -> list[Facts]:
    """The facts of each incident that the scope holds, as they stood when the review was finished, else as of now."""
    found = []
    for incident_id in review.incident_ids:
        incident = await IncidentRepository(uow.session).get(scope, incident_id)
        if incident is not None:
            found.append(await _facts(uow, scope, incident, review.finished_at or uow.clock.now()))
    return found


async def _facts(uow: UnitOfWork, scope: Scope, incident: Incident, until: datetime) -> Facts:
    entries = [e for e in await IncidentRepository(uow.session).timeline_of(incident.id) if e.at <= until]
    near = await CaseRepository(uow.session).near(scope, incident, NEAR_METRES, NEAR_TIME)
    near = [pair for pair in near if pair[0].opened_at <= until]
    return Facts(incident, entries, deviations(entries, await _alarms(uow, incident.id), until), near)


async def _alarms(uow: UnitOfWork, incident_id: str) -> list[Alarm]:
    repository = WarningRepository(uow.session)
    alarms = []
    for warning in await repository.warnings_of_incident(incident_id):
        grave = [
            each.at for each in await repository.changes(warning.id) if 0 < each.level <= warning.opens_incident_at
        ]
        if grave:
            alarms.append(Alarm(warning.id, warning.title, min(grave)))
    return alarms
