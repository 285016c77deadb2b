"""Use cases of merging: make one of two incidents, join a report, take apart again. None of them commits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chengnao.incident.merging.matching import Match, reasons_in_words, score_pair
from chengnao.incident.merging.merges import Kept, Merge, MergeKind, as_before, returning
from chengnao.incident.merging.repository import MergeRepository
from chengnao.incident.model import TRANSITIONS, Action, Incident, Source
from chengnao.incident.moves import Move, after_move
from chengnao.incident.reports.model import Report, title_of
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.rulebook import Rulebook
from chengnao.incident.service import Opening, check_version, open_incident, record, require_incident, tell
from chengnao.incident.tasks import tell_task
from chengnao.kernel.access.authority import Authority
from chengnao.kernel.access.model import SYSTEM, Principal, Resource, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from chengnao.kernel.ids import new_id
from chengnao.kernel.organisation.model import ancestors
from chengnao.kernel.places import Place
from chengnao.warning.repository import WarningRepository

MERGES = "incident_merges"
"""The lock under which incidents are merged and taken apart: the order of that decides what is there."""


@dataclass(frozen=True)
class Undone:
    """What taking a merge apart came to."""

    merge: Merge
    incident: Incident
    """The one that lives by itself again."""
    stayed: Sequence[str]
    """The tracking numbers of reports that came after the merge and stay with the other."""


async def merge_incident(
    uow: UnitOfWork,
    authority: Authority,
    actor: Principal,
    incident_id: str,
    into_id: str,
    version: int,
    reason: str = "",
) -> Merge:
    """Make the incident a part of another: its reports, warnings and photos go along, its open tasks are withdrawn.

    Raises Invalid for an incident into itself, Conflict where one of the two has ended or the incident has moved on
    since `version`, NotFound outside the actor's scope, Forbidden without the right or at another desk.
    """
    if incident_id == into_id:
        raise Invalid("merge_into_itself", field="into", value=into_id)
    repository, scope = MergeRepository(uow.session), Scope.of(actor)
    await uow.hold(MERGES)
    await repository.lock_reports([incident_id])
    locked = {each: await require_incident(uow, scope, each, lock=True) for each in sorted((incident_id, into_id))}
    part, whole = locked[incident_id], locked[into_id]
    for each in (part, whole):
        authority.require(actor, "incident.merge", Resource(each.division_code, each.unit_id))
    _check_desk(actor, part, "incident.merge")
    for each in (part, whole):
        if each.state.final:
            raise Conflict("merge_ended", number=each.number, state=each.state.zh, state_en=each.state.en)
    check_version(part, version)
    score = await score_pair(part, whole)
    merge = Merge(
        id=new_id(),
        kind=MergeKind.INCIDENT,
        incident_id=part.id,
        report_id=None,
        into_id=whole.id,
        by=actor.id,
        by_name=actor.name,
        at=uow.clock.now(),
        reason=reason.strip(),
        probability=score.probability,
        reasons=score.reasons,
        kept=await _kept(uow, part),
    )
    await repository.add(merge)
    await _move(uow, merge.kept, whole.id)
    await _merged(uow, actor, part, whole, merge)
    text = f"并入 {part.number}《{part.title}》，诉求 {len(merge.kept.reports)} 件"
    await tell(uow, whole, text, {"merge": merge.id, "merged_from": part.id}, actor)
    return merge


async def join(uow: UnitOfWork, match: Match, report: Report, photo_ids: Sequence[str] = ()) -> Incident:
    """Put on record that a new report, kept already, joined an incident, which is locked; gives it back after that."""
    percent = f"{match.score.probability:.0%}"
    merge = Merge(
        id=new_id(),
        kind=MergeKind.REPORT,
        incident_id=None,
        report_id=report.id,
        into_id=match.incident.id,
        by=SYSTEM.id,
        by_name=SYSTEM.name,
        at=uow.clock.now(),
        probability=match.score.probability,
        reasons=match.score.reasons,
        kept=Kept(reports=frozenset({report.id}), photos=frozenset(photo_ids)),
    )
    await MergeRepository(uow.session).add(merge)
    text = f"并入诉求 {report.tracking_number}：同一件事的把握 {percent}（{reasons_in_words(match.score.reasons)}）"
    data = {"merge": merge.id, "report": report.tracking_number, "probability": round(match.score.probability, 4)}
    return await tell(uow, match.incident, text, data)


async def undo(uow: UnitOfWork, authority: Authority, actor: Principal, merge_id: str) -> Undone:
    """Take the merge apart: the incident is as it was before, or the report has one of its own.

    Also after the other was closed; the reports that go back wait for an answer again. Raises NotFound outside the
    actor's scope, Conflict where it was undone already.
    """
    repository = MergeRepository(uow.session)
    await uow.hold(MERGES)
    merge = await repository.get(merge_id)
    if merge is None:
        raise NotFound("not_found", kind="并入记录 merge", id=merge_id)
    # Outside the scope there is no such merge; whether it was undone is nobody's business there.
    about = await require_incident(uow, Scope.of(actor), merge.incident_id or merge.into_id)
    authority.require(actor, "incident.unmerge", Resource(about.division_code, about.unit_id))
    if merge.undone_at is not None:
        raise Conflict("merge_undone", by=merge.undone_by_name, at=merge.undone_at.isoformat(timespec="minutes"))
    merge = replace(merge, undone_at=uow.clock.now(), undone_by_name=actor.name)
    if merge.kind is MergeKind.REPORT:
        return await _undo_join(uow, actor, merge)
    return await _undo_merge(uow, actor, merge)


async def _undo_merge(uow: UnitOfWork, actor: Principal, merge: Merge) -> Undone:
    repository = MergeRepository(uow.session)
    assert merge.incident_id is not None
    part = await require_incident(uow, Scope(), merge.incident_id)
    _check_desk(actor, part, "incident.unmerge")
    assert part.merged_into is not None
    await repository.lock_reports([part.merged_into])
    host, part = await _locked(uow, part.merged_into, part.id)
    kept = await _still_there(uow, merge.kept, host.id)
    await _move(uow, kept, part.id)
    await repository.take_back_answers(kept.reports)
    await repository.save(merge)
    await _forget(uow, host.id, kept, part.id)
    stayed = await repository.tracking_numbers_since(host.id, merge.at)
    assert merge.kept.incident is not None
    restored = as_before(part, merge.kept.incident)
    data = {"merge": merge.id, "merged_into": host.id, "stayed": stayed or None}
    text = f"撤销并入 {host.number}" + (f"；其后的诉求留在该事件：{'、'.join(stayed)}" if stayed else "")
    move = Move(Action.UNMERGE, part.version, reason=text)
    await record(uow, actor, part, restored, Action.UNMERGE, move, data)
    for task in merge.kept.tasks:
        if task.open:
            await IncidentRepository(uow.session).save_task(task)
            tell_task(uow, restored, task)
    text = f"撤销并入：{part.number} 恢复单独办理，带回诉求 {len(kept.reports)} 件"
    await tell(uow, host, text, {"merge": merge.id, "unmerged": part.id}, actor)
    return Undone(merge, restored, stayed)


async def _undo_join(uow: UnitOfWork, actor: Principal, merge: Merge) -> Undone:
    """The report gets an incident of its own, opened with what it tells."""
    repository = MergeRepository(uow.session)
    assert merge.report_id is not None
    report = await ReportRepository(uow.session).get(Scope(), merge.report_id)
    assert report is not None
    await repository.lock_reports([report.incident_id])
    host = await require_incident(uow, Scope(), report.incident_id, lock=True)
    opening = Opening(
        Source.REPORT,
        title=title_of(report.content),
        category=report.category,
        division_code=report.division_code,
        description=report.content,
        place=Place.given(report.lon, report.lat),
        address=report.address,
        source_key=f"report:{report.id}",
        data={"merge": merge.id, "channel": report.channel.value},
    )
    incident = await open_incident(uow, actor, opening)
    kept = await _still_there(uow, merge.kept, host.id)
    await _move(uow, kept, incident.id)
    await repository.take_back_answers(kept.reports)
    await repository.save(merge)
    await _forget(uow, host.id, kept, None)
    text = f"撤销并入：诉求 {report.tracking_number} 另立 {incident.number}"
    await tell(uow, host, text, {"merge": merge.id, "unmerged": incident.id}, actor)
    return Undone(merge, incident, ())


async def _locked(uow: UnitOfWork, one_id: str, other_id: str) -> tuple[Incident, Incident]:
    found = {each: await require_incident(uow, Scope(), each, lock=True) for each in sorted((one_id, other_id))}
    return found[one_id], found[other_id]


async def _kept(uow: UnitOfWork, part: Incident) -> Kept:
    repository = MergeRepository(uow.session)
    warnings = await WarningRepository(uow.session).warnings_of_incident(part.id)
    return Kept(
        incident=part,
        tasks=tuple(await IncidentRepository(uow.session).tasks_of(part.id)),
        reports=await repository.reports_of(part.id),
        warnings=frozenset(warning.id for warning in warnings),
        photos=await repository.photos_of(part.id),
        merged=await repository.merged_into(part.id),
    )


async def _still_there(uow: UnitOfWork, kept: Kept, host_id: str) -> Kept:
    """The part of what came along that is with the host now."""
    there = await _kept(uow, await require_incident(uow, Scope(), host_id))
    return replace(
        kept,
        reports=returning(kept.reports, there.reports),
        warnings=returning(kept.warnings, there.warnings),
        photos=returning(kept.photos, there.photos),
        merged=returning(kept.merged, there.merged),
    )


async def _move(uow: UnitOfWork, kept: Kept, incident_id: str) -> None:
    await MergeRepository(uow.session).hand_over(kept, incident_id)
    for warning_id in sorted(kept.warnings):
        await WarningRepository(uow.session).link_incident(warning_id, incident_id)


async def _forget(uow: UnitOfWork, host_id: str, gone: Kept, incident_id: str | None) -> None:
    """What went back is no longer part of other merges that brought it along: their undoing leaves it alone."""
    repository = MergeRepository(uow.session)
    for other in await repository.standing_in(host_id):
        left = other.kept.without(gone, incident_id)
        if left != other.kept:
            await repository.save(replace(other, kept=left))


async def _merged(uow: UnitOfWork, actor: Principal, part: Incident, whole: Incident, merge: Merge) -> None:
    row = TRANSITIONS[part.state, Action.MERGE]
    text = f"并入 {whole.number}《{whole.title}》" + (f"：{merge.reason}" if merge.reason else "")
    move, now = Move(Action.MERGE, part.version, reason=text), uow.clock.now()
    after = after_move(await Rulebook.load(uow), part, row, move, actor, now)
    data = {
        "merge": merge.id,
        "merged_into": whole.id,
        "probability": merge.probability and round(merge.probability, 4),
        "reasons": [reason.zh for reason in merge.reasons] or None,
    }
    await record(uow, actor, part, replace(after, merged_into=whole.id), Action.MERGE, move, data, at=now)


def _check_desk(actor: Principal, incident: Incident, action: str) -> None:
    """Raises Forbidden for a person of a desk that does not answer for the incident and does not stand above it."""
    if actor.kind != "system" and actor.division_code not in ancestors(incident.desk_code):
        raise Forbidden("forbidden", action=action)
