"""Use cases of drafts: keep a letter or a recording, have it read, correct it, make it a report. None commits.

What the machine read is never a report by itself: a person confirms the version that was seen.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from chengnao.incident.drafts.model import FILE_LIMIT, READING_LIMITS, Draft, DraftState, Line, Reading, media_type
from chengnao.incident.drafts.repository import DraftRepository
from chengnao.incident.model import Incident
from chengnao.incident.photos import UPLOADS
from chengnao.incident.reports.model import Channel, Report, title_of
from chengnao.incident.reports.repository import ReportRepository
from chengnao.incident.reports.service import Desk, ReportIn, Taken, require_report, take_report
from chengnao.incident.repository import IncidentRepository
from chengnao.incident.service import require_incident, tell
from chengnao.kernel.access.model import Principal, Scope
from chengnao.kernel.database import UnitOfWork
from chengnao.kernel.errors import ChengnaoError, Conflict, Invalid, NotFound
from chengnao.kernel.files import write_atomically
from chengnao.kernel.ids import new_id
from chengnao.kernel.privacy.model import mask
from chengnao.kernel.privacy.vault import Vault

QUEUE = timedelta(hours=1)
"""So long a file may wait until its turn to be read comes."""


VOICE_ONLY = "（语音诉求，待人工整理）"
"""What stands in a report that came as a recording alone, until a person has written down what it says."""


@dataclass(frozen=True)
class Content:
    """What is sealed of a draft."""

    text: str
    lines: tuple[Line, ...]


async def add_draft(
    uow: UnitOfWork, home: Path, actor: Principal, channel: Channel, data: bytes, division_code: str
) -> Draft:
    """Keep a file, sealed; raises Invalid for what is too large or no letter or recording."""
    if not data:
        raise Invalid("draft_file_empty", field="file")
    if len(data) > FILE_LIMIT:
        raise Invalid("draft_file_too_large", field="file", limit_mb=FILE_LIMIT // 2**20)
    kind = media_type(channel, data)
    digest = hashlib.sha256(data).hexdigest()
    path = draft_path(home, digest)
    await uow.hold(UPLOADS, shared=True)
    if not path.exists():
        write_atomically(path, Vault.of(home).seal_bytes(digest, data))
    draft = Draft(
        id=new_id(),
        channel=channel,
        state=DraftState.READING,
        digest=digest,
        media_type=kind,
        size=len(data),
        division_code=division_code,
        unit_id=actor.unit_id,
        created_by=actor.id,
        created_by_name=actor.name,
        created_at=uow.clock.now(),
        read_until=uow.clock.now() + QUEUE * uow.clock.speed,
    )
    await DraftRepository(uow.session).add(draft)
    return draft


def file_of(home: Path, draft: Draft) -> bytes:
    """The file as it came in; raises NotFound where it is gone, SealBroken where its key is."""
    try:
        sealed = draft_path(home, draft.digest).read_bytes()
    except FileNotFoundError as error:
        raise NotFound("not_found", kind="原件 file", id=draft.id) from error
    return Vault.of(home).open_bytes(draft.digest, sealed)


def draft_path(home: Path, digest: str) -> Path:
    return home / "letters" / digest[:2] / digest


async def require_draft(uow: UnitOfWork, scope: Scope, draft_id: str, *, lock: bool = False) -> Draft:
    draft = await DraftRepository(uow.session).get(scope, draft_id, lock=lock)
    if draft is None:
        raise NotFound("not_found", kind="草稿 draft", id=draft_id)
    return draft


async def begin_reading(uow: UnitOfWork, draft_id: str) -> Draft | None:
    """The draft whose turn it is; None where somebody has dealt with it meanwhile."""
    draft = await require_draft(uow, Scope(), draft_id, lock=True)
    if draft.state is not DraftState.READING:
        return None
    limit = READING_LIMITS[draft.channel] + timedelta(minutes=1)
    await DraftRepository(uow.session).save(replace(draft, read_until=uow.clock.now() + limit * uow.clock.speed))
    return draft


async def finish_reading(uow: UnitOfWork, vault: Vault, draft_id: str, outcome: Reading | ChengnaoError) -> None:
    """Keep what was read, or why nothing was; a draft that a person has typed in meanwhile stays as it is."""
    repository = DraftRepository(uow.session)
    draft = await require_draft(uow, Scope(), draft_id, lock=True)
    if draft.state is not DraftState.READING:
        return
    done = replace(draft, version=draft.version + 1, read_until=None)
    if isinstance(outcome, ChengnaoError):
        problem = {"code": outcome.code, "params": outcome.to_dict()["params"]}
        await repository.save(replace(done, state=DraftState.FAILED, problem=problem))
        return
    await repository.save(
        replace(
            done,
            state=DraftState.READY,
            problem=None,
            engine=outcome.engine,
            pages=outcome.pages,
            seconds=outcome.seconds,
            confidence=outcome.confidence,
        )
    )
    await _keep(uow, vault, draft, Content(outcome.text, outcome.lines))


async def read_again(uow: UnitOfWork, draft: Draft) -> Draft:
    """Have a draft read once more whose reading failed or stalled; it is locked. Raises Conflict for another."""
    now = uow.clock.now()
    if draft.state is not DraftState.FAILED and not draft.stalled(now):
        raise _wrong_state(draft, "重新识别", "read again")
    again = replace(
        draft,
        state=DraftState.READING,
        read_until=now + QUEUE * uow.clock.speed,
        version=draft.version + 1,
        problem=None,
    )
    await DraftRepository(uow.session).save(again)
    return again


async def content_of(uow: UnitOfWork, vault: Vault, draft: Draft) -> Content:
    """The text as it stands, and what the machine read line by line."""
    sealed = await DraftRepository(uow.session).sealed(draft.id)
    if sealed is None:
        return Content("", ())
    values: dict[str, Any] = json.loads(vault.open(draft.id, sealed))
    return Content(values["text"], tuple(Line(**line) for line in values["lines"]))


async def correct(uow: UnitOfWork, vault: Vault, draft: Draft, seen: int, text: str) -> Draft:
    """Keep the text as a person has corrected it or typed it in; the draft is locked. Raises Conflict."""
    _check(draft, seen, "修改", "corrected")
    content = await content_of(uow, vault, draft)
    corrected = replace(draft, state=DraftState.READY, version=draft.version + 1, read_until=None)
    await DraftRepository(uow.session).save(corrected)
    await _keep(uow, vault, draft, replace(content, text=text))
    return corrected


async def confirm(
    uow: UnitOfWork, desk: Desk, actor: Principal, draft: Draft, seen: int, given: ReportIn
) -> tuple[Report, Taken | None]:
    """Make the checked text a report, or give it to the report that the recording came with; the draft is locked.

    The second value is the report as it was taken in now, None where it was there before. `given.content` is not used.
    Raises Conflict where the draft has changed since it was seen.
    """
    _check(draft, seen, "确认", "confirmed")
    text = (await content_of(uow, desk.vault, draft)).text.strip()
    if not text:
        raise Invalid("draft_empty", field="text")
    if draft.report_id is None:
        taken = await take_report(uow, desk, actor, replace(given, content=text, channel=draft.channel))
        report = taken.report
    else:
        taken, report = None, await _write_down(uow, desk.vault, draft.report_id, text)
    await _end(uow, actor, replace(draft, state=DraftState.CONFIRMED, report_id=report.id))
    return report, taken


async def _write_down(uow: UnitOfWork, vault: Vault, report_id: str, said: str) -> Report:
    """Add what a recording says to the report that it came with, and to its incident where that knew no more."""
    repository = ReportRepository(uow.session)
    report = await require_report(uow, Scope(), report_id)
    sealed = await repository.contact(report_id)
    assert sealed is not None
    contact = json.loads(vault.open(report_id, sealed))
    written = contact["content"]
    contact["content"] = said if written == VOICE_ONLY else f"{written}\n语音：{said}"
    content = mask(contact["content"])
    await repository.seal_contact(report_id, vault.seal(report_id, json.dumps(contact)))
    await repository.change(report_id, content=content)
    incident = await require_incident(uow, Scope(), report.incident_id, lock=True)
    incident = await tell(uow, incident, f"语音整理：{mask(said)}", {"report": report.tracking_number})
    if incident.description == report.content:
        renamed = replace(incident, title=title_of(content), description=content)
        await IncidentRepository(uow.session).save(renamed)
    return replace(report, content=content)


async def discard(uow: UnitOfWork, actor: Principal, draft: Draft, seen: int) -> Draft:
    """Put away what is no matter for the city; the draft is locked. Its file stays, its text does not."""
    _check(draft, seen, "作废", "discarded")
    return await _end(uow, actor, replace(draft, state=DraftState.DISCARDED))


async def join_report(uow: UnitOfWork, draft: Draft, incident: Incident, report: Report) -> Draft:
    """Give a recording to the report that it came with; a person then writes down what it says."""
    joined = replace(draft, report_id=report.id, division_code=report.division_code, unit_id=incident.unit_id)
    await DraftRepository(uow.session).save(joined)
    return joined


async def _end(uow: UnitOfWork, actor: Principal, draft: Draft) -> Draft:
    """From here on the words stand, sealed, with the report."""
    ended = replace(draft, version=draft.version + 1, ended_by_name=actor.name, ended_at=uow.clock.now())
    repository = DraftRepository(uow.session)
    await repository.save(ended)
    await repository.seal(draft.id, None)
    return ended


async def _keep(uow: UnitOfWork, vault: Vault, draft: Draft, content: Content) -> None:
    values = {"text": content.text, "lines": [line.__dict__ for line in content.lines]}
    await DraftRepository(uow.session).seal(draft.id, vault.seal(draft.id, json.dumps(values, ensure_ascii=False)))


def _check(draft: Draft, seen: int, doing_zh: str, doing_en: str) -> None:
    if draft.state.final:
        raise _wrong_state(draft, doing_zh, doing_en)
    if seen != draft.version:
        raise Conflict("draft_changed", seen=seen, current=draft.version)


def _wrong_state(draft: Draft, doing_zh: str, doing_en: str) -> Conflict:
    return Conflict(
        "draft_state", state_zh=draft.state.zh, state_en=draft.state.en, doing_zh=doing_zh, doing_en=doing_en
    )
