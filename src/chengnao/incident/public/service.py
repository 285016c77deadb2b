"""Use cases of citizens without an account. None commits."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chengnao.incident.drafts.model import Draft, DraftState
from chengnao.incident.drafts.repository import DraftRepository
from chengnao.incident.drafts.service import QUEUE, VOICE_ONLY, join_report
from chengnao.incident.model import TimelineEntry
from chengnao.incident.public.model import CITIZEN, Buckets, Progress, progress
from chengnao.incident.reports.model import Report
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import Desk, ReportIn, Taken, code_hash, incidents_of, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.kernel.access.model import Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import Invalid, NotFound
from chengnao.kernel.settings import Settings

_NO_CODE = code_hash("", "")


@dataclass(frozen=True)
class PublicLimits:
    """How often one sender may do what; real time, since a flood is real load."""

    reports: Buckets
    uploads: Buckets
    questions: Buckets
    wrong_codes: Buckets
    """By report and sender."""

    @classmethod
    def of(cls, settings: Settings) -> "PublicLimits":
        return cls(
            Buckets(settings.public_reports_per_hour, 3600),
            Buckets(settings.public_uploads_per_hour, 3600),
            Buckets(settings.public_questions_per_minute, 60),
            Buckets(settings.public_wrong_codes_per_hour, 3600),
        )


async def take(uow: UnitOfWork, desk: Desk, given: ReportIn, audio_id: str | None) -> tuple[Taken, Draft | None]:
    """Take in a citizen's report, with the recording that was sent before; the second value is that recording."""
    draft = await _recording(uow, audio_id) if audio_id is not None else None
    if not given.content.strip():
        if draft is None:
            raise Invalid("public_nothing_said", field="content")
        given = replace(given, content=VOICE_ONLY, heard=False)
    taken = await take_report(uow, desk, CITIZEN, given)
    if draft is not None:
        draft = await join_report(
            uow, replace(draft, read_until=uow.clock.now() + QUEUE * uow.clock.speed), taken.incident, taken.report
        )
    return taken, draft


async def _recording(uow: UnitOfWork, audio_id: str) -> Draft:
    draft = await DraftRepository(uow.session).get(Scope(), audio_id, lock=True)
    free = draft is not None and draft.created_by == CITIZEN.id and draft.report_id is None
    if draft is None or not free or draft.state is not DraftState.READING:
        raise Invalid("public_recording_unknown", field="audio_id", id=audio_id)
    return draft


async def find_report(
    uow: UnitOfWork, limits: PublicLimits, sender: str, tracking_number: str, code: str, *, lock: bool = False
) -> Report:
    """The report of this number and code.

    Raises NotFound alike, and after the same work, for a number that was never given and for a wrong code; TooMany
    where too many codes were wrong.
    """
    guesser = f"{tracking_number} {sender}"
    limits.wrong_codes.check(guesser)
    report = await ReportRepository(uow.session).by_tracking_number(tracking_number, lock=lock)
    kept = (report.code_hash if report else None) or _NO_CODE
    right = hmac.compare_digest(kept, code_hash(tracking_number, code))
    if report is None or not right:
        limits.wrong_codes.take(guesser)
        raise NotFound("public_report_unknown")
    return report


async def progress_of(uow: UnitOfWork, report: Report) -> Progress:
    """Where the report stands now."""
    repository = IncidentRepository(uow.session)
    path = await incidents_of(uow, report)
    timelines: list[Sequence[TimelineEntry]] = [await repository.timeline_of(incident.id) for incident in path]
    others = await ReportRepository(uow.session).count_of(path[-1].id) - 1
    return progress(report, path[-1], others, timelines, uow.clock.now())
